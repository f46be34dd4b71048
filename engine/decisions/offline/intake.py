"""Take over the decisions that clients made by snapshots: each is made again by the kernel before it is logged."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from engine.decisions.offline.snapshots import Snapshots
from engine.decisions.recorder import Recorder
from engine.decisions.replay import DecisionVersions, active_of
from engine.decisions.requests.answers import DecisionAnswer, encode, expires_at, log_row
from engine.decisions.requests.scope import RequestScope, facts_of, read_facts
from engine.decisions.tokens import SnapshotTicket
from engine.decisions.usage_counter import UseCounter
from engine.kernel.kernel import decide
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import Active
from engine.learning.live import Live
from engine.model.errors import NotFound
from engine.model.facts import OFFLINE, SOURCE
from engine.model.timestamps import HOUR, MINUTE, moment_of
from engine.store import decisions
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow

LONGEST_WAY = 24 * HOUR
"""The age of a decision that is still taken over."""
CLOCKS_APART = MINUTE
"""How far the clocks of two servers may be apart."""
TIME_FOR_OUTCOMES = 10 * MINUTE
"""How long a decision is open at least once it is logged: its outcomes are sent after it."""
MOST_COUNTED = 100_000
MOST_LOADED = 16
DECISIONS_A_TURN = 50
_ID = re.compile(r"dec_([0-9a-f]{12})([0-9a-f]{14})([0-9a-f]{6})")

Status = Literal["recorded", "duplicate", "expired", "unknown_snapshot", "differs", "too_many", "invalid"]


class OfflineDecision(msgspec.Struct, frozen=True):
    """A decision as a client sends it: its id, the token of its snapshot, the facts by group, and the answer."""

    decision_id: str
    snapshot: str
    context: dict[str, Any]
    ranking: list[str]
    propensity: float


class OfflineReceipt(msgspec.Struct, frozen=True):
    """The result of a decision that a client sent."""

    decision_id: str
    status: Status
    message: str = ""


class DecisionRefused(Exception):
    """A decision is not taken over."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status: Status = status
        self.message = message


class MadeAgain(NamedTuple):
    """A decision made again, as it is logged."""

    answer: DecisionAnswer
    row: DecisionRow
    active: Active


