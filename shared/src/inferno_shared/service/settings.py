"""Settings from the environment (prefix INFERNO_), checked at start, with every error shown at once."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "INFERNO_"
EXIT_USAGE = 2

LogLevel = Literal["debug", "info", "warning", "error"]


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
    max_body_bytes: Annotated[int, Field(ge=1_024, le=2**30)] = Field(
        32 * 2**20, description="Largest request body accepted; a larger one is answered with 413"
    )
    shutdown_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        15, description="After SIGTERM, time for requests under way and for the service to end its work"
    )

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(
                f"set both {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE to serve HTTPS, or neither"
            )
        for name in ("tls_cert_file", "tls_key_file"):
            file = getattr(self, name)
            if file is not None and not file.is_file():
                raise ValueError(
                    f"{PREFIX}{name.upper()}={file}: there is no such file; mount it or correct the path"
                )
        return self


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
    return str(default)
