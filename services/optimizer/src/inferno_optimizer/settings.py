"""Settings of the optimizer."""

from typing import Annotated, Final, Literal

from pydantic import Field

from inferno_optimizer.processors import available_processors
from inferno_shared.service import ServiceSettings

MOST_WORKERS_BY_DEFAULT: Final = 8


class OptimizerSettings(ServiceSettings):
    """What the optimizer can be told; how a plan is chosen comes with each snapshot's policy."""

    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8082, description="Port to listen on; 0 takes a free one"
    )
    service_authorization: Literal["none", "certificate"] = Field(
        "none",
        description="Who may call the service: none (everybody who reaches it), certificate (client "
        "certificate with an allowed name); it talks to no cluster that could check tokens",
    )
    metrics_authorization: Literal["none", "certificate"] = Field(
        "none", description="Who may read /metrics: none, certificate"
    )
    workers: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None,
        description="Processes that solve, each one request at a time and some 100 MiB when idle; started"
        " as they are needed. Left out: one for each processor that the container may use, up to 8; 0: the"
        " server itself solves, one request at a time",
    )
    waiting_solves: Annotated[int, Field(ge=0, le=10_000)] = Field(
        64, description="Requests that may wait for their turn; beyond that the answer is 503"
    )
    max_solve_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        60, description="Upper bound of a request's own policy.time_limit_seconds"
    )

    def worker_processes(self) -> int:
        """Most worker processes; 0: none."""
        return min(available_processors(), MOST_WORKERS_BY_DEFAULT) if self.workers is None else self.workers
