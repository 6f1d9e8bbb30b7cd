from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inferno_shared.kubernetes import KubernetesClient
from unit.shared.kubernetes.fake_api import FakeApi, running, write_kubeconfig
from unit.shared.kubernetes.memory_api import MemoryApi


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with running() as api:
        yield api


@pytest.fixture
async def client(api: FakeApi, tmp_path: Path) -> AsyncIterator[KubernetesClient]:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url, {"token": "s3cret"})
    async with KubernetesClient.connect(kubeconfig=kubeconfig, request_timeout_seconds=5) as client:
        yield client


@pytest.fixture
def memory() -> MemoryApi:
    return MemoryApi()
