"""The loop's one turn: snapshot, plan, decisions, export, statuses, journal.

The desired values are exported before the statuses are written: a change in load should reach the HPA at
once, and a slow API server must not stand between them. A stage that fails leaves the last plan in force:
desired values stay as they are (until they are older than the bound), each variant's condition names the
stage and the error, and the next turn tries again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from inferno_actuator.actuation.judge import acted, judged, not_scaled, to_scale
from inferno_actuator.apply import Publisher, Update, WriteCounts, update_for, update_for_failure
from inferno_actuator.clients import CollectorClient, OptimizerClient
from inferno_actuator.clock import Clock
from inferno_actuator.decision_log import CycleLines, LoggedFailure
from inferno_actuator.decisions import Decision, Decisions, decide
from inferno_actuator.gauges import Gauges, Shown, count_guardings, count_scalings
from inferno_actuator.journal import Cycle, Journal, PlanInForce, reported
from inferno_actuator.known import Key, KnownVariant
from inferno_actuator.rails import Memory, guard
from inferno_actuator.seams import Actor, ClusterView, DecisionSink, Limits, Owners
from inferno_actuator.stages import FailureReason, Stage, StageError
from inferno_actuator.status import Prices
from inferno_actuator.telling import tell_decision, tell_problems
from inferno_actuator.timings import Timings
from inferno_actuator.triggers import Trigger
from inferno_actuator.turn import Turn
from inferno_actuator.verdicts import failure_message
from inferno_shared.contracts import Plan, SloTarget, Snapshot

log = structlog.stdlib.get_logger(__name__)


class Loop:
    """Everything that one turn needs; when to turn is the scheduler's business."""

    def __init__(
        self,
        *,
        collector: CollectorClient,
        optimizer: OptimizerClient,
        cluster: ClusterView,
        publisher: Publisher,
        actor: Actor,
        owners: Owners,
        gauges: Gauges,
        timings: Timings,
        journal: Journal,
        limits: Limits,
        clock: Clock,
        decision_log: DecisionSink | None = None,
    ) -> None:
        self._decision_log = decision_log
        self._collector = collector
        self._optimizer = optimizer
        self._cluster = cluster
        self._publisher = publisher
        self._actor = actor
        self._owners = owners
        self._gauges = gauges
        self._timings = timings
        self._journal = journal
        self._limits = limits
        self._clock = clock
        self._in_force: Mapping[Key, Decision] = {}
        self._memory = Memory()
        self._turns = 0

    async def run_once(self, trigger: Trigger) -> Cycle:
        """One turn; whatever fails in it is in the answer, in the conditions and in the metrics."""
        turn = self._begin(trigger)
        known = self._cluster.known()
        self._forget_changed(known)
        try:
            snapshot = await self._collect(turn)
            plan = await self._optimize(turn, snapshot)
            decisions = await self._decide(turn, plan, snapshot, known)
        except StageError as error:
            return await self._keep_last_plan(turn, error, known)
        self._put_in_force(plan, snapshot, decisions)
        decisions = await self._act(turn, decisions)
        await self._log_decisions(turn, snapshot, decisions)
        decided = tuple(decisions.by_key.values())
        updates = self._updates(snapshot, decisions)
        writes = await self._publish(turn, updates, besides=self._owners.due(decided))
        await self._owners.settle(decided)
        return self._journal.record(turn.finish(writes, decisions=decisions))

    async def _act(self, turn: Turn, decisions: Decisions) -> Decisions:
        """Scale what is to be scaled directly; the rest is already exported for HPAs."""
        wanted = to_scale(decisions)
        if not wanted:
            return decisions
        try:
            async with turn.stage(Stage.ACT, self._limits.apply_seconds):
                decisions = acted(decisions, await self._actor.act(wanted))
        except StageError as error:
            outcomes = {decision.key: not_scaled(decision, str(error)) for decision in wanted}
            decisions = acted(decisions, outcomes)
        self._in_force = decisions.by_key
        if self._journal.in_force is not None:
            self._journal.in_force = replace(self._journal.in_force, decisions=decisions.by_key)
        return decisions

    async def _log_decisions(self, turn: Turn, snapshot: Snapshot, decisions: Decisions) -> None:
        if self._decision_log is not None:
            at = self._clock.now()
            await self._decision_log.write(
                CycleLines.of(snapshot, decisions, at=at, cycle=turn.number, trigger=turn.trigger)
            )

    async def _log_failure(self, turn: Turn, error: StageError) -> None:
        if self._decision_log is not None:
            failure = LoggedFailure(
                at=self._clock.now(),
                cycle=turn.number,
                trigger=turn.trigger,
                snapshot_id=turn.snapshot_id,
                stage=error.stage,
                reason=error.reason,
                message=error.message,
            )
            await self._decision_log.write(CycleLines(None, (failure,)))

    def stand_down(self) -> None:
        """Forget and export nothing: another process leads."""
        self._in_force = {}
        self._memory = Memory()
        self._journal.in_force = None
        self._gauges.show(Shown())

    def _begin(self, trigger: Trigger) -> Turn:
        self._turns += 1
        return Turn(self._turns, trigger, self._clock, self._timings)

    def _forget_changed(self, known: Mapping[Key, KnownVariant]) -> None:
        """Drop what is about objects that are gone or were made anew, from memory and from the export.

        A mode that was changed counts at once, too: `off` must not wait for the collector.
        """
        kept = {
            key: decision if decision.known.mode is known[key].mode else replace(decision, known=known[key])
            for key, decision in self._in_force.items()
            if key in known and decision.known.uid == known[key].uid
        }
        if kept == self._in_force:
            return
        self._in_force = kept
        self._memory = Memory({k: runs for k, runs in self._memory.by_key.items() if k in kept})
        shown = self._gauges.shown
        self._gauges.show(
            replace(
                shown,
                decisions=tuple(kept.values()),
                scalings={s: count for s, count in shown.scalings.items() if s[0] in kept},
                guardings={g: count for g, count in shown.guardings.items() if g[0] in kept},
            )
        )

    async def _collect(self, turn: Turn) -> Snapshot:
        async with turn.stage(Stage.COLLECT, self._limits.collect_seconds):
            snapshot = await self._collector.snapshot()
            turn.snapshot_id = snapshot.id
            self._refuse_stale(snapshot)
        return snapshot

    async def _optimize(self, turn: Turn, snapshot: Snapshot) -> Plan:
        async with turn.stage(Stage.OPTIMIZE, self._limits.optimize_seconds):
            return await self._optimizer.optimize(snapshot)

    async def _decide(
        self, turn: Turn, plan: Plan, snapshot: Snapshot, known: Mapping[Key, KnownVariant]
    ) -> Decisions:
        async with turn.stage(Stage.DECIDE):
            # The spec that was planned for is that of the turn's start; what is gone since then is gone.
            now_known = self._cluster.known()
            alive = {key: it for key, it in known.items() if key in now_known}
            now = self._clock.monotonic()
            decisions, self._memory = guard(
                decide(plan, snapshot, alive, self._in_force, planned_at=now),
                snapshot,
                self._memory,
                self._cluster.rail_limits(),
                interval_seconds=self._cluster.interval_seconds(),
                now=now,
                capacity=plan.capacity,
            )
            decisions = judged(decisions, self._cluster.autoscalers())
        for namespace, name in decisions.unknown:
            self._timings.error(Stage.DECIDE, FailureReason.UNKNOWN_VARIANT)
            log.warning("plan has a variant that its snapshot has not", namespace=namespace, variant=name)
        in_force = self._journal.in_force
        tell_problems(reported(snapshot, plan), in_force.problems if in_force else ())
        for decision in decisions.by_key.values():
            tell_decision(decision, self._in_force.get(decision.key))
        return decisions

    def _put_in_force(self, plan: Plan, snapshot: Snapshot, decisions: Decisions) -> None:
        """From here on the HPA sees it."""
        now, targets, shown = self._clock.monotonic(), _targets(snapshot), self._gauges.shown
        self._gauges.show(
            Shown(
                decisions=tuple(decisions.by_key.values()),
                targets=targets,
                scalings=count_scalings(shown.scalings, decisions.by_key.values()),
                guardings=count_guardings(shown.guardings, decisions.by_key.values()),
                capacity=tuple(plan.capacity),
                totals=plan.totals,
                demands=tuple(plan.demands),
                certificate=plan.certificate,
                problems=Counter(problem.reason for problem in reported(snapshot, plan)),
                planned_at=now,
                snapshot_taken_at=snapshot.taken_at,
                max_age_seconds=self._max_age_seconds(),
            )
        )
        self._in_force = decisions.by_key
        self._journal.in_force = PlanInForce(
            snapshot=snapshot,
            plan=plan,
            decisions=decisions.by_key,
            targets=targets,
            planned_at=now,
            decided_at=self._clock.now(),
        )

    def _updates(self, snapshot: Snapshot, decisions: Decisions) -> list[Update]:
        prices, now = Prices.of(snapshot), self._clock.now()
        return [update_for(decision, prices, now) for decision in decisions.by_key.values()]

    async def _keep_last_plan(
        self, turn: Turn, error: StageError, known: Mapping[Key, KnownVariant]
    ) -> Cycle:
        """Say in every condition what failed, and touch nothing else."""
        now, monotonic, shown = self._clock.now(), self._clock.monotonic(), self._gauges.shown
        updates = []
        for key, variant in known.items():
            decision = self._in_force.get(key)
            desired = decision.desired if decision else variant.persisted()
            exported = decision is not None and shown.is_fresh(decision.planned_at, monotonic)
            message = failure_message(str(error), desired, exported=exported)
            updates.append(update_for_failure(variant, message, now))
        await self._log_failure(turn, error)
        writes = await self._publish(turn, updates)
        return self._journal.record(turn.finish(writes, failure=error))

    async def _publish(self, turn: Turn, updates: Iterable[Update], *, besides: int = 0) -> WriteCounts:
        """Write statuses and Events, `besides` other writes; what could not be written is in the answer."""
        try:
            async with turn.stage(Stage.APPLY, self._limits.apply_seconds):
                counts = await self._publisher.publish(updates, now=self._clock.now(), besides=besides)
        except StageError as error:
            return WriteCounts(error=str(error))
        self._timings.writes("written", counts.written)
        self._timings.writes("failed", counts.failed)
        self._timings.writes("fenced", counts.fenced)
        if counts.failed:
            self._timings.error(Stage.APPLY, FailureReason.KUBERNETES, counts.failed)
        return counts

    def _refuse_stale(self, snapshot: Snapshot) -> None:
        """A collector that keeps answering with an old snapshot is a frozen value in disguise."""
        taken_at, limit = snapshot.taken_at, self._max_age_seconds()
        if taken_at is None:
            raise StageError(Stage.COLLECT, FailureReason.INVALID_ANSWER, "the snapshot has no taken_at")
        age_seconds = (self._clock.now() - taken_at).total_seconds()
        if age_seconds > limit:
            raise StageError(
                Stage.COLLECT,
                FailureReason.STALE_SNAPSHOT,
                f"the snapshot is {age_seconds:.0f} s old, at most {limit:.0f} s is usable; check the "
                "collector's log and both machines' clocks",
            )

    def _max_age_seconds(self) -> float:
        return self._limits.max_age_seconds(self._cluster.interval_seconds())


def _targets(snapshot: Snapshot) -> Mapping[Key, SloTarget]:
    promised = {(c.name, t.model): t for c in snapshot.service_classes for t in c.targets}
    found = ((v.key, promised.get((v.service_class, v.model))) for v in snapshot.variants)
    return {key: target for key, target in found if target is not None}
