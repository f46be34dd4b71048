"""Sample closed decisions, make the exact chances of their slots again, and add what they say of position effects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from bandits.evidence.positions import ENOUGH, slot_chances
from engine.kernel.beliefs import Knowledge
from engine.kernel.kernel import draw_of, limits_for
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import DecidingPlan, compile_plan
from engine.learning.outcome_effects import credit_of, is_steered, read_answer
from engine.model.facts import Facts, History
from engine.model.placement import Placement, Thompson
from engine.model.timestamps import DAY, MINUTE, first_id_of
from engine.statistics.slots import SlotEvidence, SlotObservation, with_observations
from engine.store import beliefs as snapshots
from engine.store import decisions, outcomes, plans
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow
from engine.store.tables.columns import IdSpan

MOST_AT_FIRST, MOST_LATER = 200, 50
"""Decisions that are read at once, until there are enough and from then on: up to 14,400 a day."""
LOOK_BACK_DAYS = 30

_values = msgspec.json.Decoder(dict[str, object]).decode
_history = msgspec.json.Decoder(History).decode
_compiled = lru_cache(maxsize=8)(compile_plan)


def needs_slots(placement: Placement) -> bool:
    """Return whether what a placement learns depends on slots, and their weights are not set."""
    is_set = placement.credit == "position" and bool(placement.examination)
    counts = placement.credit in ("position", "cascade", "choice")
    return counts and isinstance(placement.policy, Thompson) and not is_set


async def read_slot_evidence(
    database: Database, merchant_id: int, placement: Placement, evidence: SlotEvidence, now: int
) -> SlotEvidence:
    """Return the evidence with a sample of the decisions whose windows have ended since."""
    read_to = first_id_of(now - placement.window_minutes * MINUTE)
    since = max(evidence.read_to, first_id_of(now - LOOK_BACK_DAYS * DAY))
    most = MOST_LATER if evidence.decisions >= ENOUGH else MOST_AT_FIRST
    key = placement.key
    async with database.read() as connection:
        rows = await decisions.last_between(connection, merchant_id, key, IdSpan(since, read_to), limit=most)
        reported = await outcomes.of_decisions(connection, [row.id for row in rows])
        by_version = await snapshots.some(connection, merchant_id, key, {row.beliefs_version for row in rows})
        documents = {version: await plans.get(connection, merchant_id, key, version)
                     for version in sorted({row.plan_version for row in rows})}  # fmt: skip
    if not rows:
        return evidence
    texts = {version: row.document for version, row in documents.items() if row is not None}
    sample = _Sample(placement, texts, by_version)
    observations = await asyncio.to_thread(lambda: list(sample.observations(rows, reported)))
    return with_observations(evidence, observations, read_to, now // DAY)


class _Sample:
    """The plans and beliefs of a sample; a plan is compiled and beliefs are drawn when a decision needs them."""

    def __init__(self, placement: Placement, documents: Mapping[int, str], by_version: Mapping[int, Snapshot]) -> None:
        self._terms = (placement.credit, placement.reward)
        self._documents = documents
        self._snapshots = {0: Snapshot(0, placement.key, 0, "", "", Knowledge(), 0), **by_version}
        self._beliefs: dict[tuple[DecidingPlan, int], AnyBeliefs] = {}

    def observations(
        self, rows: Sequence[DecisionRow], reported: Mapping[str, Sequence[OutcomeRow]]
    ) -> Iterator[SlotObservation]:
        """Yield what each closed decision says; those that were made or credited otherwise say nothing."""
        for row in rows:
            is_kept = row.plan_version in self._documents and row.beliefs_version in self._snapshots
            if is_kept and row.closes_at is None:
                observation = self._observed(row, reported.get(row.id, ()))
                if observation is not None:
                    yield observation

    def _observed(self, row: DecisionRow, reported: Sequence[OutcomeRow]) -> SlotObservation | None:
        if is_steered(row):
            return None
        answer = read_answer(row.answer)
        planned = _compiled(self._documents[row.plan_version], row.plan_version)
        facts = Facts(_values(row.facts), _history(row.history), row.customer)
        active, _ = planned.pick(facts, row.id)
        settings = active.plan.placement
        if (settings.credit, settings.reward) != self._terms or not isinstance(settings.policy, Thompson):
            return None
        credit = credit_of(active.learning, answer, reported, closed=True)
        ranking = [ranked.id for ranked in answer.ranking]
        if len(ranking) < 2 or not credit:
            return None
        firing = active.plan.compiled.evaluate(facts.values)
        limits = limits_for(active.plan, facts.values, firing.fired)
        draw = draw_of(active.plan, self._beliefs_of(active, row.beliefs_version), facts, limits, row.id)
        chances = slot_chances(draw.candidates, draw.slots, draw.requests)
        names = [name for name in ranking if name in credit]
        is_choice = active.plan.learns_choices
        if is_choice:
            names = [name for name in names if credit[name].successes] or names
        indices = {active.plan.ids[number]: index for index, number in enumerate(limits.eligible)}
        return SlotObservation(
            row.bucket,
            names,
            [ranking.index(name) for name in names],
            [float(credit[name].successes) for name in names],
            chances[np.array([indices[name] for name in names], np.intp)],
            row.stratum if is_choice else None,
            _favourite(facts.history, ranking),
            has_all_tried=settings.credit == "position",
        )

    def _beliefs_of(self, active: DecidingPlan, version: int) -> AnyBeliefs:
        key = (active, version)
        if key not in self._beliefs:
            self._beliefs[key] = active.beliefs_of(self._snapshots[version])
        return self._beliefs[key]


def _favourite(history: History, ranking: Sequence[str]) -> str:
    """Return the candidate that the customer has chosen most; empty if none was chosen."""
    successes = {name: history[name].successes for name in ranking if name in history}
    most = max(successes, key=successes.__getitem__, default="")
    return most if successes.get(most) else ""
