"""Settings from the environment (prefix INFERNO_), checked at start, with every error shown at once."""

import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "INFERNO_"
EXIT_USAGE = 2

LogLevel = Literal["debug", "info", "warning", "error"]
Authorization = Literal["none", "kubernetes", "certificate"]
ANY_NAME = "*"
_NEARLY = 0.9
"""How alike two names are of which one is the other misspelt; no two settings are so alike."""
FILES = ("tls_cert_file", "tls_key_file", "tls_client_ca_file")


def _listed(value: object) -> object:
    """Return the words of a comma-separated list."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class ServiceSettings(BaseSettings):
    """What every service can be told. A service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", allow_inf_nan=False)

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8080, description="Port to listen on; 0 takes a free one"
    )
    log_level: LogLevel = Field(
        "info", description="Least severe log lines shown: debug, info, warning, error"
    )
    tls_cert_file: Path | None = Field(
        None, description="Server certificate (PEM chain); with it the service speaks HTTPS only"
    )
    tls_key_file: Path | None = Field(None, description="Private key (PEM) of the server certificate")
    tls_client_ca_file: Path | None = Field(
        None,
        description="Authorities (PEM) of the client certificates that callers may show; one that they did "
        "not sign fails the connection. This and the two files above are read again when they change",
    )
    service_authorization: Authorization = Field(
        "none",
        description="Who may call the service: none (everybody who reaches it), kubernetes (bearer token "
        "checked by TokenReview, then SubjectAccessReview of verb and path; remembered for a minute, a "
        "refusal for 5 s), certificate (client certificate with an allowed name)",
    )
    metrics_authorization: Authorization = Field(
        "none",
        description="Who may read /metrics: none, kubernetes (token of the API server's own audience, as "
        "Prometheus has; verb get on the non-resource URL /metrics), certificate",
    )
    allowed_client_names: Names = Field(
        (),
        description="With certificate: common, DNS or URI names of certificates that are admitted, separated "
        "by commas; * admits every certificate of the authorities",
    )
    token_audience: str = Field(
        "inferno-autoscaler",
        description="With kubernetes: audience of the tokens of callers (not of /metrics); empty: the API "
        "server's own",
    )
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000)] = Field(
        64, description="Requests under way at once; one more is answered with 503 and Retry-After"
    )
    request_timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = Field(
        300, description="Time that a request may take, its body included; then it is answered with 503"
    )
    max_body_bytes: Annotated[int, Field(ge=1_024, le=2**30)] = Field(
        32 * 2**20, description="Largest request body accepted; a larger one is answered with 413"
    )
    shutdown_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        15, description="After SIGTERM, time for requests under way and for the service to end its work"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """A variable that a manifest or compose file passes on empty, where nothing is the default."""
        field = cls.model_fields.get(info.field_name or "")
        return None if value == "" and field is not None and field.default is None else value

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(
                f"set both {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE to serve HTTPS, or neither"
            )
        for name in FILES:
            file = getattr(self, name)
            if file is not None and not file.is_file():
                raise ValueError(
                    f"{PREFIX}{name.upper()}={file}: there is no such file; mount it or correct the path"
                )
        return self

    @model_validator(mode="after")
    def _authorization_has_what_it_needs(self) -> Self:
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError(
                f"{PREFIX}TLS_CLIENT_CA_FILE needs HTTPS: set {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"
            )
        if "certificate" in (self.service_authorization, self.metrics_authorization):
            if self.tls_client_ca_file is None:
                raise ValueError(
                    f"authorization by certificate needs {PREFIX}TLS_CLIENT_CA_FILE: set it to the "
                    "authorities of the callers' certificates"
                )
            if not self.allowed_client_names:
                raise ValueError(
                    f"authorization by certificate needs {PREFIX}ALLOWED_CLIENT_NAMES: set it to the "
                    f"callers' names, or to {ANY_NAME} for every certificate of the authorities"
                )
        return self

    def misspelt(self, environment: Iterable[str]) -> Iterator[str]:
        """Yield what is wrong with variables that are nearly ours; the environment may be that of several."""
        ours = {_variable(type(self), name).removeprefix(PREFIX) for name in type(self).model_fields}
        for variable in sorted(environment):
            name = variable.removeprefix(PREFIX)
            if name in ours or name == variable:
                continue
            for meant in get_close_matches(name, ours, n=1, cutoff=_NEARLY):
                yield f"{variable} is no setting and has no effect: is {PREFIX}{meant} meant?"

    def exposure(self) -> Iterator[str]:
        """Yield what anyone on the network could do to this service, each with the remedy."""
        if is_loopback_host(self.host):
            return
        if self.tls_cert_file is None:
            yield (
                f"listening on {self.host} without TLS: what is asked and answered can be read and changed "
                f"on the way; set {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"
            )
        if self.service_authorization == "none":
            yield (
                f"listening on {self.host} without authorization: everybody who reaches port {self.port} may "
                f"call the service; set {PREFIX}SERVICE_AUTHORIZATION"
            )
        if self.metrics_authorization == "none":
            yield (
                f"listening on {self.host} with open metrics: everybody who reaches port {self.port} may "
                f"read /metrics; set {PREFIX}METRICS_AUTHORIZATION"
            )


T = TypeVar("T", bound=ServiceSettings)


class SettingRow(NamedTuple):
    """One line of the settings table in the documentation."""

    variable: str
    default: str
    description: str


def load_settings(cls: type[T], **overrides: Any) -> T:  # noqa: ANN401 - each field has its own type
    """Return the settings of the environment; an override (a command line option) that is not None wins.

    Prints one line per error to stderr, naming the variable, and exits with 2.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return cls(**given)
    except ValidationError as error:
        sys.stderr.writelines(f"{line}\n" for line in _complaints(cls, error))
        raise SystemExit(EXIT_USAGE) from None


def is_loopback_host(host: str) -> bool:
    """Return whether only this machine reaches `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def settings_table(*classes: type[ServiceSettings]) -> list[SettingRow]:
    """Return every setting of `classes` once, in order of definition."""
    rows: dict[str, SettingRow] = {}
    for cls in classes:
        for name, field in cls.model_fields.items():
            variable = _variable(cls, name)
            rows.setdefault(variable, SettingRow(variable, _shown_default(field), field.description or ""))
    return list(rows.values())


def _complaints(cls: type[ServiceSettings], error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            yield message
            continue
        name = str(problem["loc"][0])
        field = cls.model_fields.get(name)
        if field is None:
            yield f"{name}: {message}"
            continue
        variable = _variable(cls, name)
        default = _shown_default(field)
        remedy = (
            "set it"
            if field.is_required()
            else f"correct it, or unset it for the default ({default or 'none'})"
        )
        shown = "" if problem["type"] == "missing" or _is_secret(field) else f"={problem['input']}"
        yield f"{variable}{shown}: {message[:1].lower()}{message[1:]} ({field.description}); {remedy}"


def _variable(cls: type[ServiceSettings], name: str) -> str:
    alias = cls.model_fields[name].validation_alias
    prefix = cls.model_config.get("env_prefix", "")
    return alias if isinstance(alias, str) else f"{prefix}{name}".upper()


def _is_secret(field: FieldInfo) -> bool:
    return "Secret" in str(field.annotation)


def _shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    default = field.get_default(call_default_factory=True)
    if default is None or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(default)
