"""The rights that the actuator's account needs, asked of the API server by SelfSubjectAccessReview."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from inferno_actuator.doctor.findings import Finding, failure, ok, warning
from inferno_actuator.leader import LEASE_NAME
from inferno_shared.kubernetes import Resource
from inferno_shared.kubernetes.scales import SCALE

ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)


class Option(StrEnum):
    """What needs rights of its own, where a VariantAutoscaling uses it."""

    DIRECT = "actuation: direct"
    OWNER = "owner references"


_FIXES: Final[Mapping[Option | None, str]] = {
    None: "kubectl apply -f config/rbac/actuator.yaml",
    Option.DIRECT: "kubectl apply -f config/rbac/direct",
    Option.OWNER: (
        "kubectl apply -f config/rbac/actuator.yaml, or annotate the VariantAutoscalings "
        "inferno.llmd.ai/delete-with-target=never"
    ),
}


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource.

    Args:
        purpose: what does not work without it.
        local: only within the autoscaler's namespace.
        name: only on the object of this name.
        needed: the loop does not work without it.
        option: asked for only where this option is in use.
    """

    verb: str
    group: str
    resource: str
    purpose: str
    subresource: str = ""
    local: bool = False
    name: str = ""
    needed: bool = True
    option: Option | None = None

    def __str__(self) -> str:
        """Example: `patch variantautoscalings/status (llmd.ai)`."""
        group = f" ({self.group})" if self.group else ""
        return f"{self.verb} {self.path}{group}"

    @property
    def path(self) -> str:
        """The resource with its subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def review(self, namespace: str) -> dict[str, Any]:
        """The question whether we have it in a namespace; empty: in all of them."""
        attributes = {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            **({"subresource": self.subresource} if self.subresource else {}),
            **({"name": self.name} if self.name else {}),
            **({"namespace": namespace} if namespace else {}),
        }
        return {
            "apiVersion": ACCESS_REVIEWS.api_version,
            "kind": ACCESS_REVIEWS.kind,
            "spec": {"resourceAttributes": attributes},
        }


RIGHTS: Final = (
    *(Right(verb, "llmd.ai", "variantautoscalings", "the loop") for verb in ("get", "list", "watch")),
    Right("patch", "llmd.ai", "variantautoscalings", "statuses", subresource="status"),
    *(Right(verb, "", "configmaps", "settings", local=True) for verb in ("list", "watch")),
    *(Right(verb, "", "events", "Events", needed=False) for verb in ("create", "patch")),
    *(
        Right(verb, "autoscaling", "horizontalpodautoscalers", "condition Actuated", needed=False)
        for verb in ("list", "watch")
    ),
    Right("create", "coordination.k8s.io", "leases", "leader election", local=True),
    *(
        Right(verb, "coordination.k8s.io", "leases", "leader election", local=True, name=LEASE_NAME)
        for verb in ("get", "update")
    ),
    Right("patch", "llmd.ai", "variantautoscalings", "owner references", needed=False, option=Option.OWNER),
    Right("get", "", "namespaces", "owner references", needed=False, option=Option.OWNER),
)


def rights_to_scale(target: Resource, option: Option) -> Iterator[Right]:
    """What an option needs to do to the scale of a kind of target."""
    direct = option is Option.DIRECT
    for verb in ("get", "patch") if direct else ("get",):
        yield Right(
            verb,
            target.group,
            target.plural,
            "mode direct" if direct else "owner references",
            subresource=SCALE,
            needed=direct,
            option=option,
        )


def judge_rights(allowed: Mapping[Right, bool]) -> list[Finding]:
    """One line for each missing right, or one for all of them."""
    findings = []
    for right, granted in allowed.items():
        if not granted:
            say = failure if right.needed else warning
            words = f"no right to {right}, needed for {right.purpose}"
            findings.append(say("RBAC", words, _FIXES[right.option]))
    return findings or [ok("RBAC", f"all {len(allowed)} rights are granted")]
