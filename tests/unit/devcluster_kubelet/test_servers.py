"""Which containers are model servers, on which port, with what environment."""

from typing import Any

import pytest

from devcluster.kubelet.environment import resolve
from devcluster.kubelet.servers import ModelServer, expand, find_server
from unit.devcluster_kubelet.kubelet_world import a_container, a_pod

SHELL = 'exec vllm serve "my/model" --port=8200 \\\n --max-num-seqs 8 2>&1 | tee log'


def server_of(**container: Any) -> ModelServer | None:  # noqa: ANN401 - any field of a container
    return find_server(a_pod(containers=[a_container(**container)]))


def test_the_seeds_container_is_a_server_on_8200() -> None:
    server = server_of()
    assert server is not None
    assert (server.arguments, server.port) == (("Qwen/Qwen3-0.6B", "--port", "8200"), 8200)


@pytest.mark.parametrize(
    ("container", "arguments"),
    [
        ({"command": ["vllm"], "args": ["serve", "m"]}, ("m",)),
        ({"command": ["/usr/bin/vllm", "serve", "m"], "args": []}, ("m",)),
        (
            {"command": ["/bin/sh", "-c", SHELL], "args": []},
            ("my/model", "--port=8200", "--max-num-seqs", "8"),
        ),
        ({"command": ["bash", "-c"], "args": ["vllm serve m"]}, ("m",)),
        (
            {"command": ["python3", "-m", "vllm.entrypoints.openai.api_server"], "args": ["--model", "m"]},
            ("--model", "m"),
        ),
        ({"command": [], "image": "vllm/vllm-openai:v0.9", "args": ["--model", "m"]}, ("--model", "m")),
        (
            {"command": [], "image": "ghcr.io/llm-d/llm-d-inference-sim", "args": ["--model=m"]},
            ("--model=m",),
        ),
    ],
)
def test_the_usual_ways_to_start_vllm(container: dict[str, object], arguments: tuple[str, ...]) -> None:
    server = server_of(**container)
    assert server is not None
    assert server.arguments == arguments


@pytest.mark.parametrize(
    "container",
    [
        {"command": ["sleep", "1d"], "args": [], "image": "busybox"},
        {"command": [], "args": ["--port=8000"], "image": "ghcr.io/llm-d/llm-d-routing-sidecar:v0.2.0"},
        {"command": [], "args": ["--model", "m"], "image": "nginx"},
        {"command": ["sh", "-c", "echo hello"], "args": []},
    ],
)
def test_other_containers_are_no_servers(container: dict[str, object]) -> None:
    assert server_of(**container) is None


@pytest.mark.parametrize(
    ("args", "port"), [(["m"], 8000), (["m", "--port=9"], 9), (["m", "--port", "x"], 8000)]
)
def test_the_port_is_vllms_own_unless_given(args: list[str], port: int) -> None:
    server = server_of(args=args)
    assert server is not None
    assert server.port == port


def test_references_are_expanded_as_kubernetes_does() -> None:
    assert expand("$(NAME):$(OTHER)$$(NAME)", {"NAME": "x"}) == "x:$(OTHER)$(NAME)"


def test_values_fields_and_earlier_variables_are_resolved() -> None:
    env: list[dict[str, Any]] = [
        {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ROLE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['role']"}}},
        {"name": "URL", "value": "http://$(HOST):8200"},
    ]
    pod = a_pod(metadata={"labels": {"role": "decode"}})
    found = resolve(pod, env, {}, "127.1.0.1")
    assert found.variables == {"HOST": "127.1.0.1", "ROLE": "decode", "URL": "http://127.1.0.1:8200"}
    assert found.problems == ()


SECRET = {"secretKeyRef": {"name": "llm-d-hf-token", "key": "HF_TOKEN"}}


def test_the_guides_slip_in_the_secret_is_named_with_its_remedy() -> None:
    env = [{"name": "HF_TOKEN", "valueFrom": SECRET}]
    found = resolve(a_pod(), env, {("Secret", "llm-d-hf-token"): {"token": "x"}}, "")
    (problem,) = found.problems
    assert problem == (
        "environment variable HF_TOKEN: Secret llm-d-sim/llm-d-hf-token has no key HF_TOKEN, it has: token; "
        "ignored here, but a real cluster stops the pod with CreateContainerConfigError. To fix it: "
        "kubectl create secret generic -n llm-d-sim llm-d-hf-token --from-literal=HF_TOKEN=..."
    )


def test_a_missing_secret_is_named() -> None:
    found = resolve(a_pod(), [{"name": "HF_TOKEN", "valueFrom": SECRET}], {}, "")
    assert "Secret llm-d-sim/llm-d-hf-token does not exist" in found.problems[0]


def test_an_optional_key_may_be_missing() -> None:
    optional = {"secretKeyRef": {**SECRET["secretKeyRef"], "optional": True}}
    assert resolve(a_pod(), [{"name": "HF_TOKEN", "valueFrom": optional}], {}, "").problems == ()


def test_a_key_that_is_there_is_taken() -> None:
    stores = {("Secret", "llm-d-hf-token"): {"HF_TOKEN": "x"}}
    assert resolve(a_pod(), [{"name": "T", "valueFrom": SECRET}], stores, "").variables == {"T": "x"}
