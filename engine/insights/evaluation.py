"""What another policy would have earned on a placement's own log, estimated with the logged chances.

The other policy fills the slots that were drawn; pinned slots and those that follow the posterior means stay as they
were. A decision counts once its window is over, so that successes are not counted before failures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.adaptive_logs import PARTS, estimate_later
from bandits.evaluation.clusters import Clusters, Floats
from bandits.evaluation.estimators import Estimate, effect, ips, reward_interaction_ips, snips
from engine.clock import now_ms
from engine.kernel.kernel import answer_length, bounds_for, drawn_count, eligible_of
from engine.kernel.plan import Plan
from engine.learning.active import Active, compile_plan
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import AnswerHead, CandidateId, credit_of
from engine.model.errors import NotFound
from engine.model.facts import Facts
from engine.model.placement import Contextual, Thompson
from engine.model.timestamps import first_id_of
from engine.previews.estimation.comparison import LoggedAnswer, read_logged
from engine.store import decisions, outcomes, plans
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.log.pieces import LogPiece, newest_pieces
from engine.store.tables.columns import IdSpan

PIECE = 2_000
MOST = 200_000


@dataclass(frozen=True, slots=True)
class InOrder:
    """The merchant's own order."""


@dataclass(frozen=True, slots=True)
class Evenly:
    """Everybody with the same chance."""


@dataclass(frozen=True, slots=True)
class First:
    """One candidate first where it takes part; everything else as it is drawn now."""

    candidate: str


Alternative = InOrder | Evenly | First


class Evaluation(NamedTuple):
    """Rewards are successes a decision. `difference` is `snips` less `logged`, paired.

    `deciding` decisions, the first of the log of a policy that learns, only say whether the others tell enough.
    """

    decisions: int
    left_out: int
    deciding: int
    logged: Estimate
    ips: Estimate
    snips: Estimate
    by_slot: Estimate
    difference: Estimate


class Slot(NamedTuple):
    """A slot that was drawn: who got it, with what chance, and who was left for it in the merchant's own order."""

    chosen: str
    chance: float
    left: tuple[str, ...]


def step(alternative: Alternative, slot: Slot, *, top: bool) -> float:
    """Return the alternative's chance of the logged candidate over the logged chance; `top`: the first drawn slot."""
    match alternative:
        case InOrder():
            return float(slot.chosen == slot.left[0]) / slot.chance
        case Evenly():
            return 1 / len(slot.left) / slot.chance
        case First(candidate):
            decides = top and candidate in slot.left
            return float(slot.chosen == candidate) / slot.chance if decides else 1.0


def drawn_slots(plan: Plan, facts: Facts, key: str, logged: LoggedAnswer) -> dict[int, Slot]:
    """Return the slots of a logged answer that were drawn, by their number from 0."""
    fired = tuple(rule for rule in plan.rules if rule.id in set(logged.rules))
    bounds = bounds_for(plan, facts.values, fired)
    pinned = {plan.ids[number] for number in bounds.pins.values()}
    left = [plan.ids[number] for number in eligible_of(plan, bounds) if plan.ids[number] not in pinned]
    drawn = drawn_count(plan.placement, answer_length(plan.placement, len(left) + len(pinned)))
    slots = {}
    for position, candidate in enumerate(logged.ranking[:drawn]):
        if candidate.id not in pinned:
            slots[position] = Slot(candidate.id, candidate.chance, tuple(left))
            left.remove(candidate.id)
    return slots


class LoggedSteps:
    """Rows for the estimators: steps and rewards by slot. What stands below the drawn slots counts for the last."""

    def __init__(self, alternative: Alternative) -> None:
        self._alternative = alternative
        self._rows: list[tuple[dict[int, float], dict[int, float]]] = []
        self._customers: list[str] = []
        self.left_out = 0
        self.learns = False

    def add(self, slots: Mapping[int, Slot], order: Sequence[str], won: Mapping[str, float], customer: str) -> None:
        """Add a decision with its successes by candidate; one in which no slot was drawn is left out."""
        if not slots:
            self.left_out += 1
            return
        self._customers.append(customer)
        top = min(slots)
        steps = {position: step(self._alternative, slot, top=position == top) for position, slot in slots.items()}
        self._rows.append((steps, {order.index(name): successes for name, successes in won.items()}))

    def evaluation(self) -> Evaluation:
        depth = max((max(steps) for steps, _ in self._rows), default=0) + 1
        steps, rewards = np.ones((len(self._rows), depth)), np.zeros((len(self._rows), depth))
        for row, (by_slot, won) in enumerate(self._rows):
            for position, value in by_slot.items():
                steps[row, position] = value
            for position, successes in won.items():
                rewards[row, min(position, depth - 1)] += successes
        weights, totals, customers = steps.prod(axis=1), rewards.sum(axis=1), np.array(self._customers)
        evaluation = Evaluation(
            decisions=len(totals),
            left_out=self.left_out,
            deciding=0,
            logged=snips(np.ones(len(totals)), totals, clusters=customers),
            ips=ips(weights, totals, clusters=customers),
            snips=snips(weights, totals, clusters=customers),
            by_slot=reward_interaction_ips(steps, rewards, clusters=customers),
            difference=effect(weights, totals, clusters=customers),
        )
        return _from_later(evaluation, steps, rewards, customers) if self.learns else evaluation


