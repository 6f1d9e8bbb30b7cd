"""The command line and the environment."""

import pytest

from vllm_emulator.engine import Profile
from vllm_emulator.metrics import MetricNames
from vllm_emulator.settings import OPTIONS, Settings, parse_settings

SEED_ARGUMENTS = [
    "Qwen/Qwen3-0.6B",
    "--port",
    "8200",
    "--served-model-name",
    "Qwen/Qwen3-0.6B",
    "--enforce-eager",
    "--kv-transfer-config",
    '{"kv_connector":"NixlConnector", "kv_role":"kv_both"}',
]


def parse(*arguments: str, **environment: str) -> Settings:
    return parse_settings(arguments, environment)


def test_the_defaults_are_the_seeds_profile() -> None:
    settings = parse()
    assert settings.profile == Profile(20.58, 0.41, 0, 0, max_batch_size=4, max_waiting=1000)
    assert (settings.output_tokens, settings.output_tokens_cv) == (279, 0)
    assert (settings.served_names, settings.host, settings.port) == (("Qwen/Qwen3-0.6B",), "127.0.0.1", 8000)
    assert settings.metric_names is MetricNames.NEW


@pytest.mark.parametrize("leading", [[], ["serve"]])
def test_the_command_line_of_the_seeds_deployment_works_and_names_what_it_ignores(leading: list[str]) -> None:
    settings = parse(*leading, *SEED_ARGUMENTS)
    assert settings.port == 8200
    assert settings.served_names == ("Qwen/Qwen3-0.6B",)
    assert settings.ignored == (
        "--enforce-eager",
        '--kv-transfer-config {"kv_connector":"NixlConnector", "kv_role":"kv_both"}',
    )


def test_unknown_flags_in_any_form_leave_the_known_ones_alone() -> None:
    settings = parse("m", "-tp", "2", "--x=3", "--port=81", "--dtype", "auto", "--max-num-seqs", "8", "-v=5")
    assert (settings.port, settings.profile.max_batch_size) == (81, 8)
    assert settings.ignored == ("-tp 2", "--x=3", "--dtype auto", "-v=5")


def test_a_flag_wins_over_its_variable_and_a_variable_over_the_default() -> None:
    settings = parse("m", "--beta-ms", "3", VLLME_BETA_MS="2", VLLME_ALPHA_MS="7.77")
    assert (settings.profile.alpha_ms, settings.profile.beta_ms) == (7.77, 3)


def test_every_parameter_can_be_set_by_variable() -> None:
    values = {"host": "127.0.0.2", "metric_names": "old", "seed": "5"}
    settings = parse(**{option.variable: values.get(option.name, "9") for option in OPTIONS})
    assert settings.profile == Profile(9, 9, 9, 9, 9, 9)
    assert (settings.host, settings.port, settings.metric_names) == ("127.0.0.2", 9, MetricNames.OLD)
    assert (settings.output_tokens, settings.output_tokens_cv, settings.startup_seconds) == (9, 9, 9)
    assert (settings.drain_seconds, settings.max_model_len, settings.kv_cache_tokens, settings.seed) == (
        9,
        9,
        9,
        5,
    )


def test_several_served_names_are_all_known_and_the_model_may_be_a_flag() -> None:
    assert parse("--model", "m", "--served-model-name", "a", "b").served_names == ("a", "b")
    assert parse("--model", "m").served_names == ("m",)


def test_the_cache_grows_with_the_batch_unless_said_otherwise() -> None:
    assert parse("m", "--max-batch-size", "10").kv_cache_tokens == 20480
    assert parse("m", "--kv-cache-tokens", "77").kv_cache_tokens == 77


def test_a_misspelt_variable_is_named_among_the_ignored() -> None:
    assert parse("m", VLLME_ALPHA="1").ignored == ("VLLME_ALPHA",)


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (
            ["--port", "x"],
            {},
            "argument --port: must be a whole number of at least 0 and at most 65535, not 'x'",
        ),
        (["--port", "70000"], {}, "at most 65535, not 70000"),
        (["--alpha-ms", "0"], {}, "must be a number above 0, not 0"),
        (["--alpha-ms", "nan"], {}, "must be a number above 0, not nan"),
        (["--max-batch-size", "0"], {}, "must be a whole number of at least 1, not 0"),
        (
            [],
            {"VLLME_BETA_MS": "-1"},
            "environment variable VLLME_BETA_MS must be a number of at least 0, not -1",
        ),
        ([], {"VLLME_METRIC_NAMES": "v2"}, "VLLME_METRIC_NAMES must be 'new' or 'old', not 'v2'"),
    ],
)
def test_a_bad_value_ends_the_start_with_a_message_that_names_it(
    arguments: list[str], environment: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(*arguments, **environment)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
