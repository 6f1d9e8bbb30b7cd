"""Which container of a pod is a model server, and how its emulator is started.

A server is `vllm serve …`, directly or through a shell, or an image of vLLM or llm-d with such arguments.
The emulator understands vLLM's own arguments, so they are passed on as they are.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devcluster.kubelet.pods import ContainerSpec, ScheduledPod

DEFAULT_PORT = 8000
VARIABLE_PREFIX = "VLLME_"
_SHELLS = frozenset({"sh", "bash"})
_IMAGE = re.compile(r"vllm|llm-d")
_MODEL_FLAGS = ("--model", "--served-model-name")
_OPERATORS = frozenset(";&|<>()")
_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\))")


@dataclass(frozen=True, slots=True)
class ModelServer:
    """The serving container and what its emulator is given."""

    container: ContainerSpec
    arguments: tuple[str, ...]

    @property
    def port(self) -> int:
        """The port of its `--port`, or vLLM's default."""
        for index, argument in enumerate(self.arguments):
            flag, equals, value = argument.partition("=")
            if flag != "--port":
                continue
            given = value if equals else next(iter(self.arguments[index + 1 : index + 2]), "")
            if given.isdigit():
                return int(given)
        return DEFAULT_PORT


def find_server(pod: ScheduledPod) -> ModelServer | None:
    """The first container that serves a model; None for any other pod."""
    for container in pod.containers:
        arguments = _serving_arguments(container)
        if arguments is not None:
            return ModelServer(container, arguments)
    return None


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does: unknown names stay as they are, `$$` is a dollar."""

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "$"
        return environment.get(name, match[0])

    return _REFERENCE.sub(value, text)


def _serving_arguments(container: ContainerSpec) -> tuple[str, ...] | None:
    words = _words(container)
    if words[:1] and words[0].rsplit("/", 1)[-1] == "vllm" and words[1:2] == ["serve"]:
        return tuple(words[2:])
    if "vllm.entrypoints.openai.api_server" in words:
        return tuple(words[words.index("vllm.entrypoints.openai.api_server") + 1 :])
    arguments = list(container.args)
    serves = any(argument.split("=", 1)[0] in _MODEL_FLAGS for argument in arguments)
    if _IMAGE.search(container.image) and serves and not container.command:
        return tuple(arguments[1:] if arguments[:1] == ["serve"] else arguments)
    return None


def _words(container: ContainerSpec) -> Sequence[str]:
    """The command line; of `sh -c '… vllm serve …'` the part from vllm on, up to the next shell operator."""
    words = [*container.command, *container.args]
    is_shell = bool(words) and words[0].rsplit("/", 1)[-1] in _SHELLS
    if not is_shell:
        return words
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    tokens = _shell_tokens(script)
    if "vllm" not in tokens:
        return words
    rest = tokens[tokens.index("vllm") :]
    end = next((index for index, token in enumerate(rest) if token and set(token) <= _OPERATORS), len(rest))
    redirected = end < len(rest) and rest[end][0] in "<>" and rest[end - 1].isdigit()
    return rest[: end - 1] if redirected else rest[:end]


def _shell_tokens(script: str) -> list[str]:
    """Words and operators of a shell script; a line's end ends a command unless a backslash continues it."""
    lexer = shlex.shlex(script.replace("\\\n", " ").replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)
