"""Certificates and tokens against a real TLS server: admitted, refused, rotated without a failed cycle."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inferno_collector.configuration import PrometheusAddress
from inferno_collector.sources import LoadReading
from inferno_collector.sources.admission import Limits
from inferno_collector.sources.prometheus import PrometheusSource
from inferno_collector.sources.prometheus_api import PrometheusApi
from inferno_collector.sources.queries import QueryOptions
from unit.collector.tls_prometheus import Authority, TlsPrometheus, put, serving


class Reader:
    """A source that keeps its connections between readings, as the service does."""

    def __init__(self) -> None:
        self.address = PrometheusAddress()
        self.api = PrometheusApi(Limits(timeout_seconds=5))
        self._now = 0.0
        self._source = PrometheusSource(
            self.api, lambda: self.address, lambda: ["ns"], QueryOptions(range_seconds=120)
        )

    def at(self, prometheus: TlsPrometheus, **files: Path) -> "Reader":
        names: dict[str, Any] = {key: str(file) for key, file in files.items()}
        self.address = PrometheusAddress(base_url=prometheus.url, **names)
        return self

    async def read(self) -> LoadReading:
        self._now += 60
        return await self._source.read({}, self._now)

    async def admitted(self) -> bool:
        return (await self.read()).failure is None


def write_in_place(file: Path, text: str) -> None:
    """As an editor or a script does it that is interrupted."""
    file.write_text(text)


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    found = Reader()
    yield found
    await found.api.close()


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    return tmp_path / "ca.crt"


async def test_a_bundle_is_what_admits_a_server(reader: Reader, tmp_path: Path, ca_file: Path) -> None:
    ours, another = Authority("ours"), Authority("another")
    put(ca_file, another.pem)
    async with serving(TlsPrometheus(), ours.issue(tmp_path, "thanos")) as prometheus:
        reader.at(prometheus, ca_file=ca_file)
        failure = (await reader.read()).failure
        assert failure is not None
        assert "certificate verify failed" in failure.lower()
        put(ca_file, another.pem + ours.pem)
        assert await reader.admitted()
        assert not await reader.at(prometheus).admitted()  # the system's authorities do not know it


async def test_the_servers_new_authority_is_followed_without_a_failed_cycle(
    reader: Reader, tmp_path: Path, ca_file: Path
) -> None:
    old, new = Authority("old"), Authority("new")
    put(ca_file, old.pem)
    prometheus = TlsPrometheus()
    async with serving(prometheus, old.issue(tmp_path, "thanos")):
        assert await reader.at(prometheus, ca_file=ca_file).admitted()
        port = int(prometheus.url.rpartition(":")[2])
    put(ca_file, old.pem + new.pem)
    async with serving(prometheus, new.issue(tmp_path, "thanos"), port=port):
        assert await reader.admitted()
        put(ca_file, new.pem)
        prometheus.drop_connections()
        assert await reader.admitted()


async def test_a_half_written_bundle_leaves_the_one_before_in_force_and_is_reported(
    reader: Reader, tmp_path: Path, ca_file: Path
) -> None:
    ours = Authority("ours")
    put(ca_file, ours.pem)
    async with serving(TlsPrometheus(), ours.issue(tmp_path, "thanos")) as prometheus:
        assert await reader.at(prometheus, ca_file=ca_file).admitted()
        write_in_place(ca_file, ours.pem[:100])
        prometheus.drop_connections()
        reading = await reader.read()
        assert reading.failure is None
        assert [p.reason for p in reading.problems] == ["CertificateNotUsable"]
        assert str(ca_file) in reading.problems[0].message
        put(ca_file, ours.pem)
        assert (await reader.read()).problems == ()


async def test_a_client_certificate_is_shown_and_rotated(
    reader: Reader, tmp_path: Path, ca_file: Path
) -> None:
    server, old, new = Authority("server"), Authority("old clients"), Authority("new clients")
    put(ca_file, server.pem)
    certificate = server.issue(tmp_path, "thanos")
    prometheus = TlsPrometheus()
    async with serving(prometheus, certificate, clients=old):
        assert not await reader.at(prometheus, ca_file=ca_file).admitted()
        files = old.issue(tmp_path, "collector")
        settings = {"client_cert_file": files[0], "client_key_file": files[1], "ca_file": ca_file}
        assert await reader.at(prometheus, **settings).admitted()
        port = int(prometheus.url.rpartition(":")[2])
    async with serving(prometheus, certificate, clients=new, port=port):
        new.issue(tmp_path, "collector")
        assert await reader.admitted()


async def test_a_certificate_whose_key_has_not_arrived_yet_costs_no_cycle(
    reader: Reader, tmp_path: Path, ca_file: Path
) -> None:
    ours = Authority("ours")
    put(ca_file, ours.pem)
    async with serving(TlsPrometheus(), ours.issue(tmp_path, "thanos"), clients=ours) as prometheus:
        files = ours.issue(tmp_path, "collector")
        settings = {"client_cert_file": files[0], "client_key_file": files[1], "ca_file": ca_file}
        assert await reader.at(prometheus, **settings).admitted()
        (tmp_path / "next").mkdir()
        certificate, key = ours.issue(tmp_path / "next", "collector")
        certificate.replace(files[0])
        prometheus.drop_connections()
        reading = await reader.read()
        assert (reading.failure, [p.reason for p in reading.problems]) == (None, ["CertificateNotUsable"])
        key.replace(files[1])
        prometheus.drop_connections()
        reading = await reader.read()
        assert (reading.failure, reading.problems) == (None, ())


async def test_the_server_name_decides_where_the_address_does_not(
    reader: Reader, tmp_path: Path, ca_file: Path
) -> None:
    ours = Authority("ours")
    put(ca_file, ours.pem)
    certificate = ours.issue(tmp_path, "thanos.svc", address=None)
    async with serving(TlsPrometheus(), certificate) as prometheus:
        assert not await reader.at(prometheus, ca_file=ca_file).admitted()
        reader.address = replace(reader.address, server_name="other.svc")
        assert not await reader.admitted()
        reader.address = replace(reader.address, server_name="thanos.svc")
        assert await reader.admitted()


async def test_verification_is_only_skipped_when_asked_for(reader: Reader, tmp_path: Path) -> None:
    async with serving(TlsPrometheus(), Authority("nobody's").issue(tmp_path, "thanos")) as prometheus:
        reader.address = PrometheusAddress(base_url=prometheus.url, insecure_skip_verify=True)
        assert await reader.admitted()


async def test_a_token_rotates_on_a_connection_that_stays(
    reader: Reader, tmp_path: Path, ca_file: Path
) -> None:
    ours, token = Authority("ours"), tmp_path / "token"
    put(ca_file, ours.pem)
    put(token, "first\n")
    prometheus = TlsPrometheus(token="first")
    async with serving(prometheus, ours.issue(tmp_path, "thanos")):
        assert await reader.at(prometheus, ca_file=ca_file, token_file=token).admitted()
        connections = prometheus.connections
        prometheus.token = "second"
        put(token, "second\n")
        assert await reader.admitted()
        assert prometheus.connections == connections
        write_in_place(token, "")  # emptied before it is written: the one before stays
        assert await reader.admitted()
        prometheus.token = "third"
        failure = (await reader.read()).failure or ""
        assert "HTTP 401" in failure
        assert "second" not in failure
