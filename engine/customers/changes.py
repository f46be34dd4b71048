"""Change what a customer said: one change at a time, each a version of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.decisions.requests.settings_reader import SettingsReader
from engine.model.documents.preferences import CustomerSettings
from engine.store.customers import settings
from engine.store.customers.settings import SettingsVersion

Source = Literal["customer", "server", "person"]


class Changer(NamedTuple):
    """The author of a change, for the versions: the customer's browser, a server, or a person of the team."""

    source: Source
    name: str


class CustomerKey(NamedTuple):
    """A customer of a merchant, by keyed hash."""

    merchant_id: int
    customer: str


class StoredChange(NamedTuple):
    """The settings in force after a change."""

    version: int
    changed_at: int
    settings: CustomerSettings


async def change_settings(
    connection: AsyncConnection,
    reader: SettingsReader,
    key: CustomerKey,
    next_of: Callable[[CustomerSettings], CustomerSettings],
    changer: Changer,
    *,
    anew: bool = False,
) -> StoredChange:
    """Store what `next_of` makes of the settings in force as the next version.

    If they stay the same, nothing is stored, unless it was said `anew`. Changes of the same customer wait for each
    other. What `next_of` raises rolls everything back.
    """
    version, sealed = await settings.lock(connection, *key)
    before = reader.open(*key, sealed)
    after, now = next_of(before), now_ms()
    if version and after == before and not anew:
        return StoredChange(version, now, before)
    text = reader.seal(*key, after)
    row = SettingsVersion(version + 1, now, changer.source, changer.name, text)
    await settings.put(connection, *key, row)
    return StoredChange(row.version, now, after)
