"""What each server asks for: a rate, and the accelerators that can keep its targets, all sized at once.

A server that nothing can be derived for is refused with the reason and keeps what it has; the others go on.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferno_optimizer.candidates import MOST_REPLICAS
from inferno_optimizer.compat.catalogue import AcceleratorSpec, ModelPerf, ModelTarget
from inferno_optimizer.compat.generations import POLICIES, UnusableProfileError, parameters_of
from inferno_optimizer.compat.system import ServerSpec, SystemSpec
from inferno_optimizer.queueing import Pair, Sizing, SizingPolicy, batch_size, size


@dataclass(frozen=True, slots=True)
class Option:
    """One server on one accelerator, sized; `units` and `cost_per_hour` are per replica."""

    accelerator: AcceleratorSpec
    profile: ModelPerf
    pair: Pair
    sizing: Sizing

    @property
    def units(self) -> int:
        """Cards per replica."""
        return self.profile.acc_count * self.accelerator.multiplicity

    @property
    def cost_per_hour(self) -> float:
        """Cents per hour and replica."""
        return self.profile.acc_count * self.accelerator.cost


@dataclass(frozen=True, slots=True)
class Order:
    """A server with all that it can run on; `required_rpm` is what is to be provided for."""

    server: ServerSpec
    priority: int
    rate_rpm: float
    required_rpm: float
    options: tuple[Option, ...]

    def option(self, accelerator: str | None) -> Option | None:
        """The option of that name, if it is one."""
        return next((o for o in self.options if o.accelerator.name == accelerator), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server that cannot be planned for; `running` is the option that it runs on, if there is one."""

    server: ServerSpec
    message: str
    running: Option | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """All servers, in one of two states; `skipped`: unused profiles, by (model, accelerator)."""

    orders: tuple[Order, ...]
    refusals: tuple[Refusal, ...]
    skipped: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class _Request:
    """A server before sizing."""

    server: ServerSpec
    priority: int
    target: ModelTarget
    rate_rpm: float
    pairs: tuple[tuple[AcceleratorSpec, ModelPerf, Pair], ...]


def orders_of(system: SystemSpec) -> Orders:
    """Sort out the servers and size every (server, accelerator) that may be chosen."""
    catalogue = _Catalogue(system)
    requests: list[_Request] = []
    refusals: list[Refusal] = []
    for server in system.server_data.servers:
        found = catalogue.request_of(server)
        if isinstance(found, _Request):
            requests.append(found)
        else:
            refusals.append(Refusal(server, found))
    orders: list[Order] = []
    for request, options in zip(requests, _sized(requests), strict=True):
        outcome = _order_or_refusal(request, options)
        if isinstance(outcome, Order):
            orders.append(outcome)
        else:
            refusals.append(outcome)
    return Orders(tuple(orders), tuple(refusals), catalogue.skipped)