class OfflineIntake:
    """Checks, makes again and logs the decisions of clients. Each process counts those of a snapshot for itself."""

    def __init__(
        self, database: Database, live: Live, recorder: Recorder, snapshots: Snapshots, uses: UseCounter
    ) -> None:
        self._database = database
        self._live = live
        self._recorder = recorder
        self._snapshots = snapshots
        self._uses = uses
        self._logged: OrderedDict[str, int] = OrderedDict()
        """Decisions by the suffix of their snapshot."""
        self._loaded: dict[DecisionVersions, tuple[Active, AnyBeliefs]] = {}
        self._under_way: dict[tuple[int, str], tuple[DecisionRow, asyncio.Future[Any]]] = {}

    async def record(
        self, merchant_id: int, key_id: str, sent: Sequence[OfflineDecision], *, now: int
    ) -> list[OfflineReceipt]:
        """Log the decisions that are as the kernel makes them; return one receipt each, after the commit.

        Raise `Overloaded` where the log takes no more; those that were taken are duplicates in the next attempt.
        """
        if not self._snapshots.allows_guests(merchant_id, now=now):
            message = "customers are not personalized unless they agree, so nothing is stored"
            return [OfflineReceipt(each.decision_id, "invalid", message) for each in sent]
        ids = {each.decision_id for each in sent if _ID.fullmatch(each.decision_id)}
        async with self._database.read() as connection:
            stored = await decisions.by_ids(connection, merchant_id, ids)
        receipts = list[OfflineReceipt]()
        commits = list[asyncio.Future[Any]]()
        for index, each in enumerate(sent):
            if index % DECISIONS_A_TURN == DECISIONS_A_TURN - 1:
                await asyncio.sleep(0)
            try:
                ticket = _checked(self._snapshots.ticket(each.snapshot, merchant_id, key_id), each, now)
                made = await self._make_again(merchant_id, each, ticket, now)
                status = self._log(made, ticket, stored.get(each.decision_id), commits)
                receipts.append(OfflineReceipt(each.decision_id, status))
            except DecisionRefused as refused:
                receipts.append(OfflineReceipt(each.decision_id, refused.status, refused.message))
        if commits:
            # Unlike `gather`, this cancels no commit that another request waits for too.
            await asyncio.wait(commits)
        for future in commits:
            future.result()
        return receipts

    async def _make_again(self, merchant_id: int, sent: OfflineDecision, ticket: SnapshotTicket, now: int) -> MadeAgain:
        """Make a decision by the versions of its snapshot; raise `DecisionRefused` if the client's is another one."""
        decided_at = moment_of(sent.decision_id)
        request = RequestScope(merchant_id, None, sent.context, decided_at)
        versions = DecisionVersions(merchant_id, ticket.placement, ticket.plan_version, 0)
        try:
            active, _ = await self._load(versions)
            values, notes = read_facts(active.plan, request)
            bucket = active.plan.bucket(values)
            own = "" if active.plan.learns_choices else bucket
            version = ticket.beliefs.get(own, ticket.beliefs.get("", 0))
            active, beliefs = await self._load(versions._replace(beliefs_version=version))
        except NotFound as error:
            raise DecisionRefused("unknown_snapshot", error.detail) from None
        facts = facts_of(active.plan, values, request, (), ())
        facts.values[SOURCE] = OFFLINE
        decision = decide(active.plan, beliefs, facts, sent.decision_id, expires_at=expires_at(active.plan, decided_at))
        order = [ranked.id for ranked in decision.ranking]
        if order != sent.ranking:
            raise DecisionRefused("differs", f"ranking: by this snapshot it is {', '.join(order)}")
        if decision.propensity != sent.propensity:
            raise DecisionRefused("differs", f"propensity: by this snapshot it is {decision.propensity}")
        answer = DecisionAnswer(decision, facts, active.plan, encode(decision), notes)
        row = log_row(answer, merchant_id, bucket, decided_at, closes=True)
        row.closes_at = max(row.closes_at or 0, now + TIME_FOR_OUTCOMES)
        return MadeAgain(answer, row, active)

    async def _load(self, versions: DecisionVersions) -> tuple[Active, AnyBeliefs]:
        """Return a plan and its beliefs, those in force or stored ones; raise `NotFound`."""
        merchant_id, placement, plan_version, beliefs_version = versions
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”")
        if active.plan.version == plan_version:
            for beliefs in (active.flat, *active.beliefs.values()):
                if beliefs.version == beliefs_version:
                    return active, beliefs
        if versions not in self._loaded:
            active, snapshot = await active_of(self._database, versions)
            if len(self._loaded) >= MOST_LOADED:
                self._loaded.clear()
            self._loaded[versions] = active, await asyncio.to_thread(active.beliefs_of, snapshot)
        return self._loaded[versions]

    def _log(
        self, made: MadeAgain, ticket: SnapshotTicket, stored: DecisionRow | None, commits: list[asyncio.Future[Any]]
    ) -> Status:
        """Log a decision unless it is; raise `DecisionRefused` for another of its id, or too many of a snapshot."""
        answer, row, active = made
        key = (row.merchant_id, row.id)
        if key in self._under_way:
            stored, future = self._under_way[key]
            commits.append(future)
        if stored is not None:
            if (stored.facts, stored.answer) != (row.facts, row.answer):
                raise DecisionRefused("differs", "decision_id: another decision is stored under this id")
            return "duplicate"
        if self._logged.get(ticket.suffix, 0) >= ticket.most:
            raise DecisionRefused("too_many", f"snapshot: {ticket.most} decisions of it are stored, the most of one")
        future = self._recorder.append_sent(row, [ranked.id for ranked in answer.decision.ranking], active.learning)
        self._under_way[key] = row, future
        future.add_done_callback(lambda _: self._under_way.pop(key, None))
        commits.append(future)
        self._count(ticket)
        self._uses.count(row.merchant_id, answer.decision, answer.facts, decided_at=row.decided_at)
        return "recorded"

    def _count(self, ticket: SnapshotTicket) -> None:
        self._logged[ticket.suffix] = self._logged.pop(ticket.suffix, 0) + 1
        if len(self._logged) > MOST_COUNTED:
            self._logged.popitem(last=False)


def _checked(ticket: SnapshotTicket | None, sent: OfflineDecision, now: int) -> SnapshotTicket:
    """Return the ticket that a decision was made by; raise `DecisionRefused` if it is not for this decision."""
    if ticket is None:
        raise DecisionRefused("unknown_snapshot", "snapshot: was not given to this key")
    id = _ID.fullmatch(sent.decision_id)
    if id is None or id[2] != ticket.suffix:
        raise DecisionRefused("unknown_snapshot", "decision_id: is not one of this snapshot's")
    if int(id[3], 16) >= ticket.most:
        raise DecisionRefused("too_many", f"decision_id: ids of this snapshot end with a number below {ticket.most}")
    decided_at = moment_of(sent.decision_id)
    if not ticket.issued_at <= decided_at <= min(ticket.expires_at, now + CLOCKS_APART):
        raise DecisionRefused("expired", "decision_id: was not made in the life of the snapshot")
    if now - decided_at > LONGEST_WAY:
        raise DecisionRefused("expired", f"decision_id: is older than {LONGEST_WAY // HOUR} hours")
    return ticket
