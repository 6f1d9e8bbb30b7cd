from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.selectors import SelectorIndex

_LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)


@given(st.lists(_LABELS, max_size=12), _LABELS)
def test_no_selector_that_matches_is_missed_or_seen_twice(
    selectors: list[dict[str, str]], labels: dict[str, str]
) -> None:
    index = SelectorIndex(("ns", selector, number) for number, selector in enumerate(selectors))
    found = list(index.candidates("ns", labels))
    matching = [n for n, selector in enumerate(selectors) if selector.items() <= labels.items()]
    assert set(matching) <= set(found)
    assert len(found) == len(set(found))
    assert list(index.candidates("other", labels)) == []
