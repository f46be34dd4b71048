"""Preferences of customers: read, change, reset and list their versions, and a merchant's defaults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from engine.clock import now_ms
from engine.customers.changes import Changer, CustomerKey, change_settings
from engine.decisions.customers import Hasher
from engine.decisions.requests.scope import METHODS
from engine.decisions.requests.settings_reader import SettingsReader
from engine.learning.live import Live
from engine.model.actor import Actor
from engine.model.documents.preferences import (
    NO_PREFERENCES,
    CustomerSettings,
    PreferenceChange,
    PreferenceDefaults,
    Preferences,
    given_fields,
    inherited,
    merged,
)
from engine.model.errors import FieldProblem, Invalid
from engine.model.events.event import NewEvent, UpdatedPreference
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.customers import settings
from engine.store.events import outbox
from rules.json_logic.problems import nearest
from rules.language.codes import CURRENCIES

OF_METHODS = ("default_method", "favorites", "excluded")


class PreferencesInForce(NamedTuple):
    """A version of preferences, with those that come from the merchant's defaults by name; 0: nothing was said yet."""

    version: int
    preferences: Preferences
    inherited: Sequence[str]


class PreferenceVersion(NamedTuple):
    """The preferences as of a version, without defaults; `changed_at` in epoch ms."""

    version: int
    changed_at: int
    changer: Changer
    preferences: Preferences


NO_VERSION = PreferenceVersion(0, 0, Changer("server", ""), NO_PREFERENCES)


class CustomerPreferences:
    """Reads and changes what customers want. Every decision reads it anew, so a change is in force at once."""

    def __init__(self, database: Database, live: Live, reader: SettingsReader, hasher: Hasher) -> None:
        self._database = database
        self._live = live
        self._reader = reader
        self._hasher = hasher

    async def get(self, merchant_id: int, customer_id: str) -> PreferencesInForce:
        """Return what is in force for a customer, also for one who said nothing."""
        customer = self._hasher(merchant_id, customer_id)
        async with self._database.read() as connection:
            version, sealed = await settings.get(connection, merchant_id, customer)
        own = self._reader.open(merchant_id, customer, sealed)
        return self._in_force(merchant_id, version, own.preferences)

    async def change(
        self, merchant_id: int, customer_id: str, change: PreferenceChange, changer: Changer
    ) -> PreferencesInForce:
        """Merge a change into what a customer said, as a new version.

        Raise `Invalid` with all fields that name methods or currencies that do not exist, or contradict each other.
        """

        def next_of(before: Preferences) -> Preferences:
            after = merged(before, change)
            if problems := list(_problems(after, set(given_fields(change)), self.methods(merchant_id))):
                raise Invalid(*problems)
            return after

        return await self._replace(merchant_id, customer_id, next_of, changer)

    async def problems(self, merchant_id: int, customer_id: str, change: PreferenceChange) -> list[FieldProblem]:
        """Return what `change` would refuse, without storing anything."""
        before = (await self.versions(merchant_id, customer_id, limit=1) or [NO_VERSION])[0].preferences
        return list(_problems(merged(before, change), set(given_fields(change)), self.methods(merchant_id)))

    async def reset(self, merchant_id: int, customer_id: str, changer: Changer) -> PreferencesInForce:
        """Take back everything that a customer said, as a new version."""
        return await self._replace(merchant_id, customer_id, lambda before: NO_PREFERENCES, changer)

    async def versions(
        self, merchant_id: int, customer_id: str, *, before: int | None = None, limit: int
    ) -> list[PreferenceVersion]:
        """Return a customer's versions, the newest first; `before` is the last version of the page before."""
        customer = self._hasher(merchant_id, customer_id)
        async with self._database.read() as connection:
            rows = await settings.versions(connection, merchant_id, customer, before=before, limit=limit)
        return [
            PreferenceVersion(
                row.version,
                row.changed_at,
                Changer(row.source, row.actor),  # type: ignore[arg-type]
                self._reader.open(merchant_id, customer, row.sealed).preferences,
            )
            for row in rows
        ]

    def methods(self, merchant_id: int) -> dict[str, str]:
        """Return the payment methods of a merchant that preferences may name: labels by id."""
        active = self._live.get(merchant_id, METHODS)
        candidates = () if active is None else active.plan.document.candidates
        return {candidate.id: candidate.label or candidate.id for candidate in candidates}

    def defaults(self, merchant_id: int) -> PreferenceDefaults:
        """Return what holds for customers who said nothing else."""
        return self._reader.defaults(merchant_id)

    async def set_defaults(self, actor: Actor, defaults: PreferenceDefaults) -> None:
        """Replace the merchant's defaults. Other processes follow within a second."""
        if problems := list(_currency_problems(defaults.currency)):
            raise Invalid(*problems)
        async with self._database.write() as connection:
            await settings.put_defaults(connection, actor.merchant_id, defaults)
            before = self._reader.defaults(actor.merchant_id)
            entry = NewEntry(actor, now_ms(), "changed", "preference defaults", before=before, after=defaults)
            await audit.write(connection, entry)
        await self._reader.follow()

    async def _replace(
        self, merchant_id: int, customer_id: str, next_of: Callable[[Preferences], Preferences], changer: Changer
    ) -> PreferencesInForce:
        """Store the next version of what a customer said; changes at the same time wait for each other."""
        key = CustomerKey(merchant_id, self._hasher(merchant_id, customer_id))
        changed: list[str] = []

        def next_settings(before: CustomerSettings) -> CustomerSettings:
            after = next_of(before.preferences)
            changed.extend(_differing(before.preferences, after))
            return msgspec.structs.replace(before, preferences=after)

        async with self._database.write() as connection:
            stored = await change_settings(connection, self._reader, key, next_settings, changer)
            if changed:
                event = NewEvent(merchant_id, "preference.updated", UpdatedPreference(tuple(changed), changer.source))
                await outbox.append(connection, [event], now=stored.changed_at)
        return self._in_force(merchant_id, stored.version, stored.settings.preferences)

    def _in_force(self, merchant_id: int, version: int, own: Preferences) -> PreferencesInForce:
        return PreferencesInForce(version, *inherited(own, self._reader.defaults(merchant_id)))


def _differing(before: Preferences, after: Preferences) -> list[str]:
    return [name for name in Preferences.__struct_fields__ if getattr(before, name) != getattr(after, name)]


def _problems(after: Preferences, changed_fields: AbstractSet[str], methods: Collection[str]) -> Iterator[FieldProblem]:
    """Yield what is wrong with the fields that a change gives; a method that was deleted since harms nobody."""
    for name in OF_METHODS:
        value = getattr(after, name)
        names = () if value is None else (value,) if isinstance(value, str) else value
        if name in changed_fields:
            for method in names:
                if method not in methods:
                    yield FieldProblem(name, f"“{method}” is not one of your payment methods{nearest(method, methods)}")
            if len(set(names)) < len(names):
                yield FieldProblem(name, "must not name a method twice")
    if changed_fields & set(OF_METHODS):
        for method in (after.default_method, *after.favorites):
            if method is not None and method in after.excluded:
                yield FieldProblem("excluded", f"“{method}” is also the default method or a favorite")
    if "currency" in changed_fields:
        yield from _currency_problems(after.currency)


def _currency_problems(currency: str | None) -> Iterator[FieldProblem]:
    if currency is not None and currency not in CURRENCIES:
        yield FieldProblem("currency", f"“{currency}” is not a currency of ISO 4217{nearest(currency, CURRENCIES)}")
