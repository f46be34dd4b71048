"""The keys of an installation: open them, replace the master key, or accept another customer key."""

from __future__ import annotations

from pathlib import Path

from engine.accounts.customer_key import accept_key, load_key
from engine.accounts.data_keys import DataKeys, Rotation
from engine.accounts.master_keys import KeySource, add_master_key, master_keys
from engine.data_folder import database_url, prepare_folder
from engine.migrate import upgrade
from engine.settings import Settings
from engine.store.connection.database import Database, open_database


def key_source(settings: Settings) -> KeySource:
    """Return where the master keys of an installation come from."""
    return KeySource(settings.master_key, settings.master_key_command, Path(settings.data))


def data_keys_of(settings: Settings, database: Database, customer_key: bytes) -> DataKeys:
    """Return the data keys of an installation, which are not loaded yet."""
    return DataKeys(database, master_keys(key_source(settings), customer_key), customer_key)


async def rotate_master_key(settings: Settings, keys: DataKeys, *, new: bool) -> Rotation:
    """Wrap all data keys with the first master key; with `new`, make it first."""
    are_settings = bool(settings.master_key or settings.customer_key)

    def add() -> None:
        add_master_key(key_source(settings), keys_are_settings=are_settings)

    return await keys.rotate(add if new else None)


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
