"""`config/` for those without Helm: the chart's objects as plain files, for OpenShift and for Kubernetes."""

from collections.abc import Iterator
from pathlib import Path

from chart.documents import TEST, Document, as_yaml, documents, without, without_helm
from chart.helm import NAMESPACE, OPENSHIFT_APIS, Case, template
from chart.paths import CONFIG

MADE = "Made from charts/inferno-autoscaler by `make chart`: change it there."
# A private key cannot stand in a file of a repository, so that certificates come from the platform.
OPENSHIFT = Case("openshift", OPENSHIFT_APIS, {"authorization.clientCertificates": "false"})
KUBERNETES = Case("kubernetes", ("cert-manager.io/v1", "monitoring.coreos.com/v1/ServiceMonitor"))
# What mode `direct` adds, for those who have the guide's installation already.
DIRECT = Case("direct", values={"actuator.directScaling.enabled": "true"})
_RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_WHO = {
    "actuator": "The actuator writes statuses and Events; replicas are the HPA's to change (or see direct/).",
    "collector": "The collector reads the cluster and writes nothing.",
    "optimizer": "The optimizer never talks to the cluster: its account has no rights, its pods no token.",
}
_DIRECT = """\
Only for variants annotated `inferno.llmd.ai/actuation: direct`: the actuator scales their targets itself.
# Scale targets of other kinds: actuator.directScaling.resources of the chart."""
_KUSTOMIZATION = """\
# {made}
# {what}
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [inferno-autoscaler.yaml]
"""


def config_files() -> Iterator[tuple[Path, str]]:
    """Every file below config/ that the chart makes, with its text."""
    for case, needs in (
        (OPENSHIFT, "kubectl apply -k config/openshift"),
        (KUBERNETES, "Needs cert-manager and a Prometheus operator: kubectl apply -k config/kubernetes"),
    ):
        folder = CONFIG / case.name
        objects = [_namespace(), *_objects(case)]
        yield folder / "inferno-autoscaler.yaml", as_yaml(objects, MADE)
        yield folder / "kustomization.yaml", _KUSTOMIZATION.format(made=MADE, what=needs)
    rights = [document for document in _objects(Case("rights")) if document["kind"] in _RIGHTS]
    for service, sentence in _WHO.items():
        own = [document for document in rights if _component(document) == service]
        yield CONFIG / f"rbac/{service}.yaml", as_yaml(own, f"{sentence}\n# {MADE}")
    yield CONFIG / "rbac/direct/scales.yaml", as_yaml(_direct(), f"{_DIRECT}\n# {MADE}")
    view = [document for document in _objects(OPENSHIFT) if "monitoring-view" in document["metadata"]["name"]]
    yield (
        CONFIG / "rbac/openshift/monitoring-view.yaml",
        as_yaml(view, f"OpenShift: admits the collector to Thanos (the guide forgets it).\n# {MADE}"),
    )


def _direct() -> Iterator[Document]:
    """The actuator's rights to scale, in a role of their own beside those that it has anyway."""
    name = "inferno-autoscaler-direct-scaling"
    for document in _objects(DIRECT):
        if (
            document["kind"] not in {"ClusterRole", "ClusterRoleBinding"}
            or _component(document) != "actuator"
        ):
            continue
        own = {**document, "metadata": {**document["metadata"], "name": name}}
        if document["kind"] == "ClusterRole":
            scales = [rule for rule in document["rules"] if "/scale" in "".join(rule.get("resources", ()))]
            yield {**own, "rules": scales}
        else:
            yield {**own, "roleRef": {**document["roleRef"], "name": name}}


def _objects(case: Case) -> list[Document]:
    return without_helm(documents(without(TEST, template(case))))


def _component(document: Document) -> str:
    return str(document["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


def _namespace() -> Document:
    labels = {"app.kubernetes.io/name": "inferno-autoscaler"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
