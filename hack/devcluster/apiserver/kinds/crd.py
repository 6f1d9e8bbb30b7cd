"""Custom kinds: from a CustomResourceDefinition to the `ResourceType` that serves it.

A definition gets its `Established` condition at once and is served from then on; what it must fulfil is in
`definition_checks`. Versions differ in nothing but their name
(conversion strategy None).
"""

from collections.abc import Sequence
from datetime import datetime

from devcluster.apiserver.kinds import cel, schema
from devcluster.apiserver.kinds.shapes import misshapen_metadata
from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, dig
from devcluster.apiserver.objects.resource_types import Column, ResourceType, ScalePaths
from devcluster.apiserver.objects.status import CauseReason, FieldError
from devcluster.apiserver.objects.timestamps import age, rfc3339
from devcluster.apiserver.printing.core_columns import DEFAULT_COLUMNS
from devcluster.apiserver.printing.json_path import compile_path
from devcluster.apiserver.printing.workload_columns import NAME

COLLECTION = "customresourcedefinitions.apiextensions.k8s.io"
_BLOCKING = frozenset(
    {CauseReason.REQUIRED, CauseReason.TYPE_INVALID, CauseReason.TOO_LONG, CauseReason.TOO_MANY}
)
_UNCHECKED_RULES = (
    'Invalid value: "null": some validation rules were not checked because the object was invalid; '
    "correct the existing errors to complete validation"
)


def set_crd_defaults(definition: JsonObject) -> None:
    """The names that follow from the kind, and no conversion."""
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


def establish(definition: JsonObject, now: datetime) -> None:
    """The status of a definition that is served."""
    spec = definition["spec"]
    conditions = dig(definition, "status", "conditions")
    if not conditions:
        since = rfc3339(now)
        conditions = [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", since),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", since),
        ]
    stored = next((str(version["name"]) for version in spec["versions"] if version.get("storage")), "")
    definition["status"] = {
        "acceptedNames": spec["names"],
        "conditions": conditions,
        "storedVersions": [stored],
    }


def types_of(definition: JsonObject) -> list[ResourceType]:
    """The kinds that a definition serves, one per served version."""
    spec = definition["spec"]
    return [_type_of(spec, version) for version in spec["versions"] if version.get("served", True)]


def _type_of(spec: JsonObject, version: JsonObject) -> ResourceType:
    names, subresources = spec["names"], version.get("subresources") or {}
    root = dig(version, "schema", "openAPIV3Schema") or {"x-kubernetes-preserve-unknown-fields": True}
    tree = cel.compile_rules(root)

    def drop_unknown_fields(document: JsonObject, old: JsonObject | None) -> Sequence[str]:
        del old
        return list(schema.prune(document, root))

    def find_misshapen(document: JsonObject, old: JsonObject | None) -> Sequence[str]:
        same = old is not None and old["metadata"] == document["metadata"]
        return () if same else misshapen_metadata(document["metadata"])

    def set_defaults(document: JsonObject) -> None:
        schema.set_defaults(document, root)

    def check(document: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
        return _check_object(document, old, root, tree)

    return ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec.get("scope") == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in subresources),
        columns=_columns(version.get("additionalPrinterColumns")),
        scale=_scale_paths(subresources.get("scale")),
        custom=True,
        has_generation=True,
        set_defaults=set_defaults,
        validate=check,
        drop_unknown_fields=drop_unknown_fields,
        find_misshapen=find_misshapen,
        schema=root,
        singular=names["singular"],
        list_kind=names["listKind"],
    )


def _check_object(
    document: JsonObject, old: JsonObject | None, root: JsonObject, tree: cel.RuleTree | None
) -> Sequence[FieldError]:
    errors = list(schema.validate(document, root))
    if tree is None:
        return errors
    if any(error.reason in _BLOCKING for error in errors):
        return [*errors, FieldError("<nil>", CauseReason.INVALID, _UNCHECKED_RULES)]
    return [*errors, *cel.check_rules(tree, document, old)]


def _columns(declared: Sequence[JsonObject] | None) -> tuple[Column, ...]:
    if not declared:
        return DEFAULT_COLUMNS
    return (NAME, *(_column(column) for column in declared))


def _column(declared: JsonObject) -> Column:
    values_at, kind = compile_path(declared["jsonPath"]), declared.get("type", "string")

    def render(document: JsonObject, now: datetime) -> JsonValue:
        values = values_at(document)
        return _cell(kind, values, now) if values else None

    return Column(
        declared["name"],
        render,
        type=kind,
        priority=declared.get("priority", 0),
        format=declared.get("format", ""),
        description=declared.get("description", ""),
    )


def _cell(kind: str, values: Sequence[JsonValue], now: datetime) -> JsonValue:
    value = values[0]
    if kind == "date":
        return age(value, now)
    if kind == "integer":
        return int(value) if isinstance(value, int | float) else None
    if kind == "number":
        return value if isinstance(value, int | float) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(str(item) for item in values)


def _scale_paths(declared: JsonObject | None) -> ScalePaths | None:
    if not declared:
        return None
    selector = declared.get("labelSelectorPath")
    return ScalePaths(
        spec_replicas=_dotted(declared["specReplicasPath"]),
        status_replicas=_dotted(declared["statusReplicasPath"]),
        selector=_dotted(selector) if selector else None,
    )


def _dotted(path: str) -> tuple[str, ...]:
    return tuple(path.strip(".").split("."))


def _condition(kind: str, reason: str, message: str, since: str) -> JsonObject:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }
