"""The server's certificate and its clients' authorities rotate under real connections."""

import asyncio
import shutil
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from inferno_shared.errors import ConfigurationError
from inferno_shared.service.tls import server_context
from unit.shared.certificates import Authority, Pair
from unit.shared.service.asking import an_app
from unit.shared.service.serving import fresh_get, serving, trusting


class Mount:
    """The files of a service, replaced as a cluster does: each by renaming."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.authority = authority
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.trust = authority.write(folder / "ca.crt")
        self.rotations = 0
        self.current = self.rotate()

    def rotate(self, *, hours: float = 1) -> Pair:
        self.rotations += 1
        self.current = self.authority.server(self.folder, f"issued-{self.rotations}", hours=hours)
        self.put(self.current.certificate, self.certificate)
        self.put(self.current.key, self.key)
        return self.current

    def put(self, source: Path, target: Path) -> None:
        staged = shutil.copy(source, target.with_suffix(".new"))
        Path(staged).rename(target)

    def app(self, **settings: Any) -> FastAPI:  # noqa: ANN401 - each setting has its own type
        return an_app(tls_cert_file=self.certificate, tls_key_file=self.key, port=0, **settings)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path, Authority())


async def shown_expiry(url: str, trust: Path) -> str:
    """When the certificate of a new connection expires."""
    _, _, address = url.rpartition("/")
    host, _, port = address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trusting(trust))
    expiry = writer.get_extra_info("peercert")["notAfter"]
    writer.close()
    await writer.wait_closed()
    return str(expiry)


def metric(app: FastAPI, name: str, **labels: str) -> float | None:
    value: float | None = app.state.registry.get_sample_value(name, labels)
    return value


async def test_a_rotated_certificate_is_served_from_the_next_connection_on(mount: Mount) -> None:
    app = mount.app()
    async with (
        serving(app) as url,
        httpx.AsyncClient(verify=trusting(mount.trust), trust_env=False) as long_lived,
    ):
        assert (await long_lived.get(f"{url}/healthz")).status_code == 200
        before = await shown_expiry(url, mount.trust)
        assert (
            metric(app, "inferno_tls_certificate_expiration_timestamp_seconds")
            == mount.current.expires_at.timestamp()
        )
        rotated = mount.rotate(hours=2)
        after = await shown_expiry(url, mount.trust)
        assert ssl.cert_time_to_seconds(after) == rotated.expires_at.timestamp()
        assert after != before
        assert (await long_lived.get(f"{url}/healthz")).status_code == 200
        assert (
            metric(app, "inferno_tls_certificate_expiration_timestamp_seconds")
            == rotated.expires_at.timestamp()
        )
        assert metric(app, "inferno_tls_loads_total", result="loaded") == 2


async def test_no_request_fails_while_certificates_rotate_under_load(mount: Mount) -> None:
    answers: list[int] = []
    async with serving(mount.app()) as url:
        done = asyncio.Event()

        async def ask() -> None:
            while not done.is_set():
                answers.append((await fresh_get(f"{url}/healthz", trusting(mount.trust))).status_code)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(ask())
            for hours in range(1, 11):
                asked = len(answers)
                mount.rotate(hours=hours)
                while len(answers) < asked + 4:  # noqa: ASYNC110 - bounded by the test's own limit
                    await asyncio.sleep(0.001)
            done.set()
    assert len(answers) >= 40
    assert set(answers) == {200}


@pytest.mark.parametrize("fault", ["nonsense", "half", "other key", "gone", "encrypted"])
async def test_files_that_cannot_be_used_keep_the_ones_before_in_force(mount: Mount, fault: str) -> None:
    app = mount.app()
    async with serving(app) as url:
        before = await shown_expiry(url, mount.trust)
        with capture_logs() as logs:
            break_files(mount, fault)
            assert await shown_expiry(url, mount.trust) == before
            assert await shown_expiry(url, mount.trust) == before
        complaints = [it for it in logs if it["event"].startswith("TLS files not usable")]
        assert len(complaints) == 1
        assert str(mount.folder) in complaints[0]["reason"]
        assert metric(app, "inferno_tls_files_refused") == 1
        rotated = mount.rotate(hours=3)
        assert (
            ssl.cert_time_to_seconds(await shown_expiry(url, mount.trust)) == rotated.expires_at.timestamp()
        )
        assert metric(app, "inferno_tls_files_refused") == 0


def break_files(mount: Mount, fault: str) -> None:
    if fault == "nonsense":
        mount.certificate.write_text("not a certificate")
    elif fault == "half":
        mount.certificate.write_bytes(mount.certificate.read_bytes()[:200])
    elif fault == "other key":
        mount.put(mount.authority.server(mount.folder, "other").key, mount.key)
    elif fault == "gone":
        mount.key.unlink()
    else:
        mount.key.write_text(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
        )


async def test_files_are_checked_though_nobody_connects(mount: Mount) -> None:
    app = mount.app()
    context = server_context(cert_file=mount.certificate, key_file=mount.key)
    mount.key.write_text("broken")
    context.refresh(retry=True)
    assert context.problem is not None
    mount.put(mount.current.key, mount.key)
    context.refresh(retry=True)
    assert context.problem is None
    assert app.state.settings.tls_key_file == mount.key


async def test_authorities_of_clients_rotate_as_well(mount: Mount, tmp_path: Path) -> None:
    old, new = Authority("old"), Authority("new")
    bundle = old.write(tmp_path / "clients.crt")
    shown_old, shown_new = old.client(tmp_path, "by-old"), new.client(tmp_path, "by-new")
    async with serving(mount.app(tls_client_ca_file=bundle)) as url:
        probe = f"{url}/healthz"
        assert (await fresh_get(probe, trusting(mount.trust, shown_old))).status_code == 200
        with pytest.raises(httpx.HTTPError):
            await fresh_get(probe, trusting(mount.trust, shown_new))
        new.write(bundle)
        assert (await fresh_get(probe, trusting(mount.trust, shown_new))).status_code == 200
        with pytest.raises(httpx.HTTPError):
            await fresh_get(probe, trusting(mount.trust, shown_old))
        assert (await fresh_get(probe, trusting(mount.trust))).status_code == 200


GARBLED = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("content", ["nonsense", GARBLED, "", "caf\u00e9"])
@pytest.mark.parametrize("broken", ["cert_file", "key_file", "client_ca_file"])
def test_at_the_start_files_must_be_usable(mount: Mount, broken: str, content: str) -> None:
    files = {"cert_file": mount.certificate, "key_file": mount.key, "client_ca_file": mount.trust}
    nonsense = mount.folder / "nonsense.pem"
    nonsense.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        server_context(**{**files, broken: nonsense})  # type: ignore[arg-type] # each is a file


def test_an_encrypted_key_is_refused_and_never_asked_for(mount: Mount) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - for this test only

    key = serialization.load_pem_private_key(mount.key.read_bytes(), None)
    mount.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    with pytest.raises(ConfigurationError, match=r"tls.key is encrypted: give a key without a passphrase"):
        server_context(cert_file=mount.certificate, key_file=mount.key)


async def test_a_secret_volume_that_is_swapped_by_its_link_is_followed(tmp_path: Path) -> None:
    """As the kubelet does it: files link to `..data`, which links to a folder of one moment."""
    authority = Authority()
    trust = authority.write(tmp_path / "ca.crt")

    def publish(moment: str, hours: float) -> Pair:
        folder = tmp_path / moment
        folder.mkdir()
        pair = authority.server(folder, "tls", hours=hours)
        (tmp_path / "..new").symlink_to(moment)
        (tmp_path / "..new").rename(tmp_path / "..data")
        return pair

    publish("..first", 1)
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    app = an_app(tls_cert_file=tmp_path / "tls.crt", tls_key_file=tmp_path / "tls.key", port=0)
    async with serving(app) as url:
        await shown_expiry(url, trust)
        second = publish("..second", 2)
        shown = ssl.cert_time_to_seconds(await shown_expiry(url, trust))
        assert shown == second.expires_at.timestamp()
