"""Settings of the optimizer."""

from typing import Annotated, Literal

from pydantic import Field

from inferno_shared.service import ServiceSettings


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
    concurrent_solves: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Requests that are solved at the same time; each takes one core"
    )
    waiting_solves: Annotated[int, Field(ge=0, le=10_000)] = Field(
        64, description="Requests that may wait for their turn; beyond that the answer is 503"
    )
    max_solve_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        60, description="Upper bound of a request's own policy.time_limit_seconds"
    )