def _from_later(evaluation: Evaluation, steps: Floats, rewards: Floats, customers: NDArray[np.str_]) -> Evaluation:
    """Return the evaluation from the later part of a log whose policy learned."""
    weights, totals, start = steps.prod(axis=1), rewards.sum(axis=1), len(steps) // PARTS
    few = Clusters.of(customers[start:], np.ones(len(totals) - start)).refusal()

    def later(by_row: Floats, estimate: Callable[..., Estimate], *arrays: Floats) -> Estimate:
        made = estimate_later(
            by_row,
            lambda rows: estimate(*(array[rows] for array in arrays), clusters=customers[rows]),
            differs_only=estimate is effect,
        )
        return replace(made, refused=made.refused or few)

    return evaluation._replace(
        deciding=start,
        logged=later(np.ones(len(totals)), snips, np.ones(len(totals)), totals),
        ips=later(weights, ips, weights, totals),
        snips=later(weights, snips, weights, totals),
        by_slot=later(np.multiply.accumulate(steps, axis=1), reward_interaction_ips, steps, rewards),
        difference=later(weights, effect, weights, totals),
    )


async def evaluate(
    database: Database, merchant_id: int, placement: str, alternative: Alternative, *, since: int, until: int
) -> Evaluation:
    """Evaluate the newest decisions from `since` to `until` (epoch ms), at most `MOST`; raise `NotFound`."""
    reader = _PlacementLog(database, merchant_id, placement)
    await reader.check(alternative)
    async with database.read() as connection:
        span = IdSpan(first_id_of(since), first_id_of(until))
        pieces = await newest_pieces(connection, merchant_id, placement, span, limit=MOST, size=PIECE)
    observations = LoggedSteps(alternative)
    for piece in pieces:
        await reader.read(observations, piece)
    return observations.evaluation()


class _PlacementLog:
    """Reads the log of a placement, and each plan version once."""

    def __init__(self, database: Database, merchant_id: int, placement: str) -> None:
        self._database = database
        self._scope = (merchant_id, placement)
        self._versions: dict[int, Active | None] = {}

    async def check(self, alternative: Alternative) -> None:
        async with self._database.read() as connection:
            version = (await plans.active(connection)).get(self._scope)
        if version is None:
            raise NotFound(f"there is no placement “{self._scope[1]}”", field="placement")
        active = await self._version(version)
        if active and isinstance(alternative, First) and alternative.candidate not in active.plan.index:
            raise NotFound(f"there is no candidate “{alternative.candidate}” in this placement", field="policy")

    async def read(self, observations: LoggedSteps, piece: LogPiece) -> None:
        async with self._database.read() as connection:
            rows = await decisions.piece(connection, *self._scope, first=piece.first, last=piece.last)
            events = await outcomes.of_decisions(connection, [row.id for row in rows])
        now = now_ms()
        for row in rows:
            logged, active = read_logged(row.answer), await self._version(row.plan_version)
            over = row.closes_at is None or row.closes_at <= now
            if active is None or logged.fallback or not over:
                observations.left_out += 1
                continue
            facts = _facts(row)
            plan = active.pick(facts, row.id)[0].plan
            observations.learns |= isinstance(plan.placement.policy, Thompson | Contextual)
            won = _won(plan, logged, events.get(row.id, []))
            slots = drawn_slots(plan, facts, row.id, logged)
            observations.add(slots, logged.order, won, row.id if row.customer is None else row.customer)

    async def _version(self, version: int) -> Active | None:
        if version not in self._versions:
            async with self._database.read() as connection:
                row = await plans.get(connection, *self._scope, version)
            self._versions[version] = compile_plan(row.document, version) if row else None
        return self._versions[version]


def _facts(row: DecisionRow) -> Facts:
    return Facts(msgspec.json.decode(row.facts), {}, row.customer)


def _won(plan: Plan, logged: LoggedAnswer, events: Sequence[outcomes.OutcomeRow]) -> dict[str, float]:
    head = AnswerHead([CandidateId(candidate.id) for candidate in logged.ranking], [], False)
    credit = credit_of(Learning.of(plan.placement), head, events, closed=True)
    return {name: float(total.successes) for name, total in credit.items() if total.successes}
