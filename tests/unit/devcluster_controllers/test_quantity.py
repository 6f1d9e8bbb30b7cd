import pytest

from devcluster.controllers.quantity import format_milli, parse_milli
from inferno_shared.errors import MalformedObjectError


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [
        ("1", 1000),
        ("37500m", 37500),
        ("1.5", 1500),
        ("2k", 2_000_000),
        ("1e3", 1_000_000),
    ],
)
def test_quantities_are_read_in_thousandths(text: str, thousandths: int) -> None:
    assert parse_milli(text, "target.value") == thousandths


def test_finer_than_a_thousandth_is_rounded_up() -> None:
    assert parse_milli("1001u", "target.value") == 2


def test_what_is_no_quantity_is_named() -> None:
    with pytest.raises(MalformedObjectError, match=r"target\.value: must be a quantity"):
        parse_milli("three", "target.value")


@pytest.mark.parametrize(
    ("thousandths", "text"), [(0, "0"), (1334, "1334m"), (3000, "3"), (2_000_000, "2k"), (500, "500m")]
)
def test_printed_as_kubectl_shows_it(thousandths: int, text: str) -> None:
    assert format_milli(thousandths) == text
