"""Which rights the variants make necessary: by options in use, and by their targets' kinds (discovery)."""

from collections.abc import Iterator, Sequence

from inferno_actuator.doctor.findings import Finding, failure
from inferno_actuator.doctor.rights import RIGHTS, Option, Right, rights_to_scale
from inferno_actuator.known import KnownVariant
from inferno_actuator.modes import Mode
from inferno_actuator.ties import Tie
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import KubernetesClient, ScaleTargetRef
from inferno_shared.kubernetes.scales import ScaleClient


async def rights_in_use(
    kubernetes: KubernetesClient, variants: Sequence[KnownVariant]
) -> tuple[list[Right], list[Finding]]:
    """The rights to ask for, and a finding for each kind that is to be scaled directly and cannot be."""
    options = {option for known in variants for option in _options(known)}
    rights = [right for right in RIGHTS if right.option is None or right.option in options]
    findings = []
    scales = ScaleClient(kubernetes)
    for target, wanting in _by_kind(variants):
        wanted = {option for known in wanting for option in _options(known)}
        try:
            resource = await scales.resource(target)
        except KubernetesError as error:
            if Option.DIRECT in wanted:
                findings.append(_unscalable(target, wanting, str(error)))
            continue
        rights += [
            right for option in Option if option in wanted for right in rights_to_scale(resource, option)
        ]
    return rights, findings


def _by_kind(variants: Sequence[KnownVariant]) -> Iterator[tuple[ScaleTargetRef, list[KnownVariant]]]:
    """One target of each kind, and the variants whose targets are of that kind."""
    kinds: dict[tuple[str, str], list[KnownVariant]] = {}
    for known in variants:
        if known.target is not None:
            kinds.setdefault((known.target.api_version, known.target.kind), []).append(known)
    for wanting in kinds.values():
        if wanting[0].target is not None:
            yield wanting[0].target, wanting


def _options(known: KnownVariant) -> Iterator[Option]:
    if known.mode is Mode.DIRECT:
        yield Option.DIRECT
    if known.tie is not Tie.NONE:
        yield Option.OWNER


def _unscalable(target: ScaleTargetRef, wanting: Sequence[KnownVariant], why: str) -> Finding:
    known = next(it for it in wanting if it.mode is Mode.DIRECT)
    fix = f"kubectl edit va {known.name} -n {known.namespace}"
    return failure(f"Scale of {target.kind}", f"{why} (of VA {known.namespace}/{known.name})", fix)
