"""Writes kubeconfig files: one cluster, one user, who is known by a client certificate or by a token file."""

from pathlib import Path
from typing import Any

import yaml

from controlplane.certificates import Pair, write_private


def write_kubeconfig(path: Path, *, server: str, authority: Path, user: Pair | Path) -> Path:
    """Write `path` (mode 0600) for a client certificate (`Pair`) or a token file (`Path`); return it."""
    if isinstance(user, Pair):
        credentials: dict[str, Any] = {
            "client-certificate": str(user.certificate),
            "client-key": str(user.key),
        }
    else:
        credentials = {"tokenFile": str(user)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "local", "cluster": {"server": server, "certificate-authority": str(authority)}}
        ],
        "users": [{"name": "user", "user": credentials}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "user"}}],
        "current-context": "local",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, yaml.safe_dump(document, sort_keys=False).encode())
    return path
