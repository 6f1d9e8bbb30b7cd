"""Says for people why a variant got what it got, with the numbers that decided; what scarcity costs, too."""

from inferno_optimizer.explain.allocation import explain, explain_held
from inferno_optimizer.explain.growth import Growth, growth_of, questions_of, share_of_time
from inferno_optimizer.explain.scarcity import Holder, Scarcity, growth_sentence
from inferno_optimizer.explain.wishes import Wish, wishes_of

__all__ = [
    "Growth",
    "Holder",
    "Scarcity",
    "Wish",
    "explain",
    "explain_held",
    "growth_of",
    "growth_sentence",
    "questions_of",
    "share_of_time",
    "wishes_of",
]
