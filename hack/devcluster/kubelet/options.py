"""Command-line words that the kubelet and the cluster program have in common."""

from collections.abc import Sequence

from devcluster.kubelet.nodes import NodePool, parse_pool
from devcluster.kubelet.servers import VARIABLE_PREFIX
from inferno_shared.errors import ConfigurationError


def node_pools(nodes: int, gpus: int, device: str, more: Sequence[str]) -> tuple[NodePool, ...]:
    """The pool of `--nodes --gpus --device` and those of `--pool`. Raises ConfigurationError."""
    first = (NodePool(nodes, gpus, device),) if nodes else ()
    return (*first, *(parse_pool(text) for text in more))


def emulator_variables(words: Sequence[str]) -> dict[str, str]:
    """`VLLME_ALPHA_MS=7.77` as a variable. Raises ConfigurationError."""
    variables = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.startswith(VARIABLE_PREFIX):
            raise ConfigurationError(
                f"--emulator-env {word!r} must be {VARIABLE_PREFIX}NAME=VALUE, such as VLLME_ALPHA_MS=7.77"
            )
        variables[name] = value
    return variables
