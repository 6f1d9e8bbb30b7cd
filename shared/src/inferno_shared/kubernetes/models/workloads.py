"""Deployments, Services and ConfigMaps, as far as the autoscaler reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inferno_shared.kubernetes.models.fields import (
    JsonObject,
    entries,
    optional_text,
    refusal,
    section,
    text,
    text_map,
    texts,
    whole,
)
from inferno_shared.kubernetes.models.metadata import Metadata, parse_metadata
from inferno_shared.kubernetes.models.pods import PodTemplate, parse_template

OPERATORS: Final = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` fulfil it."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Selects objects by label; an empty selector selects nothing here, as in a Deployment it is refused."""

    match_labels: Mapping[str, str]
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with `labels` is selected."""
        if not self.match_labels and not self.requirements:
            return False
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.requirements
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """A Deployment: wanted replicas, selector, template, and what its status reports."""

    metadata: Metadata
    replicas: int
    selector: LabelSelector
    template: PodTemplate
    observed_generation: int
    status_replicas: int
    ready_replicas: int
    updated_replicas: int
    available_replicas: int

    @property
    def match_labels(self) -> Mapping[str, str]:
        """The plain part of the selector."""
        return self.selector.match_labels


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service; `target_port` is a number or the name of a container's port."""

    name: str | None
    port: int
    target_port: int | str
    node_port: int | None


@dataclass(frozen=True, slots=True)
class Service:
    """A Service: which pods, on which ports."""

    metadata: Metadata
    selector: Mapping[str, str]
    ports: tuple[ServicePort, ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod with `labels` is behind this Service; one without selector has no pods."""
        return bool(self.selector) and all(labels.get(key) == value for key, value in self.selector.items())


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap's texts; binary data is not read."""

    metadata: Metadata
    data: Mapping[str, str]


def parse_deployment(raw: JsonObject) -> Deployment:
    """Read a Deployment. Raises MalformedObjectError."""
    spec, status = section(raw, "spec", ""), section(raw, "status", "")
    return Deployment(
        metadata=parse_metadata(raw),
        replicas=whole(spec, "replicas", "spec", default=1),
        selector=_parse_selector(section(spec, "selector", "spec"), "spec.selector"),
        template=parse_template(section(spec, "template", "spec"), "spec.template"),
        observed_generation=whole(status, "observedGeneration", "status"),
        status_replicas=whole(status, "replicas", "status"),
        ready_replicas=whole(status, "readyReplicas", "status"),
        updated_replicas=whole(status, "updatedReplicas", "status"),
        available_replicas=whole(status, "availableReplicas", "status"),
    )


def parse_service(raw: JsonObject) -> Service:
    """Read a Service. Raises MalformedObjectError."""
    spec = section(raw, "spec", "")
    return Service(
        metadata=parse_metadata(raw),
        selector=text_map(spec, "selector", "spec"),
        ports=tuple(
            _parse_service_port(port, f"spec.ports[{index}]")
            for index, port in enumerate(entries(spec, "ports", "spec"))
        ),
    )


def parse_config_map(raw: JsonObject) -> ConfigMap:
    """Read a ConfigMap. Raises MalformedObjectError."""
    return ConfigMap(metadata=parse_metadata(raw), data=text_map(raw, "data", ""))


def _parse_selector(raw: JsonObject, at: str) -> LabelSelector:
    requirements = []
    for index, expression in enumerate(entries(raw, "matchExpressions", at)):
        where = f"{at}.matchExpressions[{index}]"
        operator = text(expression, "operator", where)
        if operator not in OPERATORS:
            raise refusal(where, "operator", f"one of {', '.join(sorted(OPERATORS))}", operator)
        requirements.append(
            Requirement(text(expression, "key", where), operator, texts(expression, "values", where))
        )
    return LabelSelector(text_map(raw, "matchLabels", at), tuple(requirements))


def _parse_service_port(raw: JsonObject, at: str) -> ServicePort:
    port = whole(raw, "port", at, minimum=1)
    target = raw.get("targetPort")
    if target is None or target == 0:
        target = port
    if type(target) not in {int, str}:
        raise refusal(at, "targetPort", "a port number or the name of one", target)
    return ServicePort(
        name=optional_text(raw, "name", at),
        port=port,
        target_port=target,
        node_port=whole(raw, "nodePort", at) or None,
    )
