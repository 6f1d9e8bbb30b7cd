"""One value of a ConfigMap, read live: a value that cannot be used is reported, the last good one stays."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import structlog

from inferno_shared.contracts import Problem

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)


class LiveValue(Generic[T]):
    """The present value of one key.

    A key taken out has its default again; a map that is emptied or gone is an accident and changes nothing.

    Args:
        key: in the ConfigMap's data.
        parse: reads the text; raises ValueError with a message for people.
        default: while the key is not there.
        show: the value in words.
    """

    def __init__(
        self, key: str, parse: Callable[[str], T], default: T, *, show: Callable[[T], str] = str
    ) -> None:
        self._key = key
        self._parse = parse
        self._default = default
        self._show = show
        self._text: str | None = None
        self._value = default
        self.problem: Problem | None = None

    def read(self, data: Mapping[str, str], where: str) -> T:
        """The value that `data`, the content of `where`, stands for."""
        text = data.get(self._key)
        if text == self._text or not data:
            return self._value
        self._text = text
        self.problem = None
        if text is None:
            self._value = self._default
            return self._value
        try:
            self._value = self._parse(text)
        except ValueError as error:
            message = f"{self._key}: {error}; {self._show(self._value)} stays in force"
            self.problem = Problem(subject=where, reason="InvalidConfiguration", message=message)
            log.warning("value not usable", where=where, why=message)
        return self._value
