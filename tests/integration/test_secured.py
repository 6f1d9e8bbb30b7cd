"""The product with every door locked: TLS everywhere, tokens and certificates checked, all of it rotated."""

import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from devcluster.apiserver.control.access import API_AUDIENCE
from integration.stack import Service, Stack, running_stack, until
from unit.shared.certificates import Authority, Pair

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.development_cluster_only("tokens are made up; tests/e2e shows the same with real ones"),
]

AUDIENCE = "inferno-autoscaler"
ACTUATOR = "system:serviceaccount:inferno-autoscaler-system:inferno-autoscaler-controller-manager"
PROMETHEUS = "prometheus-t0ken-1"
OPERATOR = "operator-t0ken-1"
STRANGER = "stranger-t0ken-1"
SECRETS = ("actuator-t0ken-1", "actuator-t0ken-2", PROMETHEUS, OPERATOR, STRANGER, "PRIVATE KEY")


class Keys:
    """Authorities, and the files that the services have mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers, self.clients = Authority("servers"), Authority("clients")
        self.trust = self.servers.write(folder / "servers.crt")
        self.client_trust = self.clients.write(folder / "clients.crt")
        self.mounted: dict[str, Pair] = {}
        for name in ("collector", "optimizer", "actuator"):
            self.mounted[name] = self.servers.server(folder, name)
        self.mounted["client"] = self.clients.client(folder, "inferno-actuator")
        self.token = folder / "token"
        self.token.write_text("actuator-t0ken-1")

    def rotate(self) -> None:
        """Replace every certificate, key and token, one file after the other."""
        fresh = self.folder / "fresh"
        fresh.mkdir()
        for name, mounted in self.mounted.items():
            if name == "client":
                pair = self.clients.client(fresh, "inferno-actuator", hours=2)
            else:
                pair = self.servers.server(fresh, name, hours=2)
            shutil.move(pair.certificate, mounted.certificate)
            shutil.move(pair.key, mounted.key)
        (fresh / "token").write_text("actuator-t0ken-2")
        (fresh / "token").rename(self.token)

    def serving(self, name: str) -> dict[str, str]:
        pair = self.mounted[name]
        return {"INFERNO_TLS_CERT_FILE": str(pair.certificate), "INFERNO_TLS_KEY_FILE": str(pair.key)}


async def allow(stack: Stack, *actuators_tokens: str) -> None:
    """Tell the cluster whose tokens are valid, and what their owners may do."""

    def user(token: str, name: str, audience: str, verbs: list[str], *paths: str) -> dict[str, object]:
        allowed = [{"verbs": verbs, "paths": list(paths)}]
        return {"token": token, "username": name, "audiences": [audience], "allowed": allowed}

    users = [user(token, ACTUATOR, AUDIENCE, ["get"], "/snapshot") for token in actuators_tokens]
    users.append(user(PROMETHEUS, "prometheus", API_AUDIENCE, ["get"], "/metrics"))
    users.append(user(STRANGER, "joe", API_AUDIENCE, ["get"], "/version"))
    users.append(user(OPERATOR, "jane", AUDIENCE, ["get", "post"], "/plan", "/plan/*", "/invoke"))
    answer = await stack.http.put(f"{stack.cluster.url}/devcluster/access", json={"users": users})
    answer.raise_for_status()


def lock(stack: Stack, keys: Keys) -> None:
    """Start the services again, secured."""
    collector, optimizer, actuator = stack.collector, stack.optimizer, stack.actuator
    for service in (collector, optimizer, actuator):
        service.kill()
    tokens = {"INFERNO_SERVICE_AUTHORIZATION": "kubernetes", "INFERNO_METRICS_AUTHORIZATION": "kubernetes"}
    certificates = {
        "INFERNO_TLS_CLIENT_CA_FILE": str(keys.client_trust),
        "INFERNO_SERVICE_AUTHORIZATION": "certificate",
        "INFERNO_METRICS_AUTHORIZATION": "certificate",
        "INFERNO_ALLOWED_CLIENT_NAMES": "inferno-actuator",
    }
    client = keys.mounted["client"]
    shown = {
        "INFERNO_COLLECTOR_URL": url(collector),
        "INFERNO_OPTIMIZER_URL": url(optimizer),
        "INFERNO_CLIENT_CA_FILE": str(keys.trust),
        "INFERNO_CLIENT_CERT_FILE": str(client.certificate),
        "INFERNO_CLIENT_KEY_FILE": str(client.key),
        "INFERNO_CLIENT_TOKEN_FILE": str(keys.token),
    }
    collector.variables = {**collector.variables, **tokens, **keys.serving("collector")}
    optimizer.variables = {**optimizer.variables, **certificates, **keys.serving("optimizer")}
    actuator.variables = {**actuator.variables, **tokens, **shown, **keys.serving("actuator")}
    for service in (collector, optimizer, actuator):
        service.start()


def url(service: Service) -> str:
    return f"https://127.0.0.1:{service.port}"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> AsyncIterator[Stack]:
    """A secured product whose loop runs."""
    async with running_stack(tmp_path_factory.mktemp("stack")) as running:
        await allow(running, "actuator-t0ken-1")
        lock(running, keys)
        await until(lambda: invoked(running, keys))
        yield running


@asynccontextmanager
async def caller(
    keys: Keys, token: str = "", *, certificate: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    context = ssl.create_default_context(cafile=keys.trust)
    if certificate:
        context.load_cert_chain(keys.mounted["client"].certificate, keys.mounted["client"].key)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(verify=context, headers=headers, timeout=10, trust_env=False) as client:
        yield client


async def invoked(stack: Stack, keys: Keys) -> bool:
    """Run the loop once; whether every stage went well."""
    async with caller(keys, OPERATOR) as client:
        answer = await client.post(f"{url(stack.actuator)}/invoke")
    answer.raise_for_status()
    return answer.json()["outcome"] == "planned" and await stack.desired() == 1


async def status(keys: Keys, address: str, token: str = "", *, certificate: bool = False) -> int:
    async with caller(keys, token, certificate=certificate) as client:
        return (await client.get(address)).status_code


async def test_the_loop_runs_with_every_door_locked(stack: Stack) -> None:
    async def healthy() -> bool:
        kinds = ("MetricsAvailable", "OptimizationReady")
        return all([(await stack.condition(kind)).get("status") == "True" for kind in kinds])

    await until(healthy)


async def test_a_caller_gets_what_it_may_and_nothing_else(stack: Stack, keys: Keys) -> None:
    collector, optimizer, actuator = map(url, (stack.collector, stack.optimizer, stack.actuator))
    seen = {
        "snapshot": [
            await status(keys, f"{collector}/snapshot", token) for token in ("", PROMETHEUS, OPERATOR)
        ],
        "plan": [await status(keys, f"{actuator}/plan", token) for token in ("", PROMETHEUS, OPERATOR)],
        "metrics": [
            await status(keys, f"{actuator}/metrics", token) for token in ("", OPERATOR, STRANGER, PROMETHEUS)
        ],
        "optimizer": [
            await status(keys, f"{optimizer}/docs", OPERATOR),
            await status(keys, f"{optimizer}/docs", certificate=True),
        ],
        "probes": [await status(keys, f"{service}/healthz") for service in (collector, optimizer, actuator)],
    }
    assert seen == {
        "snapshot": [401, 401, 403],
        "plan": [401, 401, 200],
        "metrics": [401, 401, 403, 200],
        "optimizer": [403, 200],
        "probes": [200, 200, 200],
    }


async def test_certificates_and_tokens_rotate_and_no_cycle_fails(stack: Stack, keys: Keys) -> None:
    """The old token is forgotten by the cluster; the services have it remembered for a minute at most."""
    assert await invoked(stack, keys)
    await allow(stack, "actuator-t0ken-1", "actuator-t0ken-2")
    keys.rotate()
    await allow(stack, "actuator-t0ken-2")
    for _ in range(5):
        assert await invoked(stack, keys)
    async with caller(keys, PROMETHEUS) as client:
        metrics = (await client.get(f"{url(stack.actuator)}/metrics")).text
    assert 'inferno_tls_loads_total{result="loaded"} 2.0' in metrics
    assert "inferno_tls_files_refused 0.0" in metrics


async def test_no_secret_is_in_any_log(stack: Stack) -> None:
    logs = "".join(service.log() for service in (stack.collector, stack.optimizer, stack.actuator))
    assert "request admitted" in logs
    assert [secret for secret in SECRETS if secret in logs] == []
