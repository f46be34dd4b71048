"""The keys of an installation: open them, replace the master key or the customer key, or accept another one."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Column

from engine.accounts.customer_key import (
    NAME,
    NEXT,
    CustomerKeys,
    UnusableKey,
    accept_keys,
    add_key,
    is_used,
    load_key,
    load_keys,
)
from engine.accounts.data_keys import AT_ONCE, DataKeys, Rotation, StoredSealer
from engine.accounts.master_keys import KeySource, add_master_key, master_keys
from engine.accounts.second_factor import PURPOSE as OF_FACTORS
from engine.clock import now_ms
from engine.customers.erasure_file import ErasureFile
from engine.data_folder import database_url, prepare_folder
from engine.decisions.requests.settings_reader import PURPOSE as SAID
from engine.decisions.upkeep.renaming import rename_customers
from engine.leadership import LEASE_SECONDS, RENEW_SECONDS
from engine.leadership import NAME as LEADER
from engine.migrate import upgrade
from engine.model.errors import Conflict
from engine.settings import Settings
from engine.store.connection import leases
from engine.store.connection.customer_names import CustomerNames
from engine.store.connection.database import Database, open_database
from engine.store.customers import fingerprints, older_texts
from engine.webhooks.endpoints import PURPOSE as OF_WEBHOOKS

OLDER = (
    *((column, SAID, 2) for column in older_texts.OF_CUSTOMERS),
    *((column, OF_WEBHOOKS, 1) for column in older_texts.OF_WEBHOOKS),
    *((column, OF_FACTORS, 1) for column in older_texts.OF_PEOPLE),
)
"""Columns with encrypted texts, their purpose, and how many parts of a row's key name the owner."""
POLL_SECONDS, STEADY_SECONDS = 0.5, 2 * RENEW_SECONDS
"""How often to look for a server that leads, and for how long none may: another one takes over within half of it."""


class CustomerRotation(NamedTuple):
    """The fingerprint that the database has now, whether its key is new, and how many names were stored under it."""

    fingerprint: str
    new_key: bool
    renamed: int


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
        keys = load_keys(settings.customer_key, Path(settings.data))
        await accept_keys(database, keys)
        await data_keys_of(settings, database, keys.first).give_up()
    finally:
        await database.close()


async def rotate_customer_key(settings: Settings) -> CustomerRotation:
    """Store customers' hashes under a new customer key, or under the newest one if the database is not.

    May be stopped at any moment and run again; servers refuse to start until it is done. Raise `Conflict` if a server
    runs, or if the master key comes from the customer key, and `UnusableKey` if the database has another key.
    """
    prepare_folder(settings)
    with _alone(settings.data):
        return await _rotate(settings)


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Let one process at a time add keys to a folder; the system lets go of it when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict("another process renames customers already") from None
    finally:
        os.close(descriptor)


async def _rotate(settings: Settings) -> CustomerRotation:
    url = database_url(settings)
    await upgrade(url)
    database = open_database(url)
    try:
        keys = load_keys(settings.customer_key, Path(settings.data), is_used=await is_used(database))
        is_new = await _needs_key(settings, database, keys)
        await _encrypt_independently(settings, database, keys)
        await _keep_servers_away(database)
        if is_new:
            add_key(Path(settings.data))
            keys = load_keys(settings.customer_key, Path(settings.data))
        names, count = CustomerNames(keys.later), 0
        while renamed := await rename_customers(database, names):
            count += renamed
        ErasureFile(Path(settings.data), names).rename()
        await accept_keys(database, keys)
        return CustomerRotation(keys.fingerprints[-1], is_new, count)
    finally:
        await database.close()


async def _needs_key(settings: Settings, database: Database, keys: CustomerKeys) -> bool:
    """Return whether the database is under the newest key; raise `Conflict` if a newer one must be a setting."""
    async with database.read() as connection:
        stored = await fingerprints.get(connection, NAME) or keys.fingerprints[0]
    if stored not in keys.fingerprints:
        raise UnusableKey("the database is under another customer key: restore TAP2_CUSTOMER_KEY or customer.key")
    is_newest = stored == keys.fingerprints[-1]
    if is_newest and settings.customer_key:
        raise Conflict(
            "the key is a setting here: put a new key before it in TAP2_CUSTOMER_KEY, with a comma between them, and "
            "run this again"
        )
    return is_newest


async def _encrypt_independently(settings: Settings, database: Database, keys: CustomerKeys) -> None:
    """Let no text or key be encrypted with a key that comes from the customer key: it would say whose the text is."""
    data_keys = data_keys_of(settings, database, keys.first)
    data_keys.check_master_key()
    await data_keys.make_due(now=now_ms())
    await rotate_master_key(settings, data_keys, new=False)


async def _keep_servers_away(database: Database) -> None:
    """Keep servers from starting until all is renamed; raise `Conflict` if one runs."""
    async with database.write() as connection:
        goes_on = await fingerprints.get(connection, NEXT) is not None
        await fingerprints.add(connection, NEXT, "renaming")
    if await _is_served(database):
        if not goes_on:
            async with database.write() as connection:
                await fingerprints.remove(connection, NEXT)
        raise Conflict("a server uses the database: stop all servers, and run this again")


async def _is_served(database: Database) -> bool:
    """Return whether a server leads; one that was killed seems to for some seconds more."""
    absent, waited = 0.0, 0.0
    while absent < STEADY_SECONDS and waited < LEASE_SECONDS + STEADY_SECONDS:
        async with database.read() as connection:
            is_led = await leases.milliseconds_left(connection, LEADER) is not None
        absent = 0.0 if is_led else absent + POLL_SECONDS
        waited += POLL_SECONDS
        await asyncio.sleep(POLL_SECONDS)
    return absent < STEADY_SECONDS
