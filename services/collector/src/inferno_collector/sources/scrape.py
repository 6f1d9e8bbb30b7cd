"""Load straight from the variants' pods: each is scraped on its own, a window of scrapes is kept in memory.

No Prometheus is needed, and a change shows one scrape later. A pod that hangs costs nobody else anything:
pods that failed last time wait for a place in a lane of their own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import httpx

from inferno_collector.exposition import parse_exposition
from inferno_collector.roster import Roster
from inferno_collector.samples import GrowingHistory, PodKey
from inferno_collector.sources import LoadReading
from inferno_collector.sources.bounded import BoundedTransport
from inferno_shared.errors import UpstreamError
from inferno_shared.service import get_logger

_LOOK_AGAIN_SECONDS: Final = 0.5
_LANE_OF_THE_HEALTHY: Final = 64
_LANE_OF_THE_SUSPECT: Final = 16

log = get_logger(__name__)


class ScrapeSource:
    """Scrapes in `run`, answers from memory in `read`.

    `targets` gives the address ("IP:port") of each pod to scrape now. `clock` gives seconds since the epoch.
    """

    name = "scrape"

    def __init__(
        self,
        targets: Callable[[], Mapping[PodKey, str]],
        *,
        interval_seconds: float,
        timeout_seconds: float,
        keep_seconds: float,
        max_response_bytes: int,
        clock: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._targets = targets
        self._interval_seconds = interval_seconds
        self._start_seconds = min(interval_seconds, _LOOK_AGAIN_SECONDS)
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._sleep = sleep
        lanes = _LANE_OF_THE_HEALTHY + _LANE_OF_THE_SUSPECT
        limits = httpx.Limits(max_connections=lanes, max_keepalive_connections=lanes)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_seconds),
            transport=BoundedTransport(
                transport or httpx.AsyncHTTPTransport(limits=limits), max_response_bytes
            ),
            trust_env=False,  # a proxy has no business between us and a pod's IP
        )
        self._timeout_seconds = timeout_seconds
        self._healthy = asyncio.Semaphore(_LANE_OF_THE_HEALTHY)
        self._suspect = asyncio.Semaphore(_LANE_OF_THE_SUSPECT)
        self._histories: dict[PodKey, dict[str, GrowingHistory]] = {}
        self._errors: dict[PodKey, str] = {}
        self._under_way: dict[PodKey, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Scrape on the interval until cancelled."""
        try:
            while True:
                self.start_round()
                # At start the cluster has not been read yet: look again soon, not one interval later.
                await self._sleep(self._interval_seconds if self._under_way else self._start_seconds)
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)
            await self._client.aclose()

    def start_round(self) -> None:
        """Begin to scrape every target that is not still being scraped; forget what is out of the window."""
        targets = self._targets()
        self._forget(targets)
        for pod, address in targets.items():
            if pod not in self._under_way:
                task = asyncio.create_task(self._scrape(pod, address))
                self._under_way[pod] = task
                task.add_done_callback(partial(self._ended, pod))

    async def finish_round(self) -> None:
        """Wait for the scrapes under way."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def read(self, roster: Roster, now: float) -> LoadReading:  # noqa: ARG002 - the interface's
        """The window as it is: nothing is fetched now."""
        return LoadReading(
            self.name,
            by_pod={
                pod: {model: (history.frozen(),) for model, history in histories.items()}
                for pod, histories in self._histories.items()
            },
            pod_errors=dict(self._errors),
        )

    async def _scrape(self, pod: PodKey, address: str) -> None:
        lane = self._suspect if pod in self._errors else self._healthy
        async with lane:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    response = await self._client.get(f"http://{address}/metrics")
                response.raise_for_status()
                cells = parse_exposition(response.content)
            except TimeoutError:
                self._failed(
                    pod, f"http://{address}/metrics did not answer within {self._timeout_seconds:g} s"
                )
            except httpx.HTTPStatusError as error:
                self._failed(pod, f"http://{address}/metrics answers {error.response.status_code}")
            except (httpx.HTTPError, httpx.InvalidURL, UpstreamError) as error:
                self._failed(pod, f"http://{address}/metrics: {str(error) or type(error).__name__}")
            else:
                self._succeeded(pod, address, cells)

    def _ended(self, pod: PodKey, task: asyncio.Task[None]) -> None:
        self._under_way.pop(pod, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("scrape ended by a fault of ours", namespace=pod[0], pod=pod[1], exc_info=error)

    def _succeeded(self, pod: PodKey, address: str, cells: Mapping[str, tuple[float, ...]]) -> None:
        if not cells:
            self._failed(pod, f"http://{address}/metrics has no vllm: series")
            return
        if self._errors.pop(pod, None):
            log.info("scraping again", namespace=pod[0], pod=pod[1])
        now = self._clock()
        histories = self._histories.setdefault(pod, {})
        for model, row in cells.items():
            histories.setdefault(model, GrowingHistory()).append(now, row)

    def _failed(self, pod: PodKey, reason: str) -> None:
        if self._errors.get(pod) != reason:
            log.info("scrape failed", namespace=pod[0], pod=pod[1], reason=reason)
        self._errors[pod] = reason

    def _forget(self, targets: Mapping[PodKey, str]) -> None:
        """Drop samples out of the window, and pods that have nothing left in it."""
        cutoff = self._clock() - self._keep_seconds
        for pod, histories in list(self._histories.items()):
            for model, history in list(histories.items()):
                history.forget_before(cutoff)
                if history.newest_at < cutoff:
                    del histories[model]
            if not histories:
                del self._histories[pod]
        for pod in self._errors.keys() - targets.keys():
            del self._errors[pod]
