"""Puts a decision into words, for `GET /plan/{namespace}/{name}` and whoever reads it at night."""

from inferno_actuator.conditions import Verdict
from inferno_actuator.decisions import Decision, Direction
from inferno_actuator.known import counted
from inferno_actuator.verdicts import verdicts
from inferno_shared.contracts import Prediction, SloTarget, Variant


def headline(decision: Decision) -> str:
    """One line: from what to what, and the message with the number that decided.

    Example: `1 -> 3 replicas on H100 (SloBinds): ...`.
    """
    current = "unknown" if decision.current_replicas is None else str(decision.current_replicas)
    if decision.desired is None:
        return f"{current} -> no desired replicas ({decision.reason}): {decision.message}"
    desired = decision.desired
    rails = ", ".join(ruling.rail for ruling in decision.rulings)
    guarded = f"; plan {decision.planned_replicas}, changed by {rails}" if rails else ""
    return (
        f"{current} -> {counted(desired.replicas)} on {desired.accelerator} ({decision.reason}{guarded}): "
        f"{decision.message}"
    )


def in_words(decision: Decision, target: SloTarget | None) -> list[str]:
    """Sentences: what it is, what was found and measured, what was decided and what is expected of it."""
    sentences = [] if decision.variant is None else [_identity(decision.variant, target)]
    sentences += [
        f"{v.type} is {v.met} ({v.reason}): {v.message.rstrip('.')}."
        for v in verdicts(decision)
        if not v.quiet
    ]
    sentences.append(f"Decision: {headline(decision).rstrip('.')}.")
    if decision.direction is not None:
        before = decision.previous.replicas if decision.previous else decision.current_replicas
        way = "more" if decision.direction is Direction.UP else "fewer"
        sentences.append(f"That is {way} than before ({before}).")
    if decision.allocation is not None and not decision.held:
        sentences.append(_expectation(decision.allocation.predicted))
    return [sentence for sentence in sentences if sentence]


def _told(decision: Decision) -> list[Verdict]:
    return [verdict for verdict in verdicts(decision) if not verdict.quiet]


def _identity(variant: Variant, target: SloTarget | None) -> str:
    promises = []
    if target is not None and target.itl_ms is not None:
        promises.append(f"ITL {target.itl_ms:g} ms")
    if target is not None and target.ttft_ms is not None:
        promises.append(f"TTFT {target.ttft_ms:g} ms")
    if target is not None and target.tokens_per_second is not None:
        promises.append(f"{target.tokens_per_second:g} tokens/s")
    promised = f", promised {', '.join(promises)}" if promises else ""
    who = f"{variant.namespace}/{variant.name} serves {variant.model}"
    return f"{who} in class {variant.service_class}{promised}."


def _expectation(predicted: Prediction) -> str:
    known = (
        ("ITL", predicted.itl_ms, "ms"),
        ("mean wait", predicted.wait_ms, "ms"),
        ("TTFT", predicted.ttft_ms, "ms"),
        ("at most", predicted.max_rate_rpm_per_replica, "requests/min per replica within the SLO"),
    )
    numbers = [f"{what} {value:.2f} {unit}" for what, value, unit in known if value is not None]
    if predicted.utilization is not None:
        numbers.append(f"utilisation {predicted.utilization:.0%}")
    return f"Expected then: {', '.join(numbers)}." if numbers else ""
