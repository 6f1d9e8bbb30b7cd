"""Label selectors as Kubernetes reads them."""

import pytest

from inferno_actuator.label_selector import LabelSelectorError, parse_label_selector

LABELS = {"variant_name": "a", "namespace": "llm-d-sim", "tier": "3"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  ", True),
        ("variant_name=a", True),
        ("variant_name==a", True),
        ("variant_name = a", True),
        ("variant_name=b", False),
        ("variant_name!=a", False),
        ("variant_name!=b", True),
        ("absent!=x", True),
        ("variant_name in (a,b)", True),
        ("variant_name in ( b , c )", False),
        ("variant_name notin (b)", True),
        ("variant_name notin (a, b)", False),
        ("absent notin (a)", True),
        ("absent in (a)", False),
        ("variant_name", True),
        ("absent", False),
        ("!absent", True),
        ("! variant_name", False),
        ("variant_name=a,namespace=llm-d-sim", True),
        ("variant_name in (a,b),namespace!=llm-d-sim", False),
        ("absent=", False),
        ("absent in (,x)", False),
        ("tier>2", True),
        ("tier<3", False),
        ("variant_name>2", False),
        ("absent>2", False),
        ("inference.optimization/acceleratorName=H100", False),
        ("in in (a)", False),
    ],
)
def test_a_selector_matches_as_kubernetes_does(text: str, *, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    "text", ["=a", "a=b,", ",", "a in b", "a in (b", "a=b c", "a>x", "!", "a in (b c)", "a=(b)", "-a=b"]
)
def test_what_is_no_selector_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(LabelSelectorError, match="label selector"):
        parse_label_selector(text)
