"""Builders of contract objects: the seed's scenario by default, anything else by keyword.

A test states only what matters to it: `a_snapshot(variants=[a_variant(rate_rpm=50)])`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from inferno_shared.contracts import (
    Accelerator,
    CurrentAllocation,
    LinearParameters,
    Load,
    LoadState,
    NodeInventory,
    Parameters,
    Policy,
    Profile,
    ServiceClass,
    SloTarget,
    Snapshot,
    Variant,
)

SEED_MODEL = "Qwen/Qwen3-0.6B"
SEED_NAMESPACE = "llm-d-sim"
SEED_NAME = "ms-inference-scheduling-llm-d-modelservice-decode"
SEED_PARAMETERS = LinearParameters(alpha=20.58, beta=0.41)
H100_DEVICE = "NVIDIA-H100-80GB-HBM3"
OBSERVED_AT = datetime(2025, 9, 4, 18, 37, 20, tzinfo=UTC)

SEED_ACCELERATORS = (
    Accelerator(name="A100", device="NVIDIA-A100-PCIE-80GB", cost_per_hour=40),
    Accelerator(name="G2", device="Intel-Gaudi-2-96GB", cost_per_hour=23),
    Accelerator(name="H100", device=H100_DEVICE, cost_per_hour=50),
    Accelerator(name="MI300X", device="AMD-MI300X-192GB", cost_per_hour=65),
)
SEED_SERVICE_CLASSES = (
    ServiceClass(
        name="Premium",
        priority=1,
        targets=[
            SloTarget(model=SEED_MODEL, itl_ms=24, ttft_ms=500),
            SloTarget(model="llama0-70b", itl_ms=80, ttft_ms=500),
        ],
    ),
    ServiceClass(
        name="Freemium",
        priority=10,
        targets=[
            SloTarget(model="granite-13b", itl_ms=200, ttft_ms=2000),
            SloTarget(model="llama0-7b", itl_ms=150, ttft_ms=1500),
        ],
    ),
)


def a_profile(
    accelerator: str = "H100",
    *,
    acc_count: int = 1,
    max_batch_size: int = 4,
    parameters: Parameters = SEED_PARAMETERS,
) -> Profile:
    """A profile of one model on one accelerator; the seed's H100 by default."""
    return Profile(
        accelerator=accelerator, acc_count=acc_count, max_batch_size=max_batch_size, parameters=parameters
    )


def a_load(rate_rpm: float | None = 37.5, *, input_tokens: float = 0, output_tokens: float = 279) -> Load:
    """An observed load; rate 0 is idle and None is unknown."""
    if rate_rpm is None:
        return Load(state=LoadState.UNKNOWN, message="no series")
    if rate_rpm == 0:
        return Load(state=LoadState.IDLE, arrival_rate_rpm=0, observed_at=OBSERVED_AT, source="test")
    return Load(
        state=LoadState.OBSERVED,
        arrival_rate_rpm=rate_rpm,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        observed_at=OBSERVED_AT,
        source="test",
    )


def a_variant(
    name: str = SEED_NAME,
    *,
    namespace: str = SEED_NAMESPACE,
    model: str = SEED_MODEL,
    service_class: str = "Premium",
    rate_rpm: float | None = 37.5,
    load: Load | None = None,
    profiles: Sequence[Profile] | None = None,
    accelerator: str | None = "H100",
    replicas: int = 1,
    min_replicas: int = 1,
    max_replicas: int | None = None,
    keep_accelerator: bool = True,
) -> Variant:
    """A variant; the seed's by default. `load` wins over `rate_rpm`."""
    return Variant(
        namespace=namespace,
        name=name,
        model=model,
        service_class=service_class,
        keep_accelerator=keep_accelerator,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        profiles=list(profiles) if profiles is not None else [a_profile()],
        current=CurrentAllocation(accelerator=accelerator, replicas=replicas, ready_replicas=replicas),
        load=load or a_load(rate_rpm),
    )


def a_node(
    node: str = "pokprod-b93r38s0", *, device: str = H100_DEVICE, allocatable: int = 8, unmanaged: int = 0
) -> NodeInventory:
    """A node; eight H100 by default."""
    return NodeInventory(node=node, device=device, allocatable=allocatable, unmanaged=unmanaged)


def a_snapshot(
    *,
    variants: Sequence[Variant] | None = None,
    accelerators: Sequence[Accelerator] = SEED_ACCELERATORS,
    service_classes: Sequence[ServiceClass] = SEED_SERVICE_CLASSES,
    inventory: Sequence[NodeInventory] | None = None,
    policy: Policy | None = None,
) -> Snapshot:
    """A snapshot; the seed's by default: one variant, four nodes of eight H100, no limits."""
    nodes = [a_node(f"pokprod-b93r3{suffix}") for suffix in ("8s0", "8s1", "8s2", "9s1")]
    snapshot = Snapshot(
        policy=policy or Policy(),
        accelerators=list(accelerators),
        service_classes=list(service_classes),
        inventory=list(inventory) if inventory is not None else nodes,
        variants=list(variants) if variants is not None else [a_variant()],
        taken_at=OBSERVED_AT,
    )
    return snapshot.model_copy(update={"id": snapshot.content_id()})
