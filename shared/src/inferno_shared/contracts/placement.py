"""How the replicas of a plan fit on the nodes: which nodes, counted by their free units, hold what."""

from pydantic import Field

from inferno_shared.contracts.wire import WireModel


class ReplicaGroup(WireModel):
    """Replicas of one size."""

    units_per_replica: int
    replicas: int


class NodePattern(WireModel):
    """Nodes that are filled alike."""

    nodes: int
    holds: list[ReplicaGroup] = Field(description="What each of these nodes holds, larger replicas first")


class NodeShape(WireModel):
    """Nodes with equally many free units: allocatable less those of unmanaged pods."""

    free_units: int
    nodes: int
    used_nodes: int
    patterns: list[NodePattern]


class Placement(WireModel):
    """One way to place all replicas on the nodes of a device; the scheduler may find another.

    That a packing exists is proven, but a plan moves no pod. Where running pods are scattered, some may have
    to be restarted before a large replica finds its node: scoring nodes by MostAllocated prevents that.
    """

    device: str
    shapes: list[NodeShape]
    free_units: int = Field(description="Units that stay free on all nodes together")
    largest_free: int = Field(description="Units of the largest replica that still finds a node")
    unplaced: list[ReplicaGroup] = Field(
        default_factory=list,
        description="Replicas that are kept although the nodes have no room for them: check the inventory",
    )
