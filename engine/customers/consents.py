"""Consent of customers: record what they say of purposes, show what is in force, and a merchant's policy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.customers.changes import Changer, CustomerKey, StoredChange, change_settings
from engine.decisions.customers import Hasher
from engine.decisions.requests.scope import RequestScope
from engine.decisions.requests.settings_reader import SettingsReader
from engine.model.actor import Actor
from engine.model.documents.consent import (
    PERSONALIZATION,
    SIGNALS,
    ConsentPolicy,
    ConsentRecord,
    purposes_of,
)
from engine.model.documents.preferences import CustomerSettings
from engine.model.errors import FieldProblem, Invalid
from engine.model.timestamps import CLOCK_SKEW, ms_of
from engine.store import audit, resources
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.customers import consents, settings
from engine.store.customers.consents import SealedConsent
from rules.json_logic.problems import nearest
from rules.language.values import WORDS

ConsentState = Literal["accepted", "refused", "unknown"]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ConsentRecord).decode


class PurposeState(NamedTuple):
    """A purpose: what the customer said of it, and whether it is allowed, said or assumed by the merchant."""

    purpose: str
    state: ConsentState
    allowed: bool


class ConsentInForce(NamedTuple):
    """The consent in force for a customer. `prompts`: the customer was not asked yet, and should be."""

    version: int
    purposes: Sequence[PurposeState]
    personalized: bool
    prompts: bool


class StoredConsent(NamedTuple):
    """A consent in the history; `recorded_at` in epoch ms."""

    version: int
    recorded_at: int
    changer: Changer
    record: ConsentRecord


class Consents:
    """Records consent, append-only, and keeps what is in force beside the customer's preferences."""

    def __init__(self, database: Database, reader: SettingsReader, hasher: Hasher) -> None:
        self._database = database
        self._reader = reader
        self._hasher = hasher

    async def purposes(self, merchant_id: int) -> list[str]:
        """Return the purposes that customers of a merchant can accept or refuse."""
        return purposes_of(await self.details(merchant_id))

    async def details(self, merchant_id: int) -> dict[str, list[str]]:
        """Return the labels of the declared facts that each purpose uses."""
        async with self._database.read() as connection:
            rows = await resources.page(connection, merchant_id, "field")
        labels: dict[str, list[str]] = {}
        for row in rows:
            labels.setdefault(row.document.purpose, []).append(row.document.label or row.document.name)
        return labels

    async def get(self, merchant_id: int, customer_id: str) -> ConsentInForce:
        """Return what is in force for a customer, also for one who said nothing."""
        customer = self._hasher(merchant_id, customer_id)
        names = await self.purposes(merchant_id)
        async with self._database.read() as connection:
            version, sealed = await settings.get(connection, merchant_id, customer)
        return self._in_force(merchant_id, customer, names, version, sealed)

    async def record(
        self, merchant_id: int, customer_id: str, record: ConsentRecord, changer: Changer
    ) -> ConsentInForce:
        """Store what a customer said; raise `Invalid` with everything that is wrong with it.

        `accept`, `reject` and signals without purposes are about all of them. `dismiss` changes nothing that was said.
        """
        key = CustomerKey(merchant_id, self._hasher(merchant_id, customer_id))
        names = await self.purposes(merchant_id)
        if problems := list(_problems(record, names)):
            raise Invalid(*problems)
        record = _with_all_purposes(record, names)

        def next_of(before: CustomerSettings) -> CustomerSettings:
            return msgspec.structs.replace(
                before, consents={**before.consents, **record.purposes}, prompt_answered=True
            )

        async with self._database.write() as connection:
            stored = await change_settings(connection, self._reader, key, next_of, changer, anew=True)
            await append_consent(connection, self._reader, key, record, stored, changer)
        return await self.get(merchant_id, customer_id)

    async def history(
        self, merchant_id: int, customer_id: str, *, before: int | None = None, limit: int
    ) -> list[StoredConsent]:
        """Return what a customer said, the newest first; `before` is the last version of the page before."""
        customer = self._hasher(merchant_id, customer_id)
        async with self._database.read() as connection:
            rows = await consents.history(connection, merchant_id, customer, before=before, limit=limit)
        stored = []
        for row in rows:
            text = self._reader.open_text(merchant_id, customer, row.sealed)
            changer = Changer(row.source, row.actor)  # type: ignore[arg-type]
            if text is not None:
                stored.append(StoredConsent(row.version, row.recorded_at, changer, _decode(text)))
        return stored

    def policy(self, merchant_id: int) -> ConsentPolicy:
        """Return what the merchant assumes of customers who said nothing."""
        return self._reader.policy(merchant_id)

    async def set_policy(self, actor: Actor, policy: ConsentPolicy) -> None:
        """Replace the merchant's policy; raise `Invalid` for unknown purposes. Other processes follow in a second."""
        names = await self.purposes(actor.merchant_id)
        if problems := list(_unknown(policy.purposes, names)):
            raise Invalid(*problems)
        async with self._database.write() as connection:
            await consents.put_policy(connection, actor.merchant_id, policy)
            before = self._reader.policy(actor.merchant_id)
            await audit.write(connection, NewEntry(actor, now_ms(), "changed", "consent policy", before, policy))
        await self._reader.follow()

    def _in_force(
        self, merchant_id: int, customer: str, names: Sequence[str], version: int, sealed: str
    ) -> ConsentInForce:
        request = self._reader.read(RequestScope(merchant_id, customer, {}, now_ms()), sealed)
        consents = request.settings.consents
        states = [
            PurposeState(name, _state(consents.get(name)), _allowed(name, request))
            for name in dict.fromkeys((*names, *consents))
        ]
        return ConsentInForce(version, states, request.personal, request.prompts)


