"""What the actuator can be told by environment variables; the rest it learns from the cluster, live."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from inferno_actuator.apply import Pace
from inferno_actuator.decision_log import DecisionLog
from inferno_actuator.seams import Limits
from inferno_shared.service import Names, ServiceSettings, is_loopback, is_loopback_host


def _http_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like http://host:port or https://host:port")
    return text


def _file(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ValueError("there is no such file; mount it or correct the path")
    return path


HttpAddress = Annotated[str, AfterValidator(_http_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _default_identity() -> str:
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"


class ActuatorSettings(ServiceSettings):
    """Settings of the actuator."""

    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8443, description="Port to listen on; 0 takes a free one"
    )
    namespace: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        "inferno-autoscaler-system", description="Namespace of the three ConfigMaps and of the Lease"
    )
    watch_namespaces: Names = Field(
        (),
        description="Namespaces whose VariantAutoscalings and HPAs are followed, separated by commas; "
        "empty: all",
    )
    collector_url: HttpAddress = Field("http://127.0.0.1:8081", description="Where the collector answers")
    optimizer_url: HttpAddress = Field("http://127.0.0.1:8082", description="Where the optimizer answers")
    client_ca_file: Annotated[Path | None, AfterValidator(_file)] = Field(
        None, description="Certificate authority (PEM) of collector and optimizer; unset: the system's"
    )
    client_cert_file: Annotated[Path | None, AfterValidator(_file)] = Field(
        None, description="Client certificate (PEM chain) to show to collector and optimizer"
    )
    client_key_file: Annotated[Path | None, AfterValidator(_file)] = Field(
        None, description="Private key (PEM) of the client certificate"
    )
    client_token_file: Annotated[Path | None, AfterValidator(_file)] = Field(
        None,
        description="ServiceAccount token to show to the collector, only over https; it and the three files "
        "above are read again when they change",
    )
    collector_timeout_seconds: Seconds = Field(30, description="For a snapshot, retries included")
    optimizer_timeout_seconds: Seconds = Field(90, description="For a plan, retries included")
    apply_timeout_seconds: Seconds = Field(60, description="For writing all statuses and Events of a cycle")
    default_interval_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        60, description="How often the loop runs while GLOBAL_OPT_INTERVAL of the ConfigMap is not set"
    )
    debounce_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        0.5, description="Changes of VariantAutoscalings and ConfigMaps within this time cause one run"
    )
    plan_max_age_seconds: Seconds | None = Field(
        None,
        description="Desired values of an older plan are not exported; unset: 5 intervals, at least 300 s",
    )
    status_heartbeat_seconds: Seconds = Field(
        300, description="An unchanged status is written again when its lastRunTime is this old"
    )
    status_heartbeats_per_cycle: Annotated[int, Field(ge=1, le=10_000)] = Field(
        10, description="At most so many unchanged statuses are written again in one cycle, the oldest first"
    )
    status_noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1,
        description="Relative change of measured numbers that is not worth a status write; 0: every one is",
    )
    apply_concurrency: Annotated[int, Field(ge=1, le=256)] = Field(
        16, description="Status writes under way at once"
    )
    decision_log_file: Path | None = Field(
        None, description="Append every decision as a JSON line to this file; unset: none is kept"
    )
    decision_log_max_bytes: Annotated[int, Field(ge=65_536, le=2**40)] = Field(
        64 * 2**20, description="Size at which the decision log is rotated"
    )
    decision_log_files: Annotated[int, Field(ge=1, le=1_000)] = Field(
        4, description="Files of the decision log that are kept, the newest included"
    )
    external_metrics: bool = Field(
        False,
        description="Serve external.metrics.k8s.io/v1beta1: an HPA then needs no Prometheus and no adapter",
    )
    external_metrics_authorization: Literal["none", "aggregator"] = Field(
        "none",
        description="Who may ask external.metrics.k8s.io: none (everybody who reaches it), aggregator (the "
        "API server only, known by its client certificate)",
    )
    leader_election: bool = Field(
        False, description="Compete for the Lease: needed with more than one replica"
    )
    identity: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        default_factory=_default_identity, description="Name in the Lease and in Events"
    )

    @model_validator(mode="after")
    def _credentials_are_whole_and_travel_encrypted(self) -> Self:
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("set both INFERNO_CLIENT_CERT_FILE and INFERNO_CLIENT_KEY_FILE, or neither")
        in_the_clear = urlsplit(self.collector_url).scheme == "http" and not is_loopback(self.collector_url)
        if self.client_token_file is not None and in_the_clear:
            raise ValueError(
                f"INFERNO_CLIENT_TOKEN_FILE would be sent in the clear to {self.collector_url}: "
                "make INFERNO_COLLECTOR_URL https"
            )
        if self.external_metrics_authorization == "aggregator" and self.tls_cert_file is None:
            raise ValueError(
                "INFERNO_EXTERNAL_METRICS_AUTHORIZATION=aggregator needs HTTPS: "
                "set INFERNO_TLS_CERT_FILE and INFERNO_TLS_KEY_FILE"
            )
        return self

    def exposure(self) -> Iterator[str]:
        """Yield what anyone on the network could do to this service, each with the remedy."""
        yield from super().exposure()
        open_to_all = self.external_metrics and self.external_metrics_authorization == "none"
        if open_to_all and not is_loopback_host(self.host):
            yield (
                f"listening on {self.host} with open external metrics: everybody who reaches port "
                f"{self.port} may read them; set INFERNO_EXTERNAL_METRICS_AUTHORIZATION=aggregator"
            )

    def pace(self) -> Pace:
        """When a status is written."""
        return Pace(
            heartbeat_seconds=self.status_heartbeat_seconds,
            heartbeats_per_cycle=self.status_heartbeats_per_cycle,
            noise=self.status_noise,
            concurrency=self.apply_concurrency,
        )

    def decision_log(self) -> DecisionLog | None:
        """Where decisions are kept."""
        if self.decision_log_file is None:
            return None
        return DecisionLog(
            self.decision_log_file, max_bytes=self.decision_log_max_bytes, files=self.decision_log_files
        )

    def limits(self) -> Limits:
        """How long each stage may take and how old a plan may be."""
        return Limits(
            collect_seconds=self.collector_timeout_seconds,
            optimize_seconds=self.optimizer_timeout_seconds,
            apply_seconds=self.apply_timeout_seconds,
            plan_max_age_seconds=self.plan_max_age_seconds,
        )
