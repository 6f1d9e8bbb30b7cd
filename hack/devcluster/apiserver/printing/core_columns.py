"""The columns of the remaining built-in kinds, as kubectl users know them."""

from datetime import datetime

from devcluster.apiserver.objects.json_types import JsonObject, dig
from devcluster.apiserver.objects.resource_types import Column
from devcluster.apiserver.objects.timestamps import age
from devcluster.apiserver.printing.workload_columns import AGE, NAME

_ROLE_PREFIX = "node-role.kubernetes.io/"
_NONE = "<none>"


def _ports(service: JsonObject, now: datetime) -> str:
    del now
    shown = []
    for port in dig(service, "spec", "ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or _NONE


def _external_address(service: JsonObject, now: datetime) -> str:
    del now
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    balancers = dig(service, "status", "loadBalancer", "ingress") or ()
    addresses = list(spec.get("externalIPs") or ())
    addresses.extend(balancer.get("ip") or balancer.get("hostname") or "" for balancer in balancers)
    waiting = "<pending>" if spec.get("type") == "LoadBalancer" else _NONE
    return ",".join(addresses) or waiting


def _service_selector(service: JsonObject, now: datetime) -> str:
    del now
    selector = dig(service, "spec", "selector") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or _NONE


def _node_state(node: JsonObject, now: datetime) -> str:
    del now
    conditions = dig(node, "status", "conditions") or []
    ready = next((item.get("status") for item in conditions if item.get("type") == "Ready"), None)
    state = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    return f"{state},SchedulingDisabled" if dig(node, "spec", "unschedulable") else state


def _node_roles(node: JsonObject, now: datetime) -> str:
    del now
    labels = node["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX))
    return ",".join(roles) or _NONE


def _node_address(node: JsonObject, kind: str) -> str:
    addresses = dig(node, "status", "addresses") or []
    return next((str(item.get("address")) for item in addresses if item.get("type") == kind), _NONE)


def _node_info(name: str, field: str, priority: int = 1) -> Column:
    return Column(
        name, lambda node, _: dig(node, "status", "nodeInfo", field) or "<unknown>", priority=priority
    )


def _size(item: JsonObject) -> int:
    return len(item.get("data") or ()) + len(item.get("binaryData") or ())


def _last_seen(event: JsonObject, now: datetime) -> str:
    last = (
        dig(event, "series", "lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return age(last, now)


def _first_seen(event: JsonObject, now: datetime) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _event_object(event: JsonObject, now: datetime) -> str:
    del now
    about = event.get("involvedObject") or {}
    kind = str(about.get("kind", "")).lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _event_source(event: JsonObject, now: datetime) -> str:
    del now
    component = dig(event, "source", "component") or event.get("reportingComponent") or ""
    host = dig(event, "source", "host") or event.get("reportingInstance")
    return f"{component}, {host}" if host else str(component)


def _backing_service(service: JsonObject, now: datetime) -> str:
    del now
    reference = dig(service, "spec", "service")
    return f"{reference['namespace']}/{reference['name']}" if reference else "Local"


def _availability(service: JsonObject, now: datetime) -> str:
    del now
    conditions = dig(service, "status", "conditions") or []
    available = next((item for item in conditions if item.get("type") == "Available"), None)
    if available is None:
        return "Unknown"
    if available.get("status") == "True":
        return "True"
    return f"{available.get('status')} ({available.get('reason')})"


def _role_reference(binding: JsonObject, now: datetime) -> str:
    del now
    role = binding.get("roleRef") or {}
    return f"{role.get('kind')}/{role.get('name')}"


CREATED_AT = Column("Created At", lambda item, _: item["metadata"].get("creationTimestamp"), type="date")
DEFAULT_COLUMNS = (NAME, AGE)
ROLE_COLUMNS = (NAME, CREATED_AT)
ROLE_BINDING_COLUMNS = (NAME, Column("Role", _role_reference), AGE)
CONFIG_MAP_COLUMNS = (NAME, Column("Data", lambda item, _: _size(item), type="integer"), AGE)
SECRET_COLUMNS = (
    NAME,
    Column("Type", lambda item, _: item.get("type", "Opaque")),
    Column("Data", lambda item, _: _size(item), type="integer"),
    AGE,
)
SERVICE_ACCOUNT_COLUMNS = (
    NAME,
    Column("Secrets", lambda item, _: len(item.get("secrets") or ()), type="integer"),
    AGE,
)
NAMESPACE_COLUMNS = (NAME, Column("Status", lambda item, _: dig(item, "status", "phase")), AGE)
SERVICE_COLUMNS = (
    NAME,
    Column("Type", lambda item, _: dig(item, "spec", "type")),
    Column("Cluster-IP", lambda item, _: dig(item, "spec", "clusterIP") or _NONE),
    Column("External-IP", _external_address),
    Column("Port(s)", _ports),
    AGE,
    Column("Selector", _service_selector, priority=1),
)
NODE_COLUMNS = (
    NAME,
    Column("Status", _node_state),
    Column("Roles", _node_roles),
    AGE,
    _node_info("Version", "kubeletVersion", priority=0),
    Column("Internal-IP", lambda node, _: _node_address(node, "InternalIP"), priority=1),
    Column("External-IP", lambda node, _: _node_address(node, "ExternalIP"), priority=1),
    _node_info("OS-Image", "osImage"),
    _node_info("Kernel-Version", "kernelVersion"),
    _node_info("Container-Runtime", "containerRuntimeVersion"),
)
EVENT_COLUMNS = (
    Column("Last Seen", _last_seen),
    Column("Type", lambda event, _: event.get("type", "")),
    Column("Reason", lambda event, _: event.get("reason", "")),
    Column("Object", _event_object),
    Column("Subobject", lambda event, _: dig(event, "involvedObject", "fieldPath") or "", priority=1),
    Column("Source", _event_source, priority=1),
    Column("Message", lambda event, _: str(event.get("message", "")).strip()),
    Column("First Seen", _first_seen, priority=1),
    Column("Count", lambda event, _: str(event.get("count") or 1), priority=1),
    Column("Name", lambda event, _: event["metadata"]["name"], priority=1, format="name"),
)
LEASE_COLUMNS = (NAME, Column("Holder", lambda item, _: dig(item, "spec", "holderIdentity") or ""), AGE)
API_SERVICE_COLUMNS = (NAME, Column("Service", _backing_service), Column("Available", _availability), AGE)
