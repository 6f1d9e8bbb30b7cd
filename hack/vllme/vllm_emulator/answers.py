"""The bodies of answers: OpenAI's completion and chat completion objects, whole or in chunks."""

import dataclasses
import json
from typing import Any

from vllm_emulator.protocol import GenerationRequest

WORDS = ("an", "answer", "of", "as", "many", "words", "as", "were", "asked", "for")
END_OF_STREAM = b"data: [DONE]\n\n"


def word(number: int) -> str:
    """The token with this number (from 1), a word with a blank before it."""
    return " " + WORDS[(number - 1) % len(WORDS)]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One answer under way."""

    request: GenerationRequest
    answer_id: str
    created: int  # unix seconds
    output_tokens: int

    @property
    def finish_reason(self) -> str:
        """`length` when the client's max_tokens ended it."""
        return "stop" if self.request.max_tokens is None else "length"

    def whole(self) -> dict[str, Any]:
        """The answer to a request without `stream`."""
        text = "".join(word(number) for number in range(1, self.output_tokens + 1))
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.finish_reason, "logprobs": None}
        if self.request.chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        return self._object("chat.completion", "text_completion", [choice]) | {"usage": self._usage()}

    def opening(self) -> bytes:
        """What a chat stream says before its first token."""
        return self._chunk(delta={"role": "assistant", "content": ""}, text="", finish_reason=None)

    def chunk(self, number: int) -> bytes:
        """The chunk of one token; the last one says why the answer ended."""
        last = number == self.output_tokens
        text = word(number)
        return self._chunk(
            delta={"content": text}, text=text, finish_reason=self.finish_reason if last else None
        )

    def closing(self) -> bytes:
        """The end of a stream, after the usage if the client wants it."""
        if not self.request.include_usage:
            return END_OF_STREAM
        body = self._object("chat.completion.chunk", "text_completion", []) | {"usage": self._usage()}
        return _event(body) + END_OF_STREAM

    def _chunk(self, *, delta: dict[str, str], text: str, finish_reason: str | None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish_reason}
        choice |= {"delta": delta} if self.request.chat else {"text": text}
        return _event(self._object("chat.completion.chunk", "text_completion", [choice]))

    def _object(self, chat: str, completion: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.answer_id,
            "object": chat if self.request.chat else completion,
            "created": self.created,
            "model": self.request.model,
            "choices": choices,
        }

    def _usage(self) -> dict[str, int]:
        prompt = self.request.input_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self.output_tokens,
            "total_tokens": prompt + self.output_tokens,
        }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"
