"""Raw objects as the API server returns them; anything else by keyword or by editing the result."""

from typing import Any

UTC_START = "2025-09-04T18:37:23Z"


def a_container(name: str = "vllm", gpus: str | None = "1", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - raw JSON
    resources = {"limits": {"nvidia.com/gpu": gpus, "cpu": "4"}} if gpus else {}
    return {"name": name, "image": "vllm:1", "resources": resources} | fields


def a_pod(
    *containers: dict[str, Any],
    init: tuple[dict[str, Any], ...] = (),
    **status: Any,  # noqa: ANN401 - raw JSON
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "p",
            "namespace": "ns",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": UTC_START,
            "labels": {"app": "vllm"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "uid": "rs-1", "controller": True}],
        },
        "spec": {
            "nodeName": "n",
            "containers": list(containers or (a_container(),)),
            "initContainers": list(init),
        },
        "status": {"phase": "Running", "podIP": "10.0.0.7"} | status,
    }


def a_variant(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - raw JSON
    profile = {"acc": "H100", "accCount": 1, "alpha": "20.58", "beta": "0.41", "maxBatchSize": 4}
    return {
        "metadata": {
            "name": "v",
            "namespace": "ns",
            "generation": 2,
            "labels": {"inference.optimization/acceleratorName": "H100"},
        },
        "spec": {"modelID": "m", "modelProfile": {"accelerators": [profile]}} | spec,
    }


def a_profile(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - raw JSON
    return {"acc": "A100", "maxBatchSize": 8, "alpha": "10", "beta": "0.5"} | fields
