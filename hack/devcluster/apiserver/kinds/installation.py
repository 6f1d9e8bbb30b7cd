"""What a new cluster holds from the start, and the steps that make custom kinds live.

The first namespaces with their ServiceAccounts, an APIService for each group served here, and the
registration of kinds as their CustomResourceDefinitions come and go.
"""

from devcluster.apiserver.beyond.aggregation import COLLECTION as API_SERVICES
from devcluster.apiserver.kinds import crd
from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.resources import DeleteOptions, Resources, WriteOptions
from devcluster.apiserver.objects.store import Event, EventType
from devcluster.apiserver.objects.timestamps import rfc3339

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Installation:
    """Fills a new cluster and follows its CustomResourceDefinitions."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        resources.preparations[crd.COLLECTION] = self._prepare_definition
        resources.preparations[API_SERVICES] = self._prepare_api_service
        resources.store.subscribe(crd.COLLECTION, self._follow_definition)
        resources.store.subscribe("namespaces", self._follow_namespace)

    def install(self) -> None:
        """Create the first objects."""
        for name in _NAMESPACES:
            self._create("", "v1", "namespaces", {"metadata": {"name": name}})
        for group, versions in self._resources.registry.groups().items():
            for version in versions:
                self._announce(group, version)

    def _follow_namespace(self, event: Event) -> None:
        """Each namespace has a ServiceAccount `default`, which its pods run as."""
        if event.type is EventType.ADDED:
            self._create("", "v1", "serviceaccounts", {"metadata": {"name": "default"}}, event.current.key[1])

    def _prepare_definition(self, definition: JsonObject, old: JsonObject | None) -> None:
        del old
        if definition["spec"].get("versions"):
            crd.establish(definition, self._resources.clock())

    def _prepare_api_service(self, service: JsonObject, old: JsonObject | None) -> None:
        del old
        spec = service.setdefault("spec", {})
        if spec.get("service"):
            spec["service"].setdefault("port", 443)
            return
        condition = {
            "type": "Available",
            "status": "True",
            "reason": "Local",
            "message": "Local APIServices are always available",
            "lastTransitionTime": rfc3339(self._resources.clock()),
        }
        service.setdefault("status", {}).setdefault("conditions", [condition])

    def _follow_definition(self, event: Event) -> None:
        spec = event.current.document["spec"]
        group, plural = spec["group"], spec["names"]["plural"]
        registry = self._resources.registry
        if event.type is EventType.DELETED:
            self._delete_objects(group, plural)
            registry.unregister(group, plural)
            if group not in registry.groups():
                self._withdraw(group, spec["versions"])
            return
        if event.type is EventType.MODIFIED:
            registry.unregister(group, plural)
        kinds = crd.types_of(event.current.document)
        registry.register(kinds)
        for kind in kinds:
            self._announce(group, kind.version)

    def _delete_objects(self, group: str, plural: str) -> None:
        store, kind = self._resources.store, self._resources.registry.by_plural(group, plural)
        if kind is None:
            return
        for stored in list(store.listed(kind.collection)):
            store.delete(kind.collection, stored.key)

    def _announce(self, group: str, version: str) -> None:
        """An APIService of our own for a group and version, unless there is one."""
        name = f"{version}.{group}"
        if self._resources.store.get(API_SERVICES, ("", name)) is None:
            spec = {"group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 100}
            body = {"metadata": {"name": name}, "spec": spec}
            self._create("apiregistration.k8s.io", "v1", "apiservices", body)

    def _withdraw(self, group: str, versions: list[JsonObject]) -> None:
        resource = self._resources.registry.by_plural("apiregistration.k8s.io", "apiservices")
        for version in versions:
            key = ("", f"{version['name']}.{group}")
            found = self._resources.store.get(API_SERVICES, key)
            if resource is not None and found is not None and not found.document["spec"].get("service"):
                self._resources.delete(resource, key, DeleteOptions())

    def _create(self, group: str, version: str, plural: str, body: JsonObject, namespace: str = "") -> None:
        resource = self._resources.registry.find(group, version, plural)
        if resource is not None:
            self._resources.create(resource, namespace, body, WriteOptions(trusted=True))
