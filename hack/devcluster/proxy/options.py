"""`--map NAMESPACE/NAME=PORT` of the proxy and the cluster program."""

import re
from collections.abc import Sequence

from inferno_shared.errors import ConfigurationError

_MAPPING = re.compile(r"^(?P<service>[^/=\s]+/[^/=\s]+)=(?P<port>\d{1,5})$")
_MAX_PORT = 65_535


def parse_mapping(words: Sequence[str]) -> dict[str, int]:
    """Read the words of `--map`. Raises ConfigurationError."""
    mapped = {}
    for word in words:
        match = _MAPPING.match(word)
        if match is None or int(match["port"]) > _MAX_PORT:
            raise ConfigurationError(
                f"--map {word!r} must be NAMESPACE/NAME[:PORT]=LOCAL_PORT, such as llm-d-sim/vllm=8000"
            )
        mapped[match["service"]] = int(match["port"])
    return mapped
