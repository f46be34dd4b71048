"""Erase customers: everything of the data map, and what they added to sums."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.customers.changes import Changer, CustomerKey, change_settings
from engine.customers.erasure_file import ErasureFile, LedgerLine
from engine.decisions.customers import Hasher
from engine.decisions.outcome_processor import OutcomeProcessor
from engine.decisions.requests.settings_reader import SettingsReader
from engine.decisions.usage_counter import uses_of
from engine.model.decision import Decision
from engine.model.documents.preferences import CustomerSettings, Preferences
from engine.model.timestamps import MINUTE, first_id_of
from engine.store import decisions, folds, rollups
from engine.store.connection import purging
from engine.store.connection.database import Database
from engine.store.customers import aliases, erasing
from engine.store.decisions import DecisionRow
from engine.store.experiments import exposures
from engine.store.experiments.exposures import UnitKey
from engine.store.folds import NewTrials, Sums, new_trials_of
from engine.store.log import customer_segments
from engine.store.rollups import FieldCell, RuleCell

log = structlog.get_logger()

MOST_AT_ONCE = 100
SWEEP_AFTER_MS = MINUTE
"""Decisions that were on their way when the erasure began are written by then, and erased by a second pass."""
REFUSED = CustomerSettings(preferences=Preferences(personalization_enabled=False))
ERASED = Changer("server", "erasure")


class ErasureReceipt(NamedTuple):
    """The result of an erasure at epoch ms; `suppressed`: nothing about the customer is stored from now on."""

    erased_at: int
    decisions: int
    suppressed: bool


class Eraser:
    """Erases customers in small transactions, so that no decision waits for long.

    Each erasure stands in the ledger file before it begins. At the start, `replay` repeats those that the database does
    not know of, as after the restore of an older backup, and those that a crash interrupted.
    """

    def __init__(
        self,
        database: Database,
        reader: SettingsReader,
        hasher: Hasher,
        file: ErasureFile,
        on_learned: Callable[[NewTrials], None],
    ) -> None:
        self._database = database
        self._on_learned = on_learned
        self._reader = reader
        self._hasher = hasher
        self._file = file
        self._processor = OutcomeProcessor()

    async def erase(self, merchant_id: int, customer_id: str, *, suppress: bool = True) -> ErasureReceipt:
        """Erase a customer and their aliases; with `suppress`, a refusal of personalization is all that stays.

        The hash stays in the list of erasures, so that a restored backup erases the customer again.
        """
        async with self._database.read() as connection:
            names = await aliases.names_of(connection, merchant_id, self._hasher(merchant_id, customer_id))
        lines = [LedgerLine(now_ms(), merchant_id, name, suppress) for name in names]
        for line in lines:
            await asyncio.to_thread(self._file.append, line)
        receipts = [await self._begin(line) for line in lines]
        return receipts[-1]._replace(decisions=sum(receipt.decisions for receipt in receipts))

    async def replay(self) -> int:
        """Erase again what the database still has of erased customers; return how many there were."""
        async with self._database.read() as connection:
            done = {
                (each.merchant_id, each.customer): each for each in await erasing.noted(connection, unfinished=False)
            }
        latest = {(line.merchant_id, line.customer): line for line in self._file.lines()}
        count = 0
        for key, line in latest.items():
            if key not in done or done[key].requested_at < line.requested_at:
                await self._begin(line)
                count += 1
        if count:
            log.warning("erased again", customers=count)
        return count + await self.sweep(now=now_ms())

    async def sweep(self, *, now: int) -> int:
        """Erase what was on its way when erasures began a minute ago; return how many are finished."""
        async with self._database.read() as connection:
            begun = await erasing.noted(connection, unfinished=True)
        due = [each for each in begun if each.requested_at <= now - SWEEP_AFTER_MS]
        for erasure in due:
            key = CustomerKey(erasure.merchant_id, erasure.customer)
            await self._erase_log(key, until=erasure.requested_at + SWEEP_AFTER_MS)
            await self._database.write_through(partial(erasing.finish, erasure=erasure, done_at=now_ms()))
        return len(due)

    async def _begin(self, line: LedgerLine) -> ErasureReceipt:
        key = CustomerKey(line.merchant_id, line.customer)

        async def note(connection: AsyncConnection) -> None:
            await erasing.note(connection, *key, requested_at=line.requested_at)
            if line.suppress:
                # From here on, decisions store nothing of the customer.
                await change_settings(connection, self._reader, key, lambda before: REFUSED, ERASED, anew=True)

        async def delete_rest(connection: AsyncConnection) -> None:
            await erasing.delete_rest(connection, *key)
            if line.suppress:
                await change_settings(connection, self._reader, key, lambda before: REFUSED, ERASED)

        await self._database.write_through(note)
        count = await self._erase_log(key, until=now_ms() + MINUTE)
        await self._pseudonymize(key)
        await purging.purge(self._database, erasing.units(*key))
        await self._database.write_through(delete_rest)
        return ErasureReceipt(now_ms(), count, line.suppress)

    async def _pseudonymize(self, key: CustomerKey) -> None:
        """Rename a customer's accounts, also those that are opened meanwhile."""
        pseudonym, has_accounts = secrets.token_hex(16), True
        while has_accounts:
            async with self._database.read() as connection:
                accounts = await erasing.accounts_of_offers(connection, *key)
            rename = partial(erasing.pseudonymize, **key._asdict(), pseudonym=pseudonym, accounts=accounts)
            await self._database.write_through(rename)
            has_accounts = any(keys for _, keys in accounts)

    async def _erase_log(self, key: CustomerKey, *, until: int) -> int:
        """Delete a customer's decisions, outcomes and units, and what they added to sums; return how many decisions."""
        count, following = 0, await self._next_decisions(*key, until=until)
        while following:
            units = await self._units(key.merchant_id, [row.id for row in following])
            work = partial(self._erase_decisions, key=key, following=following, units=units)
            sums, erased = await self._database.write_through(work)
            self._on_learned(new_trials_of(sums))
            count += erased
            # A look for more reads the whole log that is in no segment yet.
            is_last = len(following) < MOST_AT_ONCE
            following = [] if is_last else await self._next_decisions(*key, until=until)
        units = await self._units(key.merchant_id, [key.customer])
        await self._database.write_through(partial(self._erase_rest, key=key, units=units))
        await folds.remove_empty(self._database, key.merchant_id)
        await rollups.remove_empty(self._database, key.merchant_id)
        return count

    async def _units(self, merchant_id: int, units: Sequence[str]) -> list[UnitKey]:
        async with self._database.read() as connection:
            return await exposures.keys_of_units(connection, merchant_id, units)

    async def _erase_decisions(
        self, connection: AsyncConnection, key: CustomerKey, following: Sequence[DecisionRow], units: Sequence[UnitKey]
    ) -> tuple[Sums, int]:
        """Delete decisions of a customer; return what they take from sums, and how many were still there."""
        (merchant_id, customer), sums = key, Sums()
        rows = await self._processor.erase(connection, following, sums)
        await folds.add(connection, sums)
        await rollups.add_firsts(connection, _firsts(rows))
        await rollups.add(connection, *_uses(rows), {})
        await exposures.forget(connection, units)
        await customer_segments.forget(connection, merchant_id, customer, [row.decided_at for row in rows])
        await erasing.delete_decisions(connection, rows)
        return sums, len(rows)

    async def _erase_rest(self, connection: AsyncConnection, key: CustomerKey, units: Sequence[UnitKey]) -> None:
        """Delete purchases without a decision, and the customer's units."""
        while purchases := await erasing.purchases(connection, *key, limit=MOST_AT_ONCE):
            sums = Sums()
            await self._processor.retract(connection, purchases, sums)
            await folds.add(connection, sums)
        await exposures.forget(connection, units)

    async def _next_decisions(self, merchant_id: int, customer: str, *, until: int) -> list[DecisionRow]:
        async with self._database.read() as connection:
            return await decisions.newest(
                connection, merchant_id, customer=customer, before_id=first_id_of(until), limit=MOST_AT_ONCE
            )


def _uses(rows: Sequence[DecisionRow]) -> tuple[Counter[RuleCell], Counter[FieldCell]]:
    """Return how often rules fired and fields arrived, negative."""
    decided = ((row.merchant_id, _decision(row), _facts(row.facts), row.decided_at) for row in rows)
    return uses_of(decided, sign=-1)


def _firsts(rows: Sequence[DecisionRow]) -> Counter[tuple[int, str, int, str]]:
    """Return how often each candidate came first, negative."""
    counts: Counter[tuple[int, str, int, str]] = Counter()
    for row in rows:
        decision = _decision(row)
        if decision.ranking and not decision.fallback:
            counts[row.merchant_id, row.placement, row.decided_at // MINUTE, decision.ranking[0].id] -= 1
    return counts


def _decision(row: DecisionRow) -> Decision:
    return msgspec.json.decode(row.answer, type=Decision)


_facts = msgspec.json.Decoder(dict[str, object]).decode
