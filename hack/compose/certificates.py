"""`python -m compose.certificates /state`: every certificate and kubeconfig of the composed control plane.

All containers share one network namespace, so that everything is on loopback. They run as different users and
share one volume: its files are readable by all of them, which is for a machine of one's own only.
"""

import datetime as dt
import sys
from pathlib import Path

from controlplane.certificates import Authority
from controlplane.core import LOCAL, Identities
from controlplane.kubeconfig import write_kubeconfig

API_SERVER = "https://127.0.0.1:6443"
_EVERYBODY_READS = 0o644
_EVERYBODY_ENTERS = 0o755


def main() -> None:
    """Make what is not there yet: a restart keeps the authority that tokens and caches know."""
    state = Path(sys.argv[1])
    folder = state / "certificates"
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (state / "targets").mkdir(exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    authority = Authority.create(folder, "ca", now)
    own = Identities.create(authority, Authority.create(folder, "front-proxy-ca", now))
    authority.issue("actuator", "actuator", hosts=LOCAL)
    for name, user in (("admin", own.admin), ("controllers", own.controllers)):
        write_kubeconfig(state / f"{name}.kubeconfig", server=API_SERVER, authority=authority.file, user=user)
    (folder / "done").touch()
    share(state)


def share(folder: Path) -> None:
    """Let every container read what is there."""
    folder.chmod(_EVERYBODY_ENTERS)
    for path in folder.rglob("*"):
        path.chmod(_EVERYBODY_ENTERS if path.is_dir() else _EVERYBODY_READS)


if __name__ == "__main__":
    main()
