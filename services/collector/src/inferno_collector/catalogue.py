"""Reads the ConfigMaps `accelerator-unit-costs` and `service-classes-config`.

One bad entry is reported by ConfigMap and key and skipped, the last good value of that key stays in force,
and nothing else stops.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from inferno_collector.reasons import Reason
from inferno_shared.contracts import Accelerator, Problem, ServiceClass, SloTarget

ACCELERATOR_COSTS: Final = "accelerator-unit-costs"
SERVICE_CLASSES: Final = "service-classes-config"

_Entry = TypeVar("_Entry")

# Target field -> its name in the ConfigMap.
_TARGET_FIELDS: Final = {
    "itl_ms": "slo-tpot",
    "ttft_ms": "slo-ttft",
    "tokens_per_second": "slo-tps",
}


class InvalidEntryError(ValueError):
    """An entry of a ConfigMap cannot be used; the message names the field and what to write."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Accelerators and service classes in force, by the ConfigMap key that defines them."""

    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)
    service_classes: Mapping[str, ServiceClass] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def classes_with(self, model: str) -> list[ServiceClass]:
        """Classes that hold the model, the most important first, then by name."""
        holding = [c for c in self.service_classes.values() if any(t.model == model for t in c.targets)]
        return sorted(holding, key=lambda c: (c.priority, c.name))


def read_catalogue(
    costs: Mapping[str, str] | None, classes: Mapping[str, str] | None, previous: Catalogue
) -> Catalogue:
    """Catalogue from the data of the two ConfigMaps (None: the ConfigMap does not exist).

    An absent or empty ConfigMap leaves its last good entries in force, with a problem: an accident must not
    take every variant's SLO away.
    """
    problems: list[Problem] = []
    accelerators = _entries(ACCELERATOR_COSTS, costs, previous.accelerators, _accelerator, problems)
    service_classes = _entries(SERVICE_CLASSES, classes, previous.service_classes, _service_class, problems)
    return Catalogue(
        accelerators=accelerators,
        service_classes=_without_duplicates(service_classes, problems),
        problems=tuple(problems),
    )


def _entries(
    config_map: str,
    data: Mapping[str, str] | None,
    previous: Mapping[str, _Entry],
    parse: Callable[[str, str, _Entry | None, list[str]], _Entry],
    problems: list[Problem],
) -> dict[str, _Entry]:
    if not data:
        state = "does not exist" if data is None else "is empty"
        kept = "its last good entries stay in force" if previous else "no entry is known"
        message = f"the ConfigMap {state}; {kept}: apply it again"
        problems.append(
            Problem(subject=f"ConfigMap {config_map}", reason=Reason.CONFIG_MAP_MISSING, message=message)
        )
        return dict(previous)
    entries: dict[str, _Entry] = {}
    for key in sorted(data):
        last_good = previous.get(key)
        faults: list[str] = []
        try:
            entries[key] = parse(key, data[key], last_good, faults)
        except InvalidEntryError as error:
            faults.append(str(error))
            if last_good is not None:
                entries[key] = last_good
        problems.extend(_invalid(config_map, key, faults, kept=last_good is not None))
    return entries


def _invalid(config_map: str, key: str, faults: Iterable[str], *, kept: bool) -> Iterator[Problem]:
    consequence = "the last good value stays in force" if kept else "it is left out until it is mended"
    for fault in faults:
        yield Problem(
            subject=f"ConfigMap {config_map} key {key}",
            reason=Reason.INVALID_CONFIGURATION,
            message=f"{fault}; {consequence}",
        )


def _accelerator(key: str, text: str, _last_good: Accelerator | None, _faults: list[str]) -> Accelerator:
    try:
        entry = json.loads(text)
    except ValueError as error:
        raise InvalidEntryError(f'not JSON ({error}): write {{"device": "...", "cost": "50.00"}}') from error
    if not isinstance(entry, dict):
        raise InvalidEntryError('not a JSON object: write {"device": "...", "cost": "50.00"}')
    for name in ("device", "cost"):
        if entry.get(name) in (None, ""):
            raise InvalidEntryError(f"{name} is missing")
    return _validated(
        Accelerator,
        {
            "name": key,
            "device": entry["device"],
            "cost_per_hour": entry["cost"],
            "multiplicity": entry.get("multiplicity", 1),
        },
        {"cost_per_hour": "cost"},
    )


def _service_class(_key: str, text: str, last_good: ServiceClass | None, faults: list[str]) -> ServiceClass:
    try:
        entry = yaml.load(text, Loader=_YAML_LOADER)  # noqa: S506 - the C twin of the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidEntryError(f"not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(entry, dict):
        raise InvalidEntryError("not a YAML mapping with name, priority and data")
    for name in ("name", "priority"):
        if entry.get(name) in (None, ""):
            raise InvalidEntryError(f"{name} is missing")
    data = entry.get("data")
    if not isinstance(data, list):
        raise InvalidEntryError("data must be a list of models with slo-tpot and slo-ttft")
    last_targets = {target.model: target for target in last_good.targets} if last_good else {}
    targets = _targets(data, last_targets, faults)
    return _validated(
        ServiceClass,
        {"name": entry["name"], "priority": entry["priority"], "targets": list(targets.values())},
        {},
    )


def _targets(data: list[Any], last_good: Mapping[str, SloTarget], faults: list[str]) -> dict[str, SloTarget]:
    """Targets by model: an unusable one falls back to its last good value and spares its neighbours."""
    targets: dict[str, SloTarget] = {}
    for index, item in enumerate(data):
        model = item.get("model") if isinstance(item, dict) else None
        try:
            target = _target(item)
        except InvalidEntryError as error:
            faults.append(f"data[{index}]{f' (model {model})' if model else ''}: {error}")
            if isinstance(model, str) and model in last_good:
                targets.setdefault(model, last_good[model])
            continue
        if target.model in targets:
            faults.append(f"data[{index}]: model {target.model} appears twice; the first one counts")
        targets.setdefault(target.model, target)
    return targets


def _target(item: object) -> SloTarget:
    if not isinstance(item, dict) or not item.get("model"):
        raise InvalidEntryError("model is missing")
    values = {"model": item["model"]}
    for target_field, name in _TARGET_FIELDS.items():
        # Upstream writes 0 for a target that is not promised.
        values[target_field] = item.get(name) or None
    return _validated(SloTarget, values, _TARGET_FIELDS)


def _without_duplicates(
    classes: Mapping[str, ServiceClass], problems: list[Problem]
) -> dict[str, ServiceClass]:
    unique: dict[str, ServiceClass] = {}
    defined_by: dict[str, str] = {}
    for key, service_class in classes.items():
        first = defined_by.setdefault(service_class.name, key)
        if first == key:
            unique[key] = service_class
            continue
        fault = f"class {service_class.name} is already defined by key {first}, which counts"
        problems.extend(_invalid(SERVICE_CLASSES, key, [fault], kept=False))
    return unique


_Model = TypeVar("_Model", bound=BaseModel)


def _validated(model: type[_Model], values: Mapping[str, object], names: Mapping[str, str]) -> _Model:
    """`model` from `values`; an error speaks of the fields by the names that the ConfigMap gives them."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = []
        for detail in error.errors(include_url=False):
            path = ".".join(str(part) for part in detail["loc"])
            faults.append(f"{names.get(path, path)} is {detail['input']!r}: {detail['msg']}")
        raise InvalidEntryError("; ".join(faults)) from error


_YAML_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
