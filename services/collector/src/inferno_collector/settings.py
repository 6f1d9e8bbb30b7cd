"""Settings of the collector."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inferno_collector.demand import DemandPolicy
from inferno_collector.steadiness import Caution
from inferno_shared.service import Names, ServiceSettings

_SCRAPES_UNTIL_STALE = 3
_LEAST_STALE_SECONDS = 15.0
_STALE_SECONDS_OF_PROMETHEUS = 45.0
_ADAPTIVE_SECONDS = 300.0
_FIXED_SECONDS = 60.0
_AFTER_CHANGE_SECONDS = 30.0
_HOLD_DEVIATIONS = 1.2


class CollectorSettings(ServiceSettings):
    """What the collector can be told; where Prometheus is comes from the ConfigMap, read live."""

    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8081, description="Port to listen on; 0 takes a free one"
    )
    namespace: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        "inferno-autoscaler-system", description="Namespace of the autoscaler's ConfigMaps"
    )
    watch_namespaces: Names = Field(
        (),
        description="Namespaces whose pods, Deployments, Services and VariantAutoscalings are followed, "
        "separated by commas; empty: all. GPUs held in others are then unknown",
    )
    load_source: Literal["prometheus", "scrape"] = Field(
        "prometheus",
        description="Where load is read: prometheus (or Thanos), or scrape (the pods themselves)",
    )
    load_window: Literal["adaptive", "fixed"] = Field(
        "adaptive",
        description="Window that arrival rates are measured over: fixed, or adaptive (back to the last "
        "change of the rate that a test on counts finds, and the last reading stands while the window agrees "
        "with it: a step shows soon, noise does not)",
    )
    load_window_seconds: Annotated[float, Field(ge=2, le=3_600)] | None = Field(
        None,
        description="Length of the fixed window, greatest length of the adaptive one; left out: 300 s "
        "(adaptive) or 60 s (fixed)",
    )
    load_minimum_span_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        10, description="Least time span of samples that a rate is read from; before, the load is unknown"
    )
    load_stale_seconds: Annotated[float, Field(gt=0, le=3_600)] | None = Field(
        None,
        description="Age from which a pod's newest sample says nothing about now; left out: three scrape "
        "intervals, at least 15 s (scrape) or 45 s (prometheus)",
    )
    backlog_drain_seconds: Annotated[float, Field(ge=0, le=3_600)] = Field(
        60,
        description="Time within which waiting requests are to be worked off, beside what arrives; 0: never",
    )
    scrape_interval_seconds: Annotated[float, Field(ge=0.1, le=300)] = Field(
        5, description="How often pods are scraped (load source scrape)"
    )
    scrape_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        2, description="Time that a pod has to answer a scrape"
    )
    scrape_default_port: Annotated[int, Field(ge=1, le=65_535)] = Field(
        8000, description="Port of a pod's metrics when neither annotation, Service nor container tells it"
    )
    scrape_max_bytes: Annotated[int, Field(ge=1_024, le=2**28)] = Field(
        8 * 2**20, description="Largest answer of a pod that is read"
    )
    prometheus_allow_http: bool = Field(
        False, description="Admit a PROMETHEUS_BASE_URL with plain http:// beyond loopback"
    )
    prometheus_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = Field(
        10, description="Time that Prometheus has to answer a query"
    )
    prometheus_max_response_bytes: Annotated[int, Field(ge=1_024, le=2**31)] = Field(
        64 * 2**20, description="Largest answer of Prometheus that is read"
    )
    prometheus_min_interval_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        0,
        description="Least time between two readings of Prometheus; in between the last one is used again, "
        "and samples may be older by as much (OpenShift advises one query per 30 s and user)",
    )
    prometheus_namespace_filter: bool = Field(
        True,
        description="Ask Prometheus only for series of namespaces that have variants, and for those without "
        "the label; turn it off where pods are only named by exported_namespace",
    )
    prometheus_tenancy: bool = Field(
        False,
        description="Ask namespace by namespace, with the parameter namespace (OpenShift's tenancy port "
        "9092): three queries for each namespace that has variants, instead of three in all",
    )

    @model_validator(mode="after")
    def _window_holds_samples(self) -> Self:
        if self.load_source == "scrape" and self._window_seconds() < 2 * self.scrape_interval_seconds:
            raise ValueError(
                f"INFERNO_LOAD_WINDOW_SECONDS={self._window_seconds():g} must be at least twice "
                f"INFERNO_SCRAPE_INTERVAL_SECONDS={self.scrape_interval_seconds:g}: "
                "a rate needs two samples within the window"
            )
        return self

    def demand_policy(self) -> DemandPolicy:
        """How demand is read, with these settings."""
        stale_seconds = self.load_stale_seconds or (
            max(_SCRAPES_UNTIL_STALE * self.scrape_interval_seconds, _LEAST_STALE_SECONDS)
            if self.load_source == "scrape"
            else _STALE_SECONDS_OF_PROMETHEUS + self.prometheus_min_interval_seconds
        )
        window_seconds = self._window_seconds()
        adaptive = self.load_window == "adaptive"
        return DemandPolicy(
            window_seconds=window_seconds,
            minimum_span_seconds=min(self.load_minimum_span_seconds, window_seconds / 2),
            after_change_seconds=min(_AFTER_CHANGE_SECONDS, window_seconds / 2),
            stale_after_seconds=stale_seconds,
            drain_seconds=self.backlog_drain_seconds,
            caution=Caution() if adaptive else None,
            hold_deviations=_HOLD_DEVIATIONS if adaptive else 0.0,
        )

    def _window_seconds(self) -> float:
        if self.load_window_seconds is not None:
            return self.load_window_seconds
        return _ADAPTIVE_SECONDS if self.load_window == "adaptive" else _FIXED_SECONDS
