"""Rendered YAML: masked where helm makes new certificates each time, cleared of Helm for kubectl."""

import re
from collections.abc import Iterable
from typing import Any, Final

import yaml

Document = dict[str, Any]

_CERTIFICATE: Final = re.compile(r"^(\s*(?:ca\.crt|tls\.crt|tls\.key|caBundle): )\S+$", re.MULTILINE)
_RENEWAL: Final = re.compile(r"^(\s*inferno\.llmd\.ai/renew-after: ).+$", re.MULTILINE)
TEST: Final = "helm.sh/hook: test"
DEFINITION: Final = "\nkind: CustomResourceDefinition"
_HELM_LABELS: Final = ("app.kubernetes.io/managed-by", "app.kubernetes.io/instance")


def masked(text: str) -> str:
    """The text with certificates, keys and their times made the same in every rendering."""
    return _RENEWAL.sub(r"\1MASKED", _CERTIFICATE.sub(r"\1MASKED", text))


def without(mark: str, text: str) -> str:
    """The text without the documents that contain `mark`."""
    parts = [part for part in text.removeprefix("---\n").split("\n---\n") if mark not in part]
    return "\n---\n".join(parts).rstrip() + "\n"


def documents(text: str) -> list[Document]:
    """The objects in the order of the text."""
    return [document for document in yaml.safe_load_all(text) if document]


def without_helm(objects: Iterable[Document]) -> list[Document]:
    """The objects as somebody without Helm applies them: no labels and annotations that speak of it."""
    return [_cleared(document) for document in objects]


def as_yaml(objects: Iterable[Document], heading: str) -> str:
    """A file of these objects, with a comment above."""
    return f"# {heading}\n" + yaml.safe_dump_all(objects, sort_keys=False, width=110)


def _cleared(document: Document) -> Document:
    metadata = dict(document["metadata"])
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _HELM_LABELS}
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if "helm.sh" not in key
    }
    for key, kept in (("labels", labels), ("annotations", annotations)):
        metadata.pop(key, None)
        if kept:
            metadata[key] = kept
    cleared = {**document, "metadata": metadata}
    template = (document.get("spec") or {}).get("template") if document.get("kind") == "Deployment" else None
    if template:
        cleared["spec"] = {**document["spec"], "template": _cleared(template)}
    return cleared
