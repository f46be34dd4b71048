"""Take, redeem, release and refund holds, each in one transaction, once for each Idempotency-Key."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers import ledger
from engine.kernel.offers.ledger import Transition
from engine.model.errors import Conflict, EngineError, KeyReused
from engine.model.offers.code import CodeRequest
from engine.model.offers.hold import Hold
from engine.offers.turns import NoTurn, Turns
from engine.store.connection.database import Database
from engine.store.connection.inline import Work
from engine.store.offers import holds, idempotent_answers

MOST_EXPIRED_AT_ONCE = 500
LOCK_NOT_AVAILABLE = "55P03"

Change = Callable[[Hold], Transition]


class Idempotency(NamedTuple):
    """The Idempotency-Key of a request, and a digest of what is asked."""

    key: str
    request: str

    @classmethod
    def of(cls, key: str, *parts: object) -> Idempotency:
        """Return the key with a digest of the parts, which must encode as JSON."""
        return cls(key, blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest())


class Holds:
    """The only writer of holds beside the recorder, which takes those of logged decisions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = Turns()

    async def take(self, hold: Hold, code: CodeRequest | None = None, *, now: int) -> Hold:
        """Hold an offer outside a decision; raise `Conflict` where a budget has too little left, or no code is free."""

        async def work(connection: AsyncConnection) -> Hold:
            return await taken(connection, ledger.take(hold, code), now=now)

        return await self._database.transact(work)

    async def change(
        self, merchant_id: int, hold_id: str, change: Change, idempotency: Idempotency | None = None, *, now: int
    ) -> Hold:
        """Change a hold; raise `NotFound` where there is none, and what `change` raises."""

        async def work(connection: AsyncConnection) -> Hold:
            transition = change(await holds.lock(connection, merchant_id, hold_id))
            await holds.apply(connection, transition, now=now)
            return transition.hold

        async def check(connection: AsyncConnection) -> None:
            change(await holds.get(connection, merchant_id, hold_id))

        return await self.once(merchant_id, idempotency, work, check=check, now=now)

    async def once(
        self,
        merchant_id: int,
        idempotency: Idempotency | None,
        work: Work[Hold],
        *,
        check: Work[None],
        now: int,
    ) -> Hold:
        """Do `work` in one transaction and return its hold; for a key that was answered, return that hold again.

        Work that had to wait for its turn is not begun where `check` raises: it reads without a lock, and raises only
        what `work` would raise. So of hundreds that ask for the last unit, few wait for its lock.

        Raise `KeyReused` where the key came with another request, and `Conflict` where its first request takes long.
        Work that raises leaves nothing behind, so the key may be sent again.
        """

        async def checked(connection: AsyncConnection) -> Hold | None:
            try:
                await check(connection)
            except EngineError:
                # Read after the check: what the key's first request took is then visible together with its answer.
                answered = await _answered(connection, merchant_id, idempotency)
                if answered is None:
                    raise
                return answered
            return None

        try:
            async with self._turns.take(merchant_id) as waited:
                hold = await self._database.look_up(checked) if waited else None
                return hold or await self._worked(merchant_id, idempotency, work, now)
        except NoTurn:
            # What surely cannot be done is refused with its reason, however many are waiting.
            if (hold := await self._database.look_up(checked)) is None:
                raise
            return hold

    async def _worked(self, merchant_id: int, idempotency: Idempotency | None, work: Work[Hold], now: int) -> Hold:
        if idempotency is None:
            return await self._database.transact(work)
        key, request = idempotency

        async def guarded(connection: AsyncConnection) -> Hold:
            try:
                is_new = await idempotent_answers.claim(connection, merchant_id, key, request, now=now)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                    raise _in_progress() from None
                raise
            if not is_new:
                answered = await _answered(connection, merchant_id, idempotency)
                if answered is None:
                    raise _in_progress()
                return answered
            hold = await work(connection)
            await idempotent_answers.keep(connection, merchant_id, key, msgspec.json.encode(hold).decode())
            return hold

        return await self._database.transact(guarded)

    async def expire_due(self, *, now: int) -> int:
        """Release the holds that nobody redeemed in time; return how many."""
        count = 0
        while True:
            async with self._database.write() as connection:
                expired = await holds.expire(connection, now=now, limit=MOST_EXPIRED_AT_ONCE)
            count += expired
            if expired < MOST_EXPIRED_AT_ONCE:
                return count


async def taken(connection: AsyncConnection, transition: Transition, *, now: int) -> Hold:
    """Take what a transition holds; raise `Conflict` with the reason where that cannot be."""
    hold = transition.hold
    refused, codes = await holds.take(connection, [[transition]], now=now)
    for refusal in refused.values():
        raise _refused(hold, refusal.reason)
    return hold._replace(code=codes.get(hold.id, hold.code))


async def check_taking(connection: AsyncConnection, transition: Transition) -> None:
    """Raise what `taken` would where budgets or codes have too little left, without a lock."""
    if reason := await holds.shortage(connection, transition):
        raise _refused(transition.hold, reason)


def _refused(hold: Hold, reason: str) -> Conflict:
    return Conflict(f"{reason}: “{hold.offer}” takes off {hold.amount}")


def _in_progress() -> Conflict:
    return Conflict("a request with this Idempotency-Key is in progress; send it again", field="Idempotency-Key")


async def _answered(connection: AsyncConnection, merchant_id: int, idempotency: Idempotency | None) -> Hold | None:
    """Return the hold that a key was answered with; None where it was not."""
    stored_answer = await idempotent_answers.find(connection, merchant_id, idempotency.key) if idempotency else None
    if idempotency is None or stored_answer is None:
        return None
    request, answer = stored_answer
    if request != idempotency.request:
        raise KeyReused("this key was sent before with another request", field="Idempotency-Key")
    return msgspec.json.decode(answer, type=Hold)
