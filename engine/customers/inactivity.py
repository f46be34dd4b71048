"""Forget customers who did not come back: what they wanted, and which other ids were theirs. Refusals stay."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.customers.retention import Retention
from engine.decisions.requests.settings_reader import SettingsReader
from engine.model.documents.preferences import NO_PREFERENCES, NO_SETTINGS, CustomerSettings, Preferences
from engine.model.timestamps import DAY
from engine.store import accounts
from engine.store.connection import purging
from engine.store.connection.database import Database
from engine.store.connection.inline import Work
from engine.store.customers import visits
from engine.store.customers.visits import InactiveCustomer

log = structlog.get_logger()

DAYS_OF_PROOF = 3 * 365 + 1
"""How long a consent is kept as proof after it was given; one that still counts is kept longer."""
PIECE = 25
"""Customers of a transaction, each with four statements: a decision waits for at most one."""
NO_CUSTOMER = InactiveCustomer("", "", 0)


class InactiveCustomers:
    """Forgets customers of each merchant after the days of its retention, in small transactions."""

    def __init__(self, database: Database, reader: SettingsReader, retention: Retention) -> None:
        self._database = database
        self._reader = reader
        self._retention = retention

    async def forget(self, *, now: int) -> None:
        """Forget who has been inactive for long enough at epoch ms; what fails goes the next time."""
        async with self._database.read() as connection:
            merchants = await accounts.all_merchants(connection)
        for merchant in merchants:
            await self._begin(merchant.id, now)
            forgotten = await self._forget(merchant.id, now)
            rests = visits.expired_rests(merchant.id, consents_before=now - DAYS_OF_PROOF * DAY)
            await purging.purge(self._database, rests)
            if forgotten:
                log.info("forgot inactive customers", merchant=merchant.id, customers=forgotten)

    async def _begin(self, merchant_id: int, now: int) -> None:
        """Count from today for customers from before visits were noted."""
        begin = partial(visits.begin, merchant_id=merchant_id, today=now // DAY, limit=purging.PIECE)
        while await self._write(begin) == purging.PIECE:
            pass

    async def _forget(self, merchant_id: int, now: int) -> int:
        """Forget a merchant's inactive customers; return how many. A retention that is changed meanwhile counts."""
        count, rows = 0, [NO_CUSTOMER] * PIECE
        while len(rows) == PIECE:
            days = (await self._retention.get(merchant_id)).kinds["inactive_customers"].days
            if days is None:
                return count
            before_day = now // DAY - days - visits.DAYS_LATE
            async with self._database.read() as connection:
                rows = await visits.inactive(connection, merchant_id, before_day=before_day, limit=PIECE)
            count += await self._reduce(merchant_id, rows)
        return count

    async def _reduce(self, merchant_id: int, rows: list[InactiveCustomer]) -> int:
        reductions = [(row, self._sealed_refusals(merchant_id, row)) for row in rows]

        async def reduce(connection: AsyncConnection) -> int:
            return sum([await visits.reduce(connection, merchant_id, row, refusals) for row, refusals in reductions])

        return await self._write(reduce)

    async def _write(self, work: Work[int]) -> int:
        """Run a transaction and rest as the purge does, so that decisions have the writer most of the time."""
        clock = asyncio.get_running_loop().time
        began = clock()
        count = await self._database.write_through(work)
        await asyncio.sleep(purging.REST * (clock() - began))
        return count

    def _sealed_refusals(self, merchant_id: int, row: InactiveCustomer) -> str:
        """Return what stays, encrypted; what cannot be decrypted stays whole, because it may be a refusal."""
        if not row.sealed or self._reader.open_text(merchant_id, row.customer, row.sealed) is None:
            return row.sealed
        refusals = refusals_of(self._reader.open(merchant_id, row.customer, row.sealed))
        return self._reader.seal(merchant_id, row.customer, refusals) if refusals != NO_SETTINGS else ""


def refusals_of(settings: CustomerSettings) -> CustomerSettings:
    """Return what somebody refused; they are not asked again."""
    own, consents = (
        settings.preferences,
        dict.fromkeys([name for name, accepts in settings.consents.items() if not accepts], False),
    )
    refused = Preferences(
        personalization_enabled=own.personalization_enabled and None,
        cross_merchant_consent=own.cross_merchant_consent and None,
    )
    refuses = bool(consents) or refused != NO_PREFERENCES
    return CustomerSettings(
        preferences=refused, consents=consents, prompt_answered=settings.prompt_answered and refuses
    )
