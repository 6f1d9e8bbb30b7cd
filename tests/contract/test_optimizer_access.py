"""The optimizer talks to no cluster: it knows its callers by their certificates."""

from pathlib import Path

import httpx
import pytest

from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.service import load_settings
from unit.shared.certificates import Authority, Pair
from unit.shared.service.serving import serving, trusting

REQUEST = {
    "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
    "max_batch_size": 4,
    "load": {"arrival_rate_rpm": 37.5, "input_tokens": 0, "output_tokens": 279},
    "slo": {"itl_ms": 24, "ttft_ms": 500},
}


async def test_it_computes_for_whom_it_knows_and_reads_nobody_elses_request(tmp_path: Path) -> None:
    servers, clients = Authority("servers"), Authority("clients")
    own, trust = servers.server(tmp_path), servers.write(tmp_path / "servers.crt")
    app = create_optimizer_app(
        OptimizerSettings(
            port=0,
            tls_cert_file=own.certificate,
            tls_key_file=own.key,
            tls_client_ca_file=clients.write(tmp_path / "clients.crt"),
            service_authorization="certificate",
            allowed_client_names=("inferno-actuator",),
        )
    )

    async def ask(url: str, shown: Pair | None) -> int:
        async with httpx.AsyncClient(verify=trusting(trust, shown), trust_env=False, timeout=30) as client:
            return (await client.post(f"{url}/analyze", json=REQUEST)).status_code

    async with serving(app) as url:
        assert await ask(url, clients.client(tmp_path, "inferno-actuator")) == 200
        assert await ask(url, clients.client(tmp_path, "somebody")) == 403
        assert await ask(url, None) == 403


def test_it_says_at_the_start_that_it_cannot_check_tokens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFERNO_SERVICE_AUTHORIZATION", "kubernetes")
    with pytest.raises(SystemExit) as caught:
        load_settings(OptimizerSettings)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "INFERNO_SERVICE_AUTHORIZATION=kubernetes: input should be 'none' or 'certificate'"
    )
    assert "talks to no cluster" in said
