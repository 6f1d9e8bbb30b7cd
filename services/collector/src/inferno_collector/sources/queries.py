"""Which queries make one reading: three, however many variants there are (three per namespace with tenancy).

Range selectors bring the raw samples, so that rates come from the same code as when scraping, and no function
of the query language extrapolates or hides a reset. What the last whole reading has told is not asked again:
with a reading per minute that is a quarter of the samples.
"""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from inferno_collector.configuration import PrometheusAddress

# Beyond the window, so that a sample at or before its beginning is there with scrape intervals of up to 60 s.
EARLIER_SECONDS: Final = 60.0

_MOST_CHARACTERS: Final = 4_000
_NAME: Final = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How much is asked for.

    `range_seconds`: span of samples. `filter_namespaces`: ask only for namespaces that have variants.
    `tenancy`: one set of queries per namespace, each with the parameter `namespace`, as OpenShift's tenancy
    port wants it.
    """

    range_seconds: float
    filter_namespaces: bool = True
    tenancy: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `needed` ones make the load, the others its details. `namespace`: the tenant, if any."""

    what: str
    text: str
    needed: bool
    namespace: str | None = None


# Samples may come late by so much, and a series is asked for at least so long.
_OVERLAP_SECONDS: Final = 30.0

# Details are three quarters of all series, and only their mean counts: at first two minutes of it are enough.
_DETAIL_SECONDS: Final = 120.0
_LATENCIES: Final = "request_queue_time|time_to_first_token|inter_token_latency|time_per_output_token"

# What is asked, the names of its series, and whether a load can be told without it.
_BATCHES: Final = (
    ("requests", "vllm:(request_success_total|num_requests_running|num_requests_waiting)", True),
    ("tokens", "vllm:request_(prompt|generation)_tokens_(sum|count)", False),
    ("latencies", f"vllm:({_LATENCIES})_seconds_(sum|count)", False),
)


@dataclass(frozen=True, slots=True)
class WholeReading:
    """A reading that told everything there was up to `at`: whom it asked, and for which namespaces."""

    at: float
    address: PrometheusAddress
    namespaces: frozenset[str]

    def seconds_since(
        self, now: float, address: PrometheusAddress, namespaces: frozenset[str], longest: float
    ) -> float | None:
        """How far back a reading at `now` must ask to continue this one; None when it cannot in `longest`."""
        seconds = now - self.at + _OVERLAP_SECONDS
        if address != self.address or not namespaces <= self.namespaces or now < self.at:
            return None
        return seconds if seconds < longest else None


def queries_of_a_reading(
    namespaces: Collection[str], options: QueryOptions, seconds: float | None = None
) -> list[Query]:
    """The queries, the needed ones first. None at all when there is no namespace to ask for.

    `seconds`: how far back they ask; None: as far as the options say. Without filter and tenancy everything
    is asked for, whatever the namespaces.
    """
    asked = sorted(set(namespaces))
    if not asked and (options.tenancy or options.filter_namespaces):
        return []
    if options.tenancy:
        found = [
            query
            for namespace in asked
            for query in _set(options, seconds, f',namespace="{namespace}"', namespace)
        ]
    else:
        matcher = namespace_matcher(asked) if options.filter_namespaces else ""
        found = list(_set(options, seconds, matcher, None))
    return sorted(found, key=lambda query: not query.needed)


def namespace_matcher(namespaces: Collection[str]) -> str:
    """A matcher for these namespaces and for series without the label, such as `,namespace=~"a|b|"`.

    Empty, so that everything is asked for, when the expression would be longer than a server should be given.
    """
    expression = "|".join([*sorted(namespaces), ""])
    if len(expression) > _MOST_CHARACTERS or not all(map(_NAME.fullmatch, namespaces)):
        return ""
    return f',namespace=~"{expression}"'


def _set(
    options: QueryOptions, seconds: float | None, matcher: str, namespace: str | None
) -> Iterator[Query]:
    for what, names, needed in _BATCHES:
        whole = options.range_seconds if needed else min(options.range_seconds, _DETAIL_SECONDS)
        asked = whole if seconds is None else seconds
        text = f'{{__name__=~"{names}"{matcher}}}[{math.ceil(asked)}s]'
        yield Query(what, text, needed, namespace)
