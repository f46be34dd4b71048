"""Previews, exports and evaluations read the log from a read replica."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.checks.preview_log import PLACEMENT, create_plan, make_log, store_log
from engine.clock import now_ms
from engine.data_folder import log_reader
from engine.doctor import examine
from engine.model.actor import Actor
from engine.model.timestamps import DAY
from engine.previews.previews import Period
from engine.store import decisions
from tests.conftest import execute, postgres_url
from tests.factories import rule

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True),
]

NO_SEPA = rule({"exclude": ["sepa_debit"]}, id="draft", name="No SEPA")


async def previewed(engine, merchant_id):
    """Return how many decisions a preview of one more rule reads."""
    actor, period = Actor(merchant_id, "tester"), Period(now_ms() - 30 * DAY, now_ms() + DAY)
    started = await engine.previews.start_draft(actor, PLACEMENT, period, rules=[NO_SEPA])
    preview = await engine.previews.finish(merchant_id, started.id)
    assert (preview.state, preview.problem) == ("done", "")
    return preview.result.read


async def newest(settings, database, merchant_id):
    async with log_reader(settings, database) as log, log.read() as connection:
        return await decisions.newest(connection, merchant_id, limit=1)


async def replica_check(settings):
    return next(result for result in await examine(settings) if result.check == "read replica")


async def test_the_doctor_says_if_the_replica_does_not_answer_or_is_another_database(settings, empty_url):
    silent = msgspec.structs.replace(settings, replica_url=postgres_url("/nowhere", "migrated"))
    result = await replica_check(silent)
    assert (result.state, "does not answer" in result.detail) == ("error", True)
    assert "TAP2_REPLICA_URL" in result.remedy
    result = await replica_check(msgspec.structs.replace(settings, replica_url=empty_url))
    assert (result.state, "the schema" in result.detail) == ("error", True)


@pytest.fixture
def replica(postgres_process: Any, postgres_server: str) -> Iterator[str]:
    """The folder of the socket of a second server that follows the first by streaming replication."""
    folder = Path(tempfile.mkdtemp(prefix="tap2-replica-", dir=Path(postgres_server).parent))
    folder.chmod(0o777)
    data, user = folder / "data", postgres_process.system_user
    bin = Path(postgres_process.get_postmaster_info().process.exe()).parent
    primary = f"host={postgres_server} user=postgres"
    run: dict[str, Any] = {"check": True, "user": user, "stdout": subprocess.DEVNULL}
    subprocess.run([bin / "pg_basebackup", "-D", data, "-d", primary, "-R", "-c", "fast"], **run)
    control = [bin / "pg_ctl", "-w", "-D", data]
    options = f"-k {folder} -c listen_addresses=''"
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], **run)
    yield str(folder)
    subprocess.run([*control, "-m", "immediate", "stop"], **run)
    shutil.rmtree(folder)


@pytest.mark.long
async def test_long_reads_use_the_replica(replica, start_engine):
    engine = await start_engine(replica_url=postgres_url(replica, "migrated"))
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    plan = await create_plan(engine, merchant.id)
    await store_log(engine.database, make_log(plan, merchant.id, count=300, seed=4, until=now_ms() - DAY))
    [last] = await newest(engine.settings, engine.database, merchant.id)
    assert await previewed(engine, merchant.id) == 300
    await execute(replica, "SELECT pg_wal_replay_pause()")
    await engine.decider.decide(merchant.id, [PLACEMENT], "customer", {})
    assert await previewed(engine, merchant.id) == 300
    assert await newest(engine.settings, engine.database, merchant.id) == [last]
    assert (await replica_check(engine.settings)).state == "ok"
    await execute(replica, "SELECT pg_wal_replay_resume()")
    async with asyncio.timeout(20):
        while await newest(engine.settings, engine.database, merchant.id) == [last]:
            await asyncio.sleep(0.05)
    assert await previewed(engine, merchant.id) == 301
