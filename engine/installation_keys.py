"""The keys of an installation: open them, replace the master key, or accept another customer key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Column

from engine.accounts.customer_key import accept_key, load_key
from engine.accounts.data_keys import AT_ONCE, DataKeys, Rotation, StoredSealer
from engine.accounts.master_keys import KeySource, add_master_key, master_keys
from engine.accounts.second_factor import PURPOSE as OF_FACTORS
from engine.data_folder import database_url, prepare_folder
from engine.decisions.requests.settings_reader import PURPOSE as SAID
from engine.migrate import upgrade
from engine.settings import Settings
from engine.store.connection.database import Database, open_database
from engine.store.customers import older_texts
from engine.webhooks.endpoints import PURPOSE as OF_WEBHOOKS

OLDER = (
    *((column, SAID, 2) for column in older_texts.OF_CUSTOMERS),
    *((column, OF_WEBHOOKS, 1) for column in older_texts.OF_WEBHOOKS),
    *((column, OF_FACTORS, 1) for column in older_texts.OF_PEOPLE),
)
"""Columns with encrypted texts, their purpose, and how many parts of a row's key name the owner."""


def key_source(settings: Settings) -> KeySource:
    """Return where the master keys of an installation come from."""
    return KeySource(settings.master_key, settings.master_key_command, Path(settings.data))


def data_keys_of(settings: Settings, database: Database, customer_key: bytes) -> DataKeys:
    """Return the data keys of an installation, which are not loaded yet."""
    return DataKeys(database, master_keys(key_source(settings), customer_key), customer_key)


async def rotate_master_key(settings: Settings, keys: DataKeys, *, new: bool) -> Rotation:
    """Wrap all keys with the first master key; with `new`, make it first. Encrypt older texts with a data key."""
    are_settings = bool(settings.master_key or settings.customer_key)

    def add() -> None:
        add_master_key(key_source(settings), keys_are_settings=are_settings)

    rotation = await keys.rotate(add if new else None)
    key = load_key(settings.customer_key, Path(settings.data))
    counts = [
        await _encrypt_column(keys.database, column, StoredSealer(keys, key, purpose), owner_parts)
        for column, purpose, owner_parts in OLDER
    ]
    return rotation._replace(older_texts=sum(counts))


async def _encrypt_column(database: Database, column: Column[Any], sealer: StoredSealer, owner_parts: int) -> int:
    """Encrypt texts from before data keys anew, a few in a transaction; return how many.

    The owner of a text is the beginning of its row's key. Texts that cannot be opened stay.
    """
    count, last = 0, None
    while True:
        async with database.read() as connection:
            rows = await older_texts.after(connection, column, last, limit=AT_ONCE)
        if not rows:
            return count
        async with database.write() as connection:
            for row in rows:
                owner = ":".join(map(str, row.key[:owner_parts]))
                plain = sealer.open(row.sealed, owner)
                if plain is not None:
                    count += await older_texts.replace(connection, column, row, sealer.seal(plain, owner))
        last = rows[-1].key


async def accept_customer_key(settings: Settings) -> None:
    """Note the customer key of these settings as the database's; make a key if there is none.

    Data keys that came under the key before it, and not under a master key of their own, are given up too.
    """
    prepare_folder(settings)
    url = database_url(settings)
    await upgrade(url)
    database = open_database(url)
    try:
        key = load_key(settings.customer_key, Path(settings.data))
        await accept_key(database, key)
        await data_keys_of(settings, database, key).give_up()
    finally:
        await database.close()
