"""Runs computations in worker threads, a bounded number at a time, so that the service stays responsive."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from inferno_shared.service import ProblemError

T = TypeVar("T")


class Workers:
    """At most `concurrent` computations at a time and `waiting` more in line."""

    def __init__(self, concurrent: int, waiting: int) -> None:
        self._turns = asyncio.Semaphore(concurrent)
        self._most = concurrent + waiting
        self._present = 0

    async def run(self, compute: Callable[[], T]) -> T:
        """The computation's result.

        Raises:
            ProblemError: 503 when too many are in line already.
        """
        if self._present >= self._most:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many requests in line",
                f"{self._present} requests are being solved or wait; try again, or raise"
                " INFERNO_CONCURRENT_SOLVES or INFERNO_WAITING_SOLVES",
                headers={"Retry-After": "1"},
            )
        self._present += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(compute)
        finally:
            self._present -= 1
