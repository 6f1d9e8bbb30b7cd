from typing import Any

import pytest

from inferno_collector.ports import argument, metrics_port
from inferno_shared.kubernetes import Container, parse_pod, parse_service
from unit.collector.worlds import a_pod_json, a_service_json

DECLARED = [{"name": "http", "containerPort": 9000}]


@pytest.mark.parametrize(
    ("pod", "services", "port"),
    [
        ({"annotations": {"prometheus.io/port": "7000"}, "ports": DECLARED}, [a_service_json()], 7000),
        ({"annotations": {"prometheus.io/port": "http"}}, [a_service_json()], 8200),
        ({"args": ["--port", "8300"], "ports": DECLARED}, [a_service_json()], 8200),
        ({"ports": DECLARED}, [a_service_json(target_port="http")], 9000),
        ({"args": ["--port", "8300"], "ports": DECLARED}, [a_service_json(app="other")], 8300),
        ({"args": ["--port=8300"]}, [], 8300),
        ({"ports": DECLARED}, [], 9000),
        ({"args": ["--port", "99999"]}, [], 8000),
        ({}, [], 8000),
    ],
)
def test_the_first_place_that_tells_the_port_wins(
    pod: dict[str, Any], services: list[dict[str, Any]], port: int
) -> None:
    assert metrics_port(parse_pod(a_pod_json("p", **pod)), map(parse_service, services), 8000) == port


def test_flags_are_found_in_command_and_arguments() -> None:
    container = Container("c", "", ("serve", "--max-num-seqs=8"), ("--port", "1"), ())
    assert argument([container], "--max-num-seqs") == "8"
    assert argument([container], "--port") == "1"
    assert argument([container], "--host") is None