class _Catalogue:
    """Accelerators, profiles and targets of a system by name."""

    def __init__(self, system: SystemSpec) -> None:
        self._accelerators = {a.name: a for a in system.accelerator_data.accelerators}
        self._profiles: dict[str, list[ModelPerf]] = defaultdict(list)
        for profile in sorted(system.model_data.models, key=lambda m: m.acc):
            self._profiles[profile.name].append(profile)
        self._priorities: dict[str, int] = {}
        self._targets: dict[tuple[str, str], ModelTarget] = {}
        for spec in system.service_class_data.service_classes:
            self._priorities[spec.name] = spec.priority
            self._targets.update({(spec.name, target.model): target for target in spec.targets})
        self.skipped: dict[tuple[str, str], str] = {}

    def request_of(self, server: ServerSpec) -> _Request | str:
        """The server with its pairs still to be sized, or why it cannot be planned for."""
        target = self._targets.get((server.class_name, server.model))
        if target is None:
            return self._no_target(server)
        load = server.current_alloc.load
        if load.arrival_rate is None:
            return "currentAlloc.load has no arrivalRate: nothing is scaled down while the load is unknown"
        if load.arrival_rate and not load.output_tokens:
            return (
                f"currentAlloc.load has {load.arrival_rate:g} requests/min but no avgOutTokens (or"
                f" avgLength): give the mean output tokens, above 0"
            )
        pairs = tuple(self._pairs(server, target))
        if not pairs:
            return self._no_accelerator(server)
        return _Request(server, self._priorities[server.class_name], target, load.arrival_rate, pairs)

    def _pairs(
        self, server: ServerSpec, target: ModelTarget
    ) -> Iterator[tuple[AcceleratorSpec, ModelPerf, Pair]]:
        for profile in self._profiles.get(server.model, ()):
            try:
                accelerator, pair = self._pair(server, profile, target)
            except UnusableProfileError as error:
                self.skipped[profile.name, profile.acc] = str(error)
            else:
                if _may_use(server, profile.acc):
                    yield accelerator, profile, pair

    def _pair(
        self, server: ServerSpec, profile: ModelPerf, target: ModelTarget
    ) -> tuple[AcceleratorSpec, Pair]:
        accelerator = self._accelerators.get(profile.acc)
        if accelerator is None:
            raise UnusableProfileError(f"acceleratorData has no accelerator {profile.acc}")
        if not (server.max_batch_size or profile.max_batch_size):
            raise UnusableProfileError("maxBatchSize is given neither by the profile nor by the server")
        load = server.current_alloc.load
        return accelerator, Pair(
            parameters=parameters_of(profile),
            max_batch_size=batch_size(
                profile.max_batch_size,
                profile.at_tokens or None,
                server.max_batch_size or None,
                load.output_tokens if load.arrival_rate else None,
            ),
            max_queue_size=server.max_queue_size,
            input_tokens=load.avg_in_tokens or 0.0,
            output_tokens=load.output_tokens,
            itl_ms=target.slo_itl or None,
            ttft_ms=target.slo_ttft or target.slo_ttw or None,
            tokens_per_second=target.slo_tps or None,
        )

    def _no_target(self, server: ServerSpec) -> str:
        if server.class_name not in self._priorities:
            known = ", ".join(sorted(self._priorities)) or "none"
            return f"class {server.class_name} is not in serviceClassData (there is {known})"
        return (
            f"class {server.class_name} has no target for model {server.model}: add one to its modelTargets"
        )

    def _no_accelerator(self, server: ServerSpec) -> str:
        profiles = self._profiles.get(server.model, [])
        if not profiles:
            return f"modelData has no profile for model {server.model}"
        why = "; ".join(
            f"{p.acc}: {self.skipped.get((p.name, p.acc), 'keepAccelerator rules it out')}" for p in profiles
        )
        return f"no profile of model {server.model} can be used ({why})"


def _may_use(server: ServerSpec, accelerator: str) -> bool:
    return not server.keep_accelerator or server.current_alloc.accelerator in ("", accelerator)


def _sized(requests: Sequence[_Request]) -> list[tuple[Option, ...]]:
    """Options of each request: one vectorised sizing for each way of reading the targets."""
    chosen: dict[SizingPolicy, list[tuple[int, int]]] = defaultdict(list)
    for row, request in enumerate(requests):
        for column, (_, _, pair) in enumerate(request.pairs):
            chosen[POLICIES[type(pair.parameters)]].append((row, column))
    sizings: dict[tuple[int, int], Sizing] = {}
    for policy, places in chosen.items():
        found = size([requests[row].pairs[column][2] for row, column in places], policy)
        sizings.update(zip(places, found, strict=True))
    return [
        tuple(
            Option(accelerator, profile, pair, sizings[row, column])
            for column, (accelerator, profile, pair) in enumerate(request.pairs)
        )
        for row, request in enumerate(requests)
    ]


def _order_or_refusal(request: _Request, options: tuple[Option, ...]) -> Order | Refusal:
    required_rpm = _required_rpm(request)
    able = tuple(option for option in options if _miss(option, required_rpm) is None)
    if able:
        return Order(request.server, request.priority, request.rate_rpm, required_rpm, able)
    reasons = "; ".join(f"{option.accelerator.name}: {_miss(option, required_rpm)}" for option in options)
    running = request.server.current_alloc.accelerator
    return Refusal(
        request.server,
        f"no accelerator meets the targets of class {request.server.class_name} ({reasons})",
        next((option for option in options if option.accelerator.name == running), None),
    )


def _required_rpm(request: _Request) -> float:
    """The rate, or what a tokens/s target asks for if that is more; an idle server asks for nothing."""
    if not request.rate_rpm or not request.target.slo_tps:
        return request.rate_rpm
    tokens = request.server.current_alloc.load.output_tokens
    return max(request.rate_rpm, request.target.slo_tps / tokens * 60)


def _miss(option: Option, required_rpm: float) -> str | None:
    """Why an accelerator cannot be chosen; an idle server breaks no promise."""
    if not required_rpm or option.sizing.miss:
        return option.sizing.miss if required_rpm else None
    if required_rpm > MOST_REPLICAS * option.sizing.capacity_rpm:
        return (
            f"{required_rpm:.6g} requests/min at {option.sizing.capacity_rpm:.3g} per replica need more than"
            f" {MOST_REPLICAS:,} replicas; check the load and the profile"
        )
    return None
