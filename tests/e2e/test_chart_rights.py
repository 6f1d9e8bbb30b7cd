"""The services with the rights that the chart grants, and each locked as the chart locks it."""

import asyncio
import base64
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from controlplane import ControlPlane
from controlplane.audit import read_uses
from e2e.clusters import NAME, NAMESPACE, SYSTEM, manifest, until
from e2e.product import ACTUATOR, COLLECTOR
from e2e.released import BIN, SERVICES, released, running, service_urls
from inferno_shared.service import http_client

READER = "inferno-autoscaler-metrics-reader"
VALUES = (
    "authorization.planReaders[0].kind=ServiceAccount",
    "authorization.planReaders[0].name=reader",
    f"authorization.planReaders[0].namespace={SYSTEM}",
    "authorization.invokers[0].kind=ServiceAccount",
    "authorization.invokers[0].name=reader",
    f"authorization.invokers[0].namespace={SYSTEM}",
)


@dataclass(frozen=True)
class Locked:
    """The three services, and how to reach them."""

    real: ControlPlane
    folder: Path
    collector: str
    optimizer: str
    actuator: str

    def token(self, account: str) -> Path:
        file = self.folder / f"{account}.token"
        asked = ("create", "token", account, "-n", SYSTEM, "--audience=inferno-autoscaler")
        file.write_text(self.real.kubectl(*asked))
        return file

    async def ask(self, method: str, url: str, path: str, account: str | None = None) -> httpx.Response:
        """Ask with a fresh token of an account, or with that of Prometheus' own."""
        token = self.folder / f"{READER}.token" if account == READER else None
        if account and token is None:
            token = self.token(account)
        async with http_client(
            base_url=url, timeout_seconds=20, ca_file=self.real.authority, token_file=token
        ) as client:
            return await client.request(method, path)


@pytest.fixture
def locked(real: ControlPlane, tmp_path: Path) -> Iterator[Locked]:
    found = Locked(real, tmp_path, **service_urls("https"))
    with released(real, *VALUES):
        real.kubectl("create", "serviceaccount", "reader", "-n", SYSTEM)
        real.kubectl("apply", "-f", manifest("vllm-va.yaml"))
        urls = {name: getattr(found, name) for name in SERVICES}
        with running(real, urls, {name: variables(found, name) for name in SERVICES}):
            yield found


def variables(found: Locked, name: str) -> dict[str, str]:
    """The environment of the chart's pods, with this machine's files in place of the mounted ones."""
    real = found.real
    pair = real.issue(f"chart-{name}")
    given = {
        "INFERNO_TLS_CERT_FILE": str(pair.certificate),
        "INFERNO_TLS_KEY_FILE": str(pair.key),
        "INFERNO_SERVICE_AUTHORIZATION": "kubernetes",
        "INFERNO_METRICS_AUTHORIZATION": "kubernetes",
    }
    if name == "optimizer":
        return given | {
            "INFERNO_SERVICE_AUTHORIZATION": "certificate",
            "INFERNO_METRICS_AUTHORIZATION": "certificate",
            "INFERNO_TLS_CLIENT_CA_FILE": str(real.authority),
            "INFERNO_ALLOWED_CLIENT_NAMES": "chart-actuator",
        }
    account = ACTUATOR if name == "actuator" else COLLECTOR
    given |= {
        "KUBECONFIG": str(real.account_kubeconfig(SYSTEM, account)),
        "INFERNO_WATCH_NAMESPACES": NAMESPACE,
    }
    if name == "collector":
        return given | {"INFERNO_LOAD_SOURCE": "scrape"}
    return given | {
        "INFERNO_COLLECTOR_URL": found.collector,
        "INFERNO_OPTIMIZER_URL": found.optimizer,
        "INFERNO_CLIENT_CA_FILE": str(real.authority),
        "INFERNO_CLIENT_CERT_FILE": str(pair.certificate),
        "INFERNO_CLIENT_KEY_FILE": str(pair.key),
        "INFERNO_CLIENT_TOKEN_FILE": str(found.token(ACTUATOR)),
        "INFERNO_LEADER_ELECTION": "true",
        "INFERNO_IDENTITY": "chart-actuator",
    }


async def test_the_loop_runs_with_the_charts_rights_in_the_charts_namespaces_and_nobody_else_comes_in(
    real: ControlPlane, locked: Locked
) -> None:
    def decided() -> str:
        path = "jsonpath={.status.conditions[?(@.type=='OptimizationReady')].reason}"
        return real.kubectl("get", "va", NAME, "-n", NAMESPACE, "-o", path)

    await asyncio.to_thread(until, decided, why="a status by the actuator")
    path = "jsonpath={.spec.holderIdentity}"
    assert real.kubectl("get", "lease", ACTUATOR, "-n", SYSTEM, "-o", path) == "chart-actuator"

    plan = await locked.ask("GET", locked.actuator, "/plan", "reader")
    assert [it["name"] for it in plan.json()["variants"]] == [NAME]
    assert plan.json()["last_cycle"]["outcome"] == "planned"
    assert (await locked.ask("POST", locked.actuator, "/invoke", "reader")).status_code == 200

    secret = ("get", "secret", f"{READER}-token", "-n", SYSTEM, "-o", "jsonpath={.data.token}")
    token = base64.b64decode(real.kubectl(*secret)).decode()
    (locked.folder / f"{READER}.token").write_text(token)
    for service in (locked.actuator, locked.collector):
        assert (await locked.ask("GET", service, "/metrics", READER)).status_code == 200

    refused = [
        await locked.ask("GET", locked.actuator, "/plan"),
        await locked.ask("GET", locked.actuator, "/plan", COLLECTOR),
        await locked.ask("GET", locked.collector, "/snapshot"),
        await locked.ask("GET", locked.collector, "/snapshot", "reader"),
        await locked.ask("POST", locked.optimizer, "/optimize"),
    ]
    assert [answer.status_code for answer in refused] == [401, 403, 401, 403, 403]

    uses = {use for use in read_uses(real.core.audit_log, SYSTEM) if use.account in {ACTUATOR, COLLECTOR}}
    assert [use for use in uses if not use.allowed] == []
    assert any(use.resource == "variantautoscalings/status" for use in uses)
    elsewhere = {use.namespace for use in uses} - {"", SYSTEM, NAMESPACE}
    assert elsewhere == set()


def test_the_doctor_finds_all_rights_granted(locked: Locked) -> None:
    """It is what `helm test` runs, with the actuator's own account."""
    examined = subprocess.run(
        [BIN / "inferno-actuator", "doctor"],
        env={**os.environ, **variables(locked, "actuator")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line for line in examined.stdout.splitlines() if "RBAC" in line]
    assert len(lines) == 1, examined.stdout + examined.stderr
    assert lines[0].startswith("ok")
    assert "rights are granted" in lines[0]
