from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from inferno_shared.service import ServiceSettings, SettingRow, load_settings, settings_table


class Settings(ServiceSettings):
    port: int = Field(8082, ge=0, le=65_535, description="Port to listen on")
    collector_url: str = Field(description="Where the collector answers, such as http://127.0.0.1:8081")
    token: SecretStr | None = Field(None, description="Secret of a test", min_length=8)
    unlimited: bool = Field(default=True, description="Ignore limits")


@pytest.fixture(autouse=True)
def _no_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFERNO_PORT", "INFERNO_HOST", "INFERNO_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def complaints(capsys: pytest.CaptureFixture[str], **overrides: object) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load_settings(Settings, **overrides)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_settings_come_from_the_environment_and_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERNO_PORT", "9000")
    monkeypatch.setenv("INFERNO_COLLECTOR_URL", "http://collector")
    settings = load_settings(Settings, host="0.0.0.0", port=None)
    assert (settings.host, settings.port, settings.collector_url) == ("0.0.0.0", 9000, "http://collector")
    assert load_settings(Settings, port=1).port == 1


def test_every_error_is_shown_at_once_each_naming_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFERNO_PORT", "abc")
    monkeypatch.setenv("INFERNO_LOG_LEVEL", "loud")
    port, level, url = sorted(complaints(capsys), key=lambda line: "PORT" not in line)
    assert port == (
        "INFERNO_PORT=abc: input should be a valid integer, unable to parse string as an integer "
        "(Port to listen on); correct it, or unset it for the default (8082)"
    )
    assert level.startswith("INFERNO_LOG_LEVEL=loud: input should be 'debug', 'info', 'warning' or 'error'")
    assert url == (
        "INFERNO_COLLECTOR_URL: field required "
        "(Where the collector answers, such as http://127.0.0.1:8081); set it"
    )


def test_a_secret_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INFERNO_TOKEN", "s3cret")
    (line,) = complaints(capsys, collector_url="http://c")
    assert line.startswith("INFERNO_TOKEN: ")
    assert "s3cret" not in line


def test_a_certificate_needs_its_key_and_both_need_to_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaints(capsys, collector_url="u", tls_cert_file="/c.pem") == [
        "set both INFERNO_TLS_CERT_FILE and INFERNO_TLS_KEY_FILE to serve HTTPS, or neither"
    ]
    there = tmp_path / "key.pem"
    there.write_text("key")
    assert complaints(capsys, collector_url="u", tls_cert_file="/c.pem", tls_key_file=there) == [
        "INFERNO_TLS_CERT_FILE=/c.pem: there is no such file; mount it or correct the path"
    ]


def test_the_table_lists_each_variable_once() -> None:
    table = settings_table(ServiceSettings, Settings)
    assert len({row.variable for row in table}) == len(table)
    assert SettingRow("INFERNO_HOST", "127.0.0.1", "Address to listen on") in table
    assert SettingRow("INFERNO_TOKEN", "", "Secret of a test") in table
    assert SettingRow("INFERNO_UNLIMITED", "true", "Ignore limits") in table
    assert next(row for row in table if row.variable == "INFERNO_COLLECTOR_URL").default == "(required)"
    assert all(row.description for row in table)


def test_authorization_by_certificate_needs_authorities_and_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("tls_cert_file", "tls_key_file", "tls_client_ca_file")}
    for file in files.values():
        file.write_text("pem")
    (no_authorities,) = complaints(capsys, collector_url="u", service_authorization="certificate")
    assert no_authorities == (
        "authorization by certificate needs INFERNO_TLS_CLIENT_CA_FILE: set it to the authorities of the "
        "callers' certificates"
    )
    (no_names,) = complaints(capsys, collector_url="u", metrics_authorization="certificate", **files)
    assert no_names == (
        "authorization by certificate needs INFERNO_ALLOWED_CLIENT_NAMES: set it to the callers' names, or "
        "to * for every certificate of the authorities"
    )
    assert complaints(capsys, collector_url="u", tls_client_ca_file=files["tls_client_ca_file"]) == [
        "INFERNO_TLS_CLIENT_CA_FILE needs HTTPS: set INFERNO_TLS_CERT_FILE and INFERNO_TLS_KEY_FILE"
    ]


def test_names_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERNO_ALLOWED_CLIENT_NAMES", "actuator, spiffe://c/ns/collector,")
    assert load_settings(ServiceSettings).allowed_client_names == ("actuator", "spiffe://c/ns/collector")


def test_an_empty_variable_is_unset_where_nothing_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERNO_TLS_CERT_FILE", "")
    monkeypatch.setenv("INFERNO_TOKEN_AUDIENCE", "")
    settings = load_settings(ServiceSettings)
    assert (settings.tls_cert_file, settings.token_audience) == (None, "")


def test_a_variable_that_is_nearly_a_setting_is_named() -> None:
    environment = ["INFERNO_LOG_LEVL", "INFERNO_LOG_LEVEL", "INFERNO_AUTOSCALER_SERVICE_PORT", "LOG_LEVL"]
    assert list(ServiceSettings().misspelt(environment)) == [
        "INFERNO_LOG_LEVL is no setting and has no effect: is INFERNO_LOG_LEVEL meant?"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_an_open_service_on_loopback_exposes_nothing(host: str) -> None:
    assert list(ServiceSettings(host=host).exposure()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "inferno.example.com", "127.example.com"])
def test_an_open_service_beyond_loopback_says_what_is_open_and_how_to_close_it(host: str) -> None:
    exposed = list(ServiceSettings(host=host).exposure())
    assert [line.rpartition("set ")[2] for line in exposed] == [
        "INFERNO_TLS_CERT_FILE and INFERNO_TLS_KEY_FILE",
        "INFERNO_SERVICE_AUTHORIZATION",
        "INFERNO_METRICS_AUTHORIZATION",
    ]
    assert all(host in line for line in exposed)


def test_a_secured_service_exposes_nothing(tmp_path: Path) -> None:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    for file in (certificate, key):
        file.write_text("pem")
    secured = ServiceSettings(
        host="0.0.0.0",
        tls_cert_file=certificate,
        tls_key_file=key,
        service_authorization="kubernetes",
        metrics_authorization="kubernetes",
    )
    assert list(secured.exposure()) == []
