"""What the loop reads of the cluster, from caches filled by hand."""

from typing import Any

import pytest

from inferno_actuator.cluster import INTERVAL_KEY, SETTINGS_CONFIG_MAP, Cluster
from inferno_actuator.rails import RailLimits, Step
from inferno_shared.kubernetes import (
    ConfigMap,
    KubernetesClient,
    ResourceCache,
    VariantAutoscaling,
    parse_config_map,
    parse_variant_autoscaling,
)
from unit.actuator.cluster_world import NAMESPACE, seed_variant
from unit.actuator.world import SEED_KEY


class Filled(Cluster):
    """A cluster whose caches the test fills."""

    def __init__(self) -> None:
        unused: Any = None
        client: KubernetesClient = unused
        super().__init__(client, namespace=NAMESPACE, default_interval_seconds=60, on_write=lambda: None)

    def put_variant(self, **metadata: object) -> None:
        raw = seed_variant()
        raw["metadata"] |= {"uid": "u1", "generation": 1, **metadata}
        parsed: VariantAutoscaling = parse_variant_autoscaling(raw)
        self.filled()._objects[SEED_KEY] = parsed

    def filled(self) -> ResourceCache[VariantAutoscaling]:
        """The one cache of a cluster that is followed as a whole."""
        assert isinstance(self._variants, ResourceCache)
        return self._variants

    def put_config(self, name: str = SETTINGS_CONFIG_MAP, **data: str) -> None:
        raw = {"metadata": {"namespace": NAMESPACE, "name": name}, "data": data}
        parsed: ConfigMap = parse_config_map(raw)
        self._config_maps._objects[NAMESPACE, name] = parsed


@pytest.fixture
def cluster() -> Filled:
    return Filled()


def test_without_a_config_map_the_default_interval_holds(cluster: Filled) -> None:
    assert cluster.interval_seconds() == 60


def test_the_interval_is_read_live_and_nonsense_leaves_the_last_one(cluster: Filled) -> None:
    cluster.put_config(**{INTERVAL_KEY: "10s"})
    assert cluster.interval_seconds() == 10
    cluster.put_config(**{INTERVAL_KEY: "often"})
    assert cluster.interval_seconds() == 10
    assert any("'often' is not a duration" in problem.message for problem in cluster.problems())
    cluster.put_config(**{INTERVAL_KEY: "20s"})
    assert cluster.interval_seconds() == 20
    assert not any("often" in problem.message for problem in cluster.problems())


def test_specs_labels_and_config_maps_are_in_the_fingerprint_and_statuses_are_not(cluster: Filled) -> None:
    cluster.put_variant()
    first = cluster.fingerprint()
    cluster.put_variant(resourceVersion="99")
    assert cluster.fingerprint() == first
    seen = {first}
    cluster.put_variant(generation=2)
    seen.add(cluster.fingerprint())
    cluster.put_variant(generation=2, labels={"x": "y"})
    seen.add(cluster.fingerprint())
    cluster.put_config("service-classes-config", premium="x")
    seen.add(cluster.fingerprint())
    assert len(seen) == 4


def test_config_maps_of_others_are_not_in_the_fingerprint(cluster: Filled) -> None:
    first = cluster.fingerprint()
    cluster.put_config("somebody-elses", a="b")
    assert cluster.fingerprint() == first


def test_an_object_on_its_way_out_is_not_known_and_a_malformed_one_is(cluster: Filled) -> None:
    cluster.put_variant()
    assert set(cluster.known()) == {SEED_KEY}
    cluster.put_variant(deletionTimestamp="2025-09-04T12:00:00Z")
    assert cluster.known() == {}
    cluster.filled()._malformed["llm-d-sim", "broken"] = "spec.modelID: must be a text"
    (broken,) = cluster.known().values()
    assert broken.malformed == "spec.modelID: must be a text"


def test_the_limits_of_the_rails_are_read_live_and_nonsense_leaves_the_last_ones(cluster: Filled) -> None:
    assert cluster.rail_limits() == RailLimits()
    cluster.put_config(
        MAX_SCALE_UP="4", MAX_SCALE_DOWN="50%", SCALE_DOWN_STABILIZATION="5m", SCALE_DOWN_MARGIN="10%"
    )
    strict = RailLimits(
        step_up=Step(replicas=4),
        step_down=Step(percent=50),
        stabilization_seconds=300,
        scale_down_margin=0.1,
    )
    assert cluster.rail_limits() == strict
    cluster.put_config(
        MAX_SCALE_UP="four", MAX_SCALE_DOWN="-1", SCALE_DOWN_STABILIZATION="soon", SCALE_DOWN_MARGIN="much"
    )
    assert cluster.rail_limits() == strict
    told = [problem.message for problem in cluster.problems() if problem.reason == "InvalidConfiguration"]
    assert len(told) == 4
    assert told[0] == "MAX_SCALE_UP: 'four' is not a step: write it like 4, 50% or none; 4 stays in force"


def test_an_emptied_config_map_is_an_accident_and_a_key_taken_out_is_a_choice(cluster: Filled) -> None:
    cluster.put_config(GLOBAL_OPT_INTERVAL="10s", MAX_SCALE_UP="4")
    assert cluster.rail_limits().step_up == Step(replicas=4)
    assert cluster.interval_seconds() == 10
    cluster.put_config()
    assert cluster.rail_limits().step_up == Step(replicas=4)
    assert cluster.interval_seconds() == 10
    cluster.put_config(MAX_SCALE_UP="4")
    assert cluster.interval_seconds() == 60
