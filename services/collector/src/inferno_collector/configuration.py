"""Reads the ConfigMap `inferno-autoscaler-variantautoscaling-config`: Prometheus and policy.

Each key stands alone: a value that cannot be used is reported and its last good value stays in force, and a
key that looks like a misspelt one is named together with the key that was probably meant. The keys of the
loop are the actuator's to read: it reports their values.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from inferno_collector.reasons import Reason
from inferno_shared.contracts import Policy, Problem

CONFIGURATION: Final = "inferno-autoscaler-variantautoscaling-config"

# Key -> field of the contract's Policy.
_POLICY_KEYS: Final = {
    "UNLIMITED": "unlimited",
    "SATURATION_POLICY": "saturation_policy",
    "DELAYED_BEST_EFFORT": "delayed_best_effort",
    "TTFT_READING": "ttft_reading",
    "TTFT_PERCENTILE": "ttft_percentile",
    "ITL_READING": "itl_reading",
    "ITL_PERCENTILE": "itl_percentile",
    "HEADROOM": "headroom",
    "SOLVER_TIME_LIMIT_SECONDS": "time_limit_seconds",
    "ONE_MORE_UNIT": "one_more_unit",
}


@dataclass(frozen=True, slots=True)
class PrometheusAddress:
    """Where Prometheus or Thanos is and how to be admitted; files are read again at each use."""

    base_url: str | None = None
    insecure_skip_verify: bool = False
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    server_name: str | None = None
    bearer_token: str | None = field(default=None, repr=False)
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is in force, and what could not be used."""

    prometheus: PrometheusAddress = PrometheusAddress()
    policy: Policy = field(default_factory=Policy)
    problems: tuple[Problem, ...] = ()


class InvalidValueError(ValueError):
    """A value cannot be used; the message says what would be."""


def read_configuration(data: Mapping[str, str] | None, previous: Configuration) -> Configuration:
    """Configuration from the ConfigMap's data; a key that is absent has its default.

    None (the ConfigMap does not exist) keeps what was in force.
    """
    if data is None:
        return replace(previous, problems=(_missing(),))
    problems = [_misspelt(key, known) for key in sorted(data) if (known := _probably_meant(key))]
    return Configuration(
        prometheus=_prometheus(data, previous.prometheus, problems),
        policy=_policy(data, previous.policy, problems),
        problems=tuple(problems),
    )


def _prometheus(
    data: Mapping[str, str], previous: PrometheusAddress, problems: list[Problem]
) -> PrometheusAddress:
    def text(key: str) -> str | None:
        return data.get(key, "").strip() or None

    base_url = _value(data, "PROMETHEUS_BASE_URL", _url, (None, previous.base_url), problems)
    skip_verify = _value(
        data,
        "PROMETHEUS_TLS_INSECURE_SKIP_VERIFY",
        _flag,
        (False, previous.insecure_skip_verify),
        problems,
    )
    return PrometheusAddress(
        base_url=base_url,
        insecure_skip_verify=skip_verify,
        ca_file=text("PROMETHEUS_CA_CERT_PATH"),
        client_cert_file=text("PROMETHEUS_CLIENT_CERT_PATH"),
        client_key_file=text("PROMETHEUS_CLIENT_KEY_PATH"),
        server_name=text("PROMETHEUS_SERVER_NAME"),
        bearer_token=text("PROMETHEUS_BEARER_TOKEN"),
        token_file=text("PROMETHEUS_TOKEN_PATH"),
    )


_PROMETHEUS_KEYS: Final = (
    "PROMETHEUS_BASE_URL",
    "PROMETHEUS_TLS_INSECURE_SKIP_VERIFY",
    "PROMETHEUS_CA_CERT_PATH",
    "PROMETHEUS_CLIENT_CERT_PATH",
    "PROMETHEUS_CLIENT_KEY_PATH",
    "PROMETHEUS_SERVER_NAME",
    "PROMETHEUS_BEARER_TOKEN",
    "PROMETHEUS_TOKEN_PATH",
)
_LOOP_KEYS: Final = (
    "GLOBAL_OPT_INTERVAL",
    "MAX_SCALE_UP",
    "MAX_SCALE_DOWN",
    "SCALE_DOWN_STABILIZATION",
    "SCALE_DOWN_MARGIN",
)
_KNOWN_KEYS: Final = (*_LOOP_KEYS, *_PROMETHEUS_KEYS, *_POLICY_KEYS)


def _policy(data: Mapping[str, str], previous: Policy, problems: list[Problem]) -> Policy:
    policy = Policy()
    for key, name in _POLICY_KEYS.items():
        default = getattr(policy, name)
        value = _value(data, key, _policy_value(name), (default, getattr(previous, name)), problems)
        policy = policy.model_copy(update={name: value})
    return policy


def _policy_value(name: str) -> Callable[[str], Any]:
    """A parser of one policy field, with the contract's own limits."""

    def parse(text: str) -> object:
        try:
            return getattr(Policy.model_validate({name: text.strip()}), name)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise InvalidValueError(_WORDS.get(problem["type"], problem["msg"])) from error

    return parse


_TRUE_OR_FALSE: Final = 'write "true" or "false"'
_WORDS: Final = {"bool_parsing": _TRUE_OR_FALSE}


def _value(
    data: Mapping[str, str],
    key: str,
    parse: Callable[[str], Any],
    default_and_previous: tuple[Any, Any],
    problems: list[Problem],
) -> Any:  # noqa: ANN401 - whatever `parse` returns
    default, previous = default_and_previous
    text = data.get(key, "")
    if not text.strip():
        return default
    try:
        return parse(text)
    except InvalidValueError as error:
        problems.append(_problem(key, f"{text.strip()!r}: {error}; {_shown(previous)} stays in force"))
        return previous


def _shown(value: object) -> str:
    """A value as it is written in the ConfigMap."""
    if value is None:
        return "no value"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidValueError('not a URL: write one such as "https://thanos-querier:9091"')
    if parts.username or parts.password:
        raise InvalidValueError("credentials in the URL would be logged: use PROMETHEUS_TOKEN_PATH")
    return text.strip().rstrip("/")


def _flag(text: str) -> bool:
    value = text.strip().lower()
    if value not in {"true", "false"}:
        raise InvalidValueError(_TRUE_OR_FALSE)
    return value == "true"


def _probably_meant(key: str) -> str | None:
    if key in _KNOWN_KEYS:
        return None
    return next(iter(difflib.get_close_matches(key, _KNOWN_KEYS, n=1, cutoff=0.8)), None)


def _misspelt(key: str, meant: str) -> Problem:
    return _problem(key, f"is not a setting and has no effect: {meant} was probably meant")


def _missing() -> Problem:
    return Problem(
        subject=f"ConfigMap {CONFIGURATION}",
        reason=Reason.CONFIG_MAP_MISSING,
        message="the ConfigMap does not exist; what was in force, or the defaults, apply: "
        "apply config/manager/configmap.yaml",
    )


def _problem(key: str, message: str) -> Problem:
    subject = f"ConfigMap {CONFIGURATION} key {key}"
    return Problem(subject=subject, reason=Reason.INVALID_CONFIGURATION, message=message)
