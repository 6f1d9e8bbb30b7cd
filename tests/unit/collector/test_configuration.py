import pytest

from inferno_collector.configuration import Configuration, read_configuration
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
        ("PROMETHEUS_BASE_URL", "thanos:9091"),
        ("PROMETHEUS_BASE_URL", "https://user:secret@thanos:9091"),
        ("PROMETHEUS_TLS_INSECURE_SKIP_VERIFY", "yes"),
    ],
)
def test_a_bad_value_is_reported_and_the_last_good_one_stays(key: str, value: str) -> None:
    before = read_configuration(SEED | {"HEADROOM": "1.25"}, Configuration())
    after = read_configuration(SEED | {"HEADROOM": "1.25", key: value}, before)
    [problem] = after.problems
    assert problem.subject == f"ConfigMap inferno-autoscaler-variantautoscaling-config key {key}"
    assert problem.reason == "InvalidConfiguration"
    assert after.policy == before.policy
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


@pytest.mark.parametrize(
    ("key", "meant"), [("UNLIMTED", "UNLIMITED"), ("SCALE_DOWN_MARGN", "SCALE_DOWN_MARGIN")]
)
def test_a_misspelt_key_is_named_with_the_one_that_was_meant(key: str, meant: str) -> None:
    [problem] = read_configuration(SEED | {key: "false"}, Configuration()).problems
    assert f"{meant} was probably meant" in problem.message


def test_what_is_said_of_a_value_is_written_as_the_value_is() -> None:
    data = {"UNLIMITED": "maybe", "PROMETHEUS_BASE_URL": "thanos"}
    url, policy = (problem.message for problem in read_configuration(data, Configuration()).problems)
    assert policy == """'maybe': write "true" or "false"; true stays in force"""
    assert url.endswith("; no value stays in force")


def test_the_interval_is_the_actuators_to_judge() -> None:
    assert read_configuration(SEED | {"GLOBAL_OPT_INTERVAL": "1500ms"}, Configuration()).problems == ()


def test_foreign_keys_are_nobodys_business() -> None:
    assert read_configuration(SEED | {"TEAM": "blue"}, Configuration()).problems == ()


def test_a_token_is_never_shown() -> None:
    configuration = read_configuration(SEED | {"PROMETHEUS_BEARER_TOKEN": "s3cret"}, Configuration())
    assert configuration.prometheus.bearer_token == "s3cret"
    assert "s3cret" not in repr(configuration)
