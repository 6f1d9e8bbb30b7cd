"""Cluster addresses and node ports of Services.

Addresses come from a range inside 127.0.0.0/8, so that on Linux a proxy can really listen on them: a cluster
address and port work from any process of the machine, as they do inside a cluster.
"""

from collections.abc import Iterator
from ipaddress import ip_network

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.status import invalid, invalid_object
from devcluster.apiserver.objects.store import Store

_NODE_PORTS = range(30000, 32768)
_WITH_NODE_PORT = frozenset({"NodePort", "LoadBalancer"})


class ServiceAddresses:
    """Gives each Service what it needs; what an object already holds is kept over its updates."""

    def __init__(self, store: Store, network: str) -> None:
        self._store = store
        self._network = ip_network(network)

    def prepare(self, service: JsonObject, old: JsonObject | None) -> None:
        """Complete a Service before it is stored.

        Raises:
            ApiError: 422 when a port or an address is taken or there are none left.
        """
        spec = service["spec"]
        before = old["spec"] if old else {}
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            spec["clusterIP"] = before.get("clusterIP") or self._free_address(service)
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        if spec.get("type") in _WITH_NODE_PORT:
            self._give_node_ports(service, before)

    def _give_node_ports(self, service: JsonObject, before: JsonObject) -> None:
        kept = {item.get("port"): item.get("nodePort") for item in before.get("ports") or ()}
        taken = {item.get("nodePort") for spec in self._others(service) for item in spec.get("ports") or ()}
        for index, item in enumerate(service["spec"].get("ports") or ()):
            path = f"spec.ports[{index}].nodePort"
            asked = item.get("nodePort") or kept.get(item.get("port"))
            if asked in taken:
                raise _refused(service, path, asked, "provided port is already allocated")
            if asked and asked not in _NODE_PORTS:
                detail = "provided port is not in the valid range. The range of valid ports is 30000-32767"
                raise _refused(service, path, asked, detail)
            item["nodePort"] = asked or next(port for port in _NODE_PORTS if port not in taken)
            taken.add(item["nodePort"])

    def _free_address(self, service: JsonObject) -> str:
        taken = {spec.get("clusterIP") for spec in self._others(service)}
        free = next((str(host) for host in self._network.hosts() if str(host) not in taken), None)
        if free is None:
            raise _refused(service, "spec.clusterIPs", [], f"no address of {self._network} is left")
        return free

    def _others(self, service: JsonObject) -> Iterator[JsonObject]:
        metadata = service["metadata"]
        key = (metadata["namespace"], metadata["name"])
        for stored in self._store.listed("services"):
            if stored.key != key:
                yield stored.document["spec"]


def _refused(service: JsonObject, path: str, value: object, detail: str) -> Exception:
    name = service["metadata"]["name"]
    shown_value = value if isinstance(value, int | str | list) else None
    return invalid_object("Service", "", name, [invalid(path, shown_value, detail)])
