"""The data folder: its files are private, and the customer key is never replaced without a message."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete

from engine.accounts.customer_key import CustomerKeys, UnusableKey, check_fingerprint
from engine.data_folder import database_url
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.connection.database import open_database
from engine.store.tables.installation import fingerprints
from tests.marks import SQLITE
from tests.shop import Shop

pytestmark = pytest.mark.anyio


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()}


async def remember(shop: Shop) -> None:
    """Store a purchase of a customer."""
    await shop.report(None, "converted", "card", customer="alice")


async def test_existing_folder_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    mask = os.umask(0o022)
    try:
        engine = await open_engine(Settings(data=str(folder)))
        await engine.start()
        running = modes(folder)
        await engine.stop()
    finally:
        os.umask(mask)
    assert {"tap2.sqlite", "tap2.sqlite-wal", "tap2.sqlite-shm", "customer.key"} <= running.keys()
    assert set(running.values()) == {0o600}


async def test_files_of_an_earlier_version_become_private(tmp_path: Path) -> None:
    engine = await open_engine(Settings(data=str(tmp_path)))
    await engine.database.close()
    (tmp_path / "tap2.sqlite").chmod(0o644)
    (tmp_path / "customer.key").chmod(0o644)
    engine = await open_engine(Settings(data=str(tmp_path)))
    await engine.database.close()
    assert set(modes(tmp_path).values()) == {0o600}


async def test_a_missing_key_is_refused_also_before_the_first_customer(shop: Shop, settings: Settings) -> None:
    key = Path(settings.data, "customer.key")
    secret = key.read_text()
    key.unlink()
    with pytest.raises(UnusableKey, match=r"customer\.key is missing, and the database is used with it"):
        await open_engine(settings)
    assert not key.exists()
    key.write_text(secret)
    again = await open_engine(settings)
    assert again.hasher(1, "alice") == shop.engine.hasher(1, "alice")
    await again.database.close()


@SQLITE
async def test_setting_replaces_a_missing_key_file(shop: Shop, settings: Settings) -> None:
    await remember(shop)
    key = Path(settings.data, "customer.key")
    secret = key.read_text()
    key.unlink()
    again = await open_engine(msgspec.structs.replace(settings, customer_key=secret))
    await again.database.close()


async def test_another_key_is_refused_also_before_the_first_customer(shop: Shop, settings: Settings) -> None:
    with pytest.raises(UnusableKey, match="is not the key that the database is used with"):
        await open_engine(msgspec.structs.replace(settings, customer_key="s" * 32))


async def test_first_of_processes_with_different_keys_starts(settings: Settings) -> None:
    await (await open_engine(settings)).database.close()  # the schema is there; what follows races for the key alone
    database = open_database(database_url(settings))
    async with database.write() as connection:
        await connection.execute(delete(fingerprints))
    keys = [CustomerKeys((str(number) * 32).encode()) for number in range(6)]
    results = await asyncio.gather(*(check_fingerprint(database, key) for key in keys), return_exceptions=True)
    await database.close()
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, UnusableKey) for result in results) == 5


@SQLITE
@pytest.mark.parametrize("content", ["", "\n", "short"])
async def test_weak_key_is_refused(engine: Engine, settings: Settings, content: str) -> None:
    Path(settings.data, "customer.key").write_text(content)
    with pytest.raises(UnusableKey, match=r"customer\.key must have at least 32 characters"):
        await open_engine(settings)
