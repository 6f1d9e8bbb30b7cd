import subprocess
import sys

import pytest

import inferno_shared.kubernetes
import inferno_shared.service


@pytest.mark.parametrize("package", [inferno_shared.kubernetes, inferno_shared.service])
def test_every_published_name_exists(package: object) -> None:
    names = getattr(package, "__all__", [])
    assert names
    assert [name for name in names if not hasattr(package, name)] == []


def test_contracts_and_service_kit_do_not_load_the_kubernetes_client() -> None:
    program = (
        "import sys, inferno_shared.contracts, inferno_shared.service;"
        "print([m for m in sys.modules if m.startswith(('kubernetes', 'inferno_shared.kubernetes'))])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"
