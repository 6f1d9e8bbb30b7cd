import pytest

from inferno_collector.configuration import Configuration, read_configuration, seconds_of
from inferno_shared.contracts import ItlReading, SaturationPolicy

SEED = {
    "GLOBAL_OPT_INTERVAL": "60s",
    "PROMETHEUS_BASE_URL": "https://thanos-querier.openshift-monitoring.svc.cluster.local:9091",
    "UNLIMITED": "true",
    "SATURATION_POLICY": "None",
    "DELAYED_BEST_EFFORT": "false",
}


def test_the_shipped_config_map_is_the_default_policy() -> None:
    configuration = read_configuration(SEED, Configuration())
    assert configuration.problems == ()
    assert configuration.policy == Configuration().policy
    assert configuration.prometheus.base_url == SEED["PROMETHEUS_BASE_URL"]
    assert configuration.interval_seconds == 60


def test_every_policy_can_be_set() -> None:
    data = SEED | {"UNLIMITED": "false", "SATURATION_POLICY": "PriorityExhaustive", "HEADROOM": "1.5"}
    policy = read_configuration(data | {"ITL_READING": "quantile"}, Configuration()).policy
    assert (policy.unlimited, policy.saturation_policy) == (False, SaturationPolicy.PRIORITY_EXHAUSTIVE)
    assert (policy.headroom, policy.itl_reading) == (1.5, ItlReading.QUANTILE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SATURATION_POLICY", "Greedy"),
        ("UNLIMITED", "perhaps"),
        ("HEADROOM", "0.5"),
        ("TTFT_PERCENTILE", "NaN"),
        ("GLOBAL_OPT_INTERVAL", "often"),
        ("GLOBAL_OPT_INTERVAL", "0s"),
        ("PROMETHEUS_BASE_URL", "thanos:9091"),
        ("PROMETHEUS_BASE_URL", "https://user:secret@thanos:9091"),
        ("PROMETHEUS_TLS_INSECURE_SKIP_VERIFY", "yes"),
    ],
)
def test_a_bad_value_is_reported_and_the_last_good_one_stays(key: str, value: str) -> None:
    before = read_configuration(SEED | {"GLOBAL_OPT_INTERVAL": "30s", "HEADROOM": "1.25"}, Configuration())
    after = read_configuration(SEED | {"GLOBAL_OPT_INTERVAL": "30s", "HEADROOM": "1.25", key: value}, before)
    [problem] = after.problems
    assert problem.subject == f"ConfigMap inferno-autoscaler-variantautoscaling-config key {key}"
    assert problem.reason == "InvalidConfiguration"
    assert (after.policy, after.interval_seconds) == (before.policy, 30)
    assert after.prometheus == before.prometheus


def test_a_key_left_out_has_its_default_again() -> None:
    before = read_configuration(SEED | {"UNLIMITED": "false"}, Configuration())
    after = read_configuration({}, before)
    assert after.policy.unlimited


def test_a_missing_config_map_changes_nothing() -> None:
    before = read_configuration(SEED | {"UNLIMITED": "false"}, Configuration())
    after = read_configuration(None, before)
    assert after.policy == before.policy
    assert after.problems[0].reason == "ConfigMapMissing"


def test_a_misspelt_key_is_named_with_the_one_that_was_meant() -> None:
    [problem] = read_configuration(SEED | {"UNLIMTED": "false"}, Configuration()).problems
    assert "UNLIMITED was probably meant" in problem.message


def test_foreign_keys_are_nobodys_business() -> None:
    assert read_configuration(SEED | {"TEAM": "blue"}, Configuration()).problems == ()


def test_a_token_is_never_shown() -> None:
    configuration = read_configuration(SEED | {"PROMETHEUS_BEARER_TOKEN": "s3cret"}, Configuration())
    assert configuration.prometheus.bearer_token == "s3cret"
    assert "s3cret" not in repr(configuration)


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("1m30s", 90), ("0.5h", 1800), ("2h", 7200), ("1.5s", 1.5)]
)
def test_durations_are_written_as_in_go(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
