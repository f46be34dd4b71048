"""Findings of `tap2 doctor` on PostgreSQL, with the settings of the tests' server."""

from __future__ import annotations

import msgspec
import pytest

from engine import doctor
from engine.doctor import examine
from engine.model.timestamps import DAY

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True),
]


async def by_check(settings):
    """Return the findings by check."""
    return {result.check: result for result in await examine(settings)}


async def test_a_database_that_does_not_flush_is_an_error(settings):
    result = (await by_check(settings))["durability"]
    assert result.state == "error"
    assert "fsync" in result.remedy


async def test_connections_are_compared_with_those_of_the_server(settings):
    assert (await by_check(settings))["connections"].state == "ok"
    many = (await by_check(msgspec.structs.replace(settings, workers=4)))["connections"]
    assert many.state == "warning"
    assert many.detail == "this server may open 120 of PostgreSQL's 100"


async def test_clocks_that_differ_are_a_warning(settings, monkeypatch):
    assert (await by_check(settings))["clock"].state == "ok"
    now = doctor.now_ms()
    monkeypatch.setattr(doctor, "now_ms", lambda: now - 60_000)
    result = (await by_check(settings))["clock"]
    assert result.state == "warning"
    assert "s from PostgreSQL's" in result.detail


async def test_days_without_partitions_and_too_few_locks_are_warnings(settings, monkeypatch):
    results = await by_check(settings)
    assert results["partitions"].state == "ok"
    assert "locks" not in results
    now = doctor.now_ms()
    monkeypatch.setattr(doctor, "now_ms", lambda: now + 10_000 * DAY)
    monkeypatch.setattr(doctor, "QUERIES_OF_ALL_DAYS", 10_000)
    results = await by_check(settings)
    assert results["partitions"].state == results["locks"].state == "warning"
    assert results["locks"].remedy.startswith("set max_locks_per_transaction to ")


async def test_the_version_and_the_schema_are_named(settings):
    results = await by_check(settings)
    assert results["database"].detail.startswith("PostgreSQL ")
    assert results["schema"].state == "ok"


async def test_an_empty_database_asks_for_the_upgrade(settings, empty_url):
    result = (await by_check(msgspec.structs.replace(settings, database_url=empty_url)))["schema"]
    assert result.state == "error"
    assert "the schema is empty" in result.detail
