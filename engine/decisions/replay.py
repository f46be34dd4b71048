"""Repeat a logged decision from its row, and compare the answers bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from engine.decisions.requests.answers import encode, expires_at
from engine.kernel.beliefs import Knowledge
from engine.kernel.experiments.plans import with_assignments
from engine.kernel.kernel import decide, fall_back
from engine.learning.active import Active, compile_plan
from engine.model.errors import NotFound
from engine.model.experiment import GivenChance
from engine.model.facts import Facts, History
from engine.store import beliefs as snapshots
from engine.store import plans
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow


class Replay(msgspec.Struct, frozen=True):
    """`same` is about every byte of the answer; `logged` and `replayed` are the two."""

    decision_id: str
    same: bool
    plan_version: int
    beliefs_version: int
    logged: Any
    replayed: Any


class DecisionVersions(NamedTuple):
    """The versions of the plan and the beliefs that make a decision."""

    merchant_id: int
    placement: str
    plan_version: int
    beliefs_version: int


_compiled = lru_cache(maxsize=32)(compile_plan)


async def active_of(database: Database, row: DecisionRow | DecisionVersions) -> tuple[Active, Snapshot]:
    """The plan and the beliefs of a decision, compiled again from the stored versions; raise `NotFound`."""
    async with database.read() as connection:
        plan = await plans.get(connection, row.merchant_id, row.placement, row.plan_version)
        snapshot = await snapshots.get(connection, row.merchant_id, row.placement, row.beliefs_version)
    if plan is None:
        raise NotFound(f"plan version {row.plan_version} of “{row.placement}” is no longer kept")
    if snapshot is None and row.beliefs_version:
        raise NotFound(f"beliefs version {row.beliefs_version} of “{row.placement}” is no longer kept")
    nothing = Snapshot(row.merchant_id, row.placement, 0, "", "", Knowledge(), 0)
    return _compiled(plan.document, plan.version), snapshot or nothing


def facts_of(row: DecisionRow) -> Facts:
    return Facts(msgspec.json.decode(row.facts), msgspec.json.decode(row.history, type=History), row.customer)


async def replay(database: Database, row: DecisionRow) -> Replay:
    """Load plan and beliefs; raise `NotFound` if they are no longer stored."""
    active, snapshot = await active_of(database, row)
    replayed = _again(active, snapshot, row)
    return Replay(
        row.id,
        replayed == row.answer.encode(),
        row.plan_version,
        row.beliefs_version,
        msgspec.json.decode(row.answer),
        msgspec.json.decode(replayed),
    )


def given_of(entries: Iterable[Mapping[str, str]]) -> dict[str, GivenChance]:
    """Return the variants that a bandit's shares selected; the log has them as inputs, like facts."""
    return {
        entry["id"]: GivenChance(entry["variant"], float(entry["chance"])) for entry in entries if "chance" in entry
    }


def _again(active: Active, snapshot: Snapshot, row: DecisionRow) -> bytes:
    facts, expires = facts_of(row), expires_at(active.plan, row.decided_at)
    logged = msgspec.json.decode(row.answer)
    if logged["fallback"]:
        return encode(fall_back(active.plan, facts, row.id, expires_at=expires))
    deciding, assignments = active.pick(facts, row.id, given_of(logged["experiments"]))
    decision = decide(deciding.plan, deciding.beliefs_of(snapshot), facts, row.id, expires_at=expires)
    return encode(with_assignments(decision, assignments))
