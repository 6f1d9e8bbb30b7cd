"""How soon load becomes desired replicas with the guide's own intervals: loop 60 s, scrape 15 s, HPA 15 s."""

from collections.abc import Iterator

import pytest

from controlplane import Options, running_control_plane
from e2e.clusters import until
from e2e.loads import first_request_at, load
from e2e.product import SERVICE, Product, deploy
from e2e.timeline import reaction_lines, reaction_table, recording

INTERVAL_SECONDS = 60
SCRAPE_SECONDS = 15
HPA_SECONDS = 15

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    options = Options(services=(SERVICE,), hpa_sync_seconds=HPA_SECONDS)
    with running_control_plane(tmp_path_factory.mktemp("reaction"), options) as plane:
        deployed = deploy(plane, interval_seconds=INTERVAL_SECONDS, scrape_seconds=SCRAPE_SECONDS)
        until(lambda: deployed.condition("MetricsAvailable") == ("True", "MetricsFound"), seconds=150)
        yield deployed


def test_with_the_guides_intervals_load_is_answered_within_one_scrape_and_one_interval(
    product: Product, tmp_path_factory: pytest.TempPathFactory, measured: list[str]
) -> None:
    report = tmp_path_factory.mktemp("load") / "loadgen.jsonl"
    with (
        recording(product) as timeline,
        load(product, SERVICE, "[[180, 50]]", report=report),
    ):
        until(
            lambda: all(max(timeline.path(field), default=0) > 1 for field in ("ready", "thanos")),
            seconds=150,
            why="more than one replica is ready, and Thanos has the metric",
        )
    target = SCRAPE_SECONDS + INTERVAL_SECONDS
    reactions = reaction_table(timeline, first_request_at(report), target=target)
    measured.append("the guide's intervals (loop 60 s, scrape 15 s, HPA 15 s):")
    measured += reaction_lines(timeline, reactions)

    assert [reaction for reaction in reactions if not reaction.in_time] == []
