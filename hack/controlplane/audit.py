"""What ServiceAccounts asked of the API server, read from its audit log."""

import json
from dataclasses import dataclass
from pathlib import Path

PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One right that was used, or asked for in vain."""

    account: str
    verb: str
    group: str
    resource: str
    namespace: str
    allowed: bool


def read_uses(log: Path, namespace: str) -> set[Use]:
    """Each right that the accounts of `namespace` used or lacked, once."""
    uses = set()
    for line in log.read_text().splitlines():
        event = json.loads(line)
        user, target = event["user"]["username"], event.get("objectRef")
        if not user.startswith(f"{PREFIX}{namespace}:") or target is None:
            continue
        subresource = target.get("subresource")
        decision = event.get("annotations", {}).get("authorization.k8s.io/decision")
        use = Use(
            account=user.rpartition(":")[2],
            verb=event["verb"],
            group=target.get("apiGroup", ""),
            resource=target["resource"] + (f"/{subresource}" if subresource else ""),
            namespace=target.get("namespace", ""),
            allowed=decision != "forbid",
        )
        uses.add(use)
    return uses