async def append_consent(
    connection: AsyncConnection,
    reader: SettingsReader,
    key: CustomerKey,
    record: ConsentRecord,
    stored: StoredChange,
    changer: Changer,
) -> None:
    """Add to the history what a customer said, in the transaction of the change that it led to."""
    text = reader.seal_text(*key, _encode(record).decode())
    row = SealedConsent(stored.version, stored.changed_at, changer.source, changer.name, text)
    await consents.append(connection, *key, row)


def _allowed(purpose: str, request: RequestScope) -> bool:
    return request.personal if purpose == PERSONALIZATION else purpose not in request.refused


def _state(accepts: bool | None) -> ConsentState:
    return "unknown" if accepts is None else "accepted" if accepts else "refused"


def _with_all_purposes(record: ConsentRecord, names: Collection[str]) -> ConsentRecord:
    """Return the record with the purposes that a button or signal is about."""
    if record.purposes or record.method == "dismiss":
        return record
    return msgspec.structs.replace(record, purposes=dict.fromkeys(names, record.method == "accept"))


def _problems(record: ConsentRecord, names: Collection[str]) -> Iterator[FieldProblem]:
    yield from _unknown(record.purposes, names)
    if record.method == "dismiss" and record.purposes:
        yield FieldProblem("purposes", "must be empty: who dismisses a prompt says nothing")
    if record.method in ("save", "api") and not record.purposes:
        yield FieldProblem("purposes", "must name at least one purpose")
    for purpose, accepts in record.purposes.items():
        if accepts and record.method in ("reject", *SIGNALS):
            yield FieldProblem(f"purposes/{purpose}", f"must be false with the method {record.method}")
        if not accepts and record.method == "accept":
            yield FieldProblem(f"purposes/{purpose}", "must be true with the method accept; use save for a choice")
    if record.occurred_at is not None:
        moment = ms_of(record.occurred_at)
        if moment is None:
            yield FieldProblem("occurred_at", f"must be {WORDS['datetime']}")
        elif moment > now_ms() + CLOCK_SKEW:
            yield FieldProblem("occurred_at", "must not be in the future")


def _unknown(purposes: Mapping[str, object], names: Collection[str]) -> Iterator[FieldProblem]:
    for purpose in purposes:
        if purpose not in names:
            message = f"is not one of the purposes {', '.join(names)}{nearest(purpose, names)}"
            yield FieldProblem(f"purposes/{purpose[:64]}", message)
