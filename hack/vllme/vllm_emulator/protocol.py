"""What a client may ask and in which words it is refused: the OpenAI API's request and error bodies.

Tokens are counted as words: exact enough for an emulator, and predictable for whoever writes the prompt.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

REASONS = {
    400: "BadRequestError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    413: "RequestTooLargeError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
}


class ApiError(Exception):
    """A refusal, with what the client can do about it."""

    def __init__(self, status: int, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param

    def body(self) -> dict[str, Any]:
        """As OpenAI clients expect it."""
        kind = REASONS.get(self.status, "InternalServerError")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.status}}


@dataclasses.dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A valid request for an answer."""

    model: str
    chat: bool
    input_tokens: int
    max_tokens: int | None
    stream: bool
    include_usage: bool


def parse_generation(
    raw: bytes, *, chat: bool, served_names: Sequence[str], max_model_len: int
) -> GenerationRequest:
    """Check a body of /v1/completions or, with `chat`, /v1/chat/completions.

    Raises:
        ApiError: 400 naming the parameter that is wrong, or 404 for a model that is not served here.
    """
    body = _json_object(raw)
    model = _model(body, served_names)
    if body.get("n") not in (None, 1):
        raise ApiError(400, "n must be 1: the emulator gives one choice per request", param="n")
    input_tokens = _chat_tokens(body) if chat else _prompt_tokens(body)
    max_tokens = _max_tokens(body, chat=chat)
    if input_tokens + (max_tokens or 1) > max_model_len:
        raise ApiError(
            400,
            f"This model's maximum context length is {max_model_len} tokens, but the prompt has "
            f"{input_tokens} and {max_tokens or 1} are asked for the answer. Shorten one of them.",
            param="max_tokens",
        )
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise ApiError(400, "stream_options must be an object", param="stream_options")
    return GenerationRequest(
        model=model,
        chat=chat,
        input_tokens=input_tokens,
        max_tokens=max_tokens,
        stream=_flag(body, "stream"),
        include_usage=_flag(options, "include_usage"),
    )


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as problem:  # UnicodeDecodeError too
        raise ApiError(400, f"The body is not valid JSON: {problem}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object")
    return body


def _model(body: dict[str, Any], served_names: Sequence[str]) -> str:
    model = body.get("model") or served_names[0]
    if not isinstance(model, str):
        raise ApiError(400, "model must be a string", param="model")
    if model not in served_names:
        raise ApiError(
            404, f"The model `{model}` does not exist. Served here: {', '.join(served_names)}.", param="model"
        )
    return model


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"{name} must be true or false, not {value!r}", param=name)
    return bool(value)


def _max_tokens(body: dict[str, Any], *, chat: bool) -> int | None:
    name = "max_completion_tokens" if chat and body.get("max_completion_tokens") is not None else "max_tokens"
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ApiError(400, f"{name} must be a whole number of at least 1, not {value!r}", param=name)
    return value


def _prompt_tokens(body: dict[str, Any]) -> int:
    """Length of one prompt: a string, a list with one string, or a list of token numbers."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return max(1, len(prompt.split()))
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return len(prompt)
    raise ApiError(400, "prompt must be one string or one list of token numbers", param="prompt")


def _chat_tokens(body: dict[str, Any]) -> int:
    """Length of all messages; contents are strings or lists of parts, of which those with text count."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages must be a list with at least one message", param="messages")
    words = 0
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ApiError(400, f"messages[{position}] must be an object with a role", param="messages")
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text", "") if isinstance(part, dict) else part
            if not isinstance(text, str | None):
                raise ApiError(400, f"messages[{position}].content must be text", param="messages")
            words += len((text or "").split())
    return max(1, words)
