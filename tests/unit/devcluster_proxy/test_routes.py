"""From Services and pods to listening ports and backends."""

from typing import Any

import pytest

from devcluster.proxy.balancer import Backend
from devcluster.proxy.http_head import ending_after_this, may_be_http
from devcluster.proxy.options import parse_mapping
from devcluster.proxy.routes import Route, find_routes
from inferno_shared.errors import ConfigurationError
from inferno_shared.kubernetes import Pod, Service, parse_pod, parse_service
from unit.devcluster_kubelet.kubelet_world import a_container, a_raw_pod

READY = [{"type": "Ready", "status": "True", "lastTransitionTime": "2025-09-04T18:00:00Z"}]


def a_service(*ports: dict[str, Any]) -> Service:
    seed = {"name": "vllm", "port": 8200, "targetPort": 8200, "nodePort": 30000}
    return parse_service(
        {
            "metadata": {"namespace": "llm-d-sim", "name": "vllm-service"},
            "spec": {"selector": {"app": "vllm"}, "ports": list(ports) or [seed]},
        }
    )


def a_ready_pod(ip: str = "127.1.0.1", **changes: Any) -> Pod:  # noqa: ANN401 - passed on
    metadata = {"labels": {"app": "vllm"}, **changes.pop("metadata", {})}
    status = changes.pop("status", {"podIP": ip, "phase": "Running", "conditions": READY})
    return parse_pod(a_raw_pod(f"pod-{ip}", metadata=metadata, status=status, **changes))


def routes(*pods: Pod, service: Service | None = None, **mapped: int) -> list[Route]:
    ports = {f"llm-d-sim/{name.replace('_', '-')}": port for name, port in mapped.items()}
    return find_routes([service or a_service()], pods, ports, node_ports=True)


def test_the_seeds_service_leads_to_its_ready_pods() -> None:
    unready = a_ready_pod("127.1.0.2", status={"podIP": "127.1.0.2", "conditions": []})
    leaving = a_ready_pod("127.1.0.3", metadata={"deletionTimestamp": "2025-09-04T18:00:00Z"})
    other = a_ready_pod("127.1.0.4", metadata={"labels": {"app": "other"}})
    found = routes(a_ready_pod(), unready, leaving, other)
    assert found == [Route("llm-d-sim/vllm-service", 30000, (Backend("127.1.0.1", 8200),), "app=vllm")]


def test_a_mapping_replaces_the_node_port() -> None:
    assert routes(vllm_service=8000)[0].listen_port == 8000


def test_a_service_without_a_node_port_is_not_served_unless_mapped() -> None:
    service = a_service({"port": 80, "targetPort": 8200})
    assert routes(service=service) == []
    assert routes(service=service, vllm_service=0)[0].listen_port == 0


def test_a_named_target_port_is_the_containers() -> None:
    pod = a_ready_pod(containers=[a_container(ports=[{"name": "http", "containerPort": 9000}])])
    service = a_service({"port": 80, "targetPort": "http", "nodePort": 30001})
    assert routes(pod, service=service)[0].backends == (Backend("127.1.0.1", 9000),)
    unknown = a_service({"port": 80, "targetPort": "grpc", "nodePort": 30001})
    assert routes(pod, service=unknown)[0].backends == ()


def test_each_port_of_a_service_has_its_route() -> None:
    service = a_service(
        {"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "nodePort": 30002}
    )
    assert [route.key for route in routes(service=service)] == [
        "llm-d-sim/vllm-service",
        "llm-d-sim/vllm-service:b",
    ]


def test_pods_that_share_one_address_are_told_apart_by_their_annotation() -> None:
    moved = a_ready_pod("127.0.0.1", metadata={"annotations": {"prometheus.io/port": "49152"}})
    assert routes(moved)[0].backends == (Backend("127.0.0.1", 49152),)


def test_mappings_of_the_command_line() -> None:
    assert parse_mapping(["llm-d-sim/vllm-service=8000", "a/b:http=0"]) == {
        "llm-d-sim/vllm-service": 8000,
        "a/b:http": 0,
    }
    with pytest.raises(ConfigurationError, match="NAMESPACE/NAME"):
        parse_mapping(["vllm-service=8000"])
    with pytest.raises(ConfigurationError, match="NAMESPACE/NAME"):
        parse_mapping(["a/b=70000"])


def test_a_request_asks_to_close_the_connection_after_it() -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\n"
    )
    assert ending_after_this(head) == (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    )


def test_an_upgrade_is_left_alone() -> None:
    head = b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert ending_after_this(head) == head


def test_http_is_told_from_other_protocols_by_its_first_bytes() -> None:
    assert may_be_http(b"GET / HTTP/1.1")
    assert may_be_http(b"POS")
    assert not may_be_http(b"\x16\x03\x01")
    assert not may_be_http(b"hello there")
