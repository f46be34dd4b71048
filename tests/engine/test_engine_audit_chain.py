"""The audit log's chain: what is deleted, changed, inserted or moved is named; erasing a customer breaks nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from engine.accounts.audit_chain import ChainCheck, read_end
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Invalid
from engine.model.history import AuditFilter
from engine.store import audit, drafts
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from tests import factories
from tests.marks import SQLITE_FIRST
from web.http import logs

pytestmark = pytest.mark.anyio

PLACEMENT = "payment_methods"
REASON = "Anna Weber called about her order"


def note(shop: Any, subject: str = "a test", **more: Any) -> NewEntry:
    return NewEntry(shop.actor(), now_ms(), "noted", subject, **more)


async def add(database: Database, *entries: NewEntry) -> None:
    async with database.write() as connection:
        for entry in entries:
            await audit.write(connection, entry)


async def change(shop: Any, *statements: str) -> None:
    async with shop.engine.database.write() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"merchant_id": shop.id} if ":merchant_id" in statement else {})


async def check(shop: Any) -> ChainCheck:
    return await shop.engine.audit_chain.check(shop.id)


async def numbers(shop: Any) -> list[int]:
    async with shop.engine.database.read() as connection:
        query = text("SELECT number FROM audit WHERE merchant_id = :merchant_id ORDER BY id")
        return list((await connection.execute(query, {"merchant_id": shop.id})).scalars())


async def test_entries_are_numbered_and_verified(shop):
    written = await check(shop)
    assert written.problem == ""
    assert await numbers(shop) == list(range(1, written.entries + 1))
    await add(
        shop.engine.database, note(shop, before={"a": "ü\u2028"}, after=[1, 2.5, None], reason="why", emergency=True)
    )
    assert (await check(shop)).entries == written.entries + 1
    assert (await shop.engine.audit_chain.check(10**6)).entries == 0


OWN = "WHERE merchant_id = :merchant_id"
LAST = f"SELECT number FROM audit_heads {OWN}"
TAMPERING = {
    "deleted": ((f"DELETE FROM audit {OWN} AND number = 3",), 3, "missing"),
    "first deleted": ((f"DELETE FROM audit {OWN} AND number = 1",), 1, "missing"),
    "last deleted": (
        (f"DELETE FROM audit {OWN} AND number = (SELECT number FROM audit_heads {OWN})",),
        None,
        "missing",
    ),
    "all deleted": ((f"DELETE FROM audit {OWN}",), 1, "missing"),
    "action changed": ((f"UPDATE audit SET action = 'read' {OWN} AND number = 2",), 2, "changed"),
    "actor changed": ((f"UPDATE audit SET who = 'x' {OWN} AND number = 2",), 2, "changed"),
    "time changed": ((f"UPDATE audit SET at = at + 1 {OWN} AND number = 2",), 2, "changed"),
    "reason changed": ((f"UPDATE audit SET why = 'x' {OWN} AND number = 4",), 4, "changed"),
    "document changed": ((f"UPDATE audit SET after = NULL {OWN} AND number = 2",), 2, "changed"),
    "emergency hidden": ((f"UPDATE audit SET emergency = NOT emergency {OWN} AND number = 2",), 2, "changed"),
    "digest changed": ((f"UPDATE audit SET digest = 'x' {OWN} AND number = 2",), 2, "changed"),
    "swapped": (
        (
            f"UPDATE audit SET number = -2 {OWN} AND number = 2",
            f"UPDATE audit SET number = 2 {OWN} AND number = 3",
            f"UPDATE audit SET number = 3 {OWN} AND number = -2",
        ),
        2,
        "does not belong here",
    ),
    "shown elsewhere": ((f"UPDATE audit SET id = id + 100000 {OWN} AND number = 2",), 3, "moved"),
    "inserted": (
        (
            "INSERT INTO audit (merchant_id, at, who, action, subject, why, emergency, number, commitment, digest) "
            f"SELECT merchant_id, at, who, action, subject, why, emergency, number + 1, '', digest FROM audit {OWN} "
            f"AND number = ({LAST})",
        ),
        None,
        "does not belong here",
    ),
    "end set back": (
        (
            f"DELETE FROM audit {OWN} AND number = ({LAST})",
            f"UPDATE audit_heads SET number = number - 1 {OWN}",
        ),
        None,
        "not the last entry",
    ),
}


@SQLITE_FIRST
@pytest.mark.parametrize("tampering", TAMPERING)
async def test_the_first_entry_that_differs_is_named(shop, tampering):
    statements, number, problem = TAMPERING[tampering]
    await add(shop.engine.database, *(note(shop, f"thing {each}") for each in range(5)))
    before = await check(shop)
    await change(shop, *statements)
    after = await check(shop)
    assert problem in after.problem
    assert number in (None, after.number)
    assert after.entries < before.entries or number is None


async def test_a_chain_that_was_computed_anew_lacks_the_noted_end(shop):
    noted = read_end((await check(shop)).last)
    await add(shop.engine.database, note(shop))
    assert (await shop.engine.audit_chain.check(shop.id, end=noted)).problem == ""
    await change(shop, f"DELETE FROM audit {OWN}", f"DELETE FROM audit_heads {OWN}")
    await add(shop.engine.database, *(note(shop) for _ in range(noted.number + 3)))
    assert (await check(shop)).problem == "", "nothing in the database tells"
    anew = await shop.engine.audit_chain.check(shop.id, end=noted)
    assert (anew.number, anew.problem) == (noted.number, "is missing, or not as you noted it")


@pytest.mark.parametrize("noted", ["", "x", "12", "-1:" + "a" * 64, "1:" + "a" * 63, "²:" + "a" * 64])
def test_invalid_head_is_refused(noted):
    with pytest.raises(Invalid, match="number and the digest"):
        read_end(noted)


async def test_concurrent_processes_write_one_chain(shop, start_engine):
    engines = [shop.engine, *[await start_engine() for _ in range(3)]]
    before = (await check(shop)).entries
    together = asyncio.Barrier(len(engines))

    async def work(database: Database) -> None:
        await together.wait()
        for each in range(10):
            await add(database, note(shop, f"thing {each}"))

    await asyncio.gather(*(work(engine.database) for engine in engines))
    result = await check(shop)
    assert (result.problem, result.entries) == ("", before + 40)
    assert await numbers(shop) == list(range(1, before + 41))


async def test_rolled_back_change_leaves_no_gap(shop):
    async def fail() -> None:
        async with shop.engine.database.write() as connection:
            await audit.write(connection, note(shop))
            raise RuntimeError

    before = (await check(shop)).entries
    with pytest.raises(RuntimeError):
        await fail()
    await add(shop.engine.database, note(shop))
    result = await check(shop)
    assert (result.problem, result.entries) == ("", before + 1)


async def test_each_side_has_a_chain_of_its_own(shop):
    other, test = await shop.engine.accounts.add_merchant("other", "Other")
    for merchant in (other, test):
        assert (await shop.engine.audit_chain.check(merchant.id)).entries == 1
    await change(shop, f"UPDATE audit SET merchant_id = {other.id}, number = 2 {OWN} AND number = 1")
    assert "changed" in (await shop.engine.audit_chain.check(other.id)).problem
    assert (await shop.engine.audit_chain.check(test.id)).problem == ""


async def test_erasure_removes_reasons_and_keeps_the_chain(shop):
    actor = Actor(shop.id, "ada@shop.example")
    for customer in ("anna", "ben"):
        await shop.engine.customer_look_up.read(actor, customer, reason=f"{REASON} {customer}")
    request = await shop.engine.privacy_requests.take_in(actor, "anna", "correct")
    await shop.engine.privacy_requests.close(actor, request.id, "refused", explanation=REASON)
    await shop.engine.eraser.erase(shop.id, "anna")
    result = await check(shop)
    assert (result.problem, result.erased) == ("", 2)
    shown = await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(subject="a customer"))
    assert [(entry.reason, entry.is_erased) for entry in shown] == [(f"{REASON} ben", False), ("", True)]
    async with shop.engine.database.read() as connection:
        rows = (await connection.execute(text("SELECT customer, why FROM audit_customers"))).all()
    assert rows == [(shop.engine.hasher(shop.id, "ben"), f"{REASON} ben")]


async def test_changed_reason_of_an_entry_is_detected(shop):
    await shop.engine.customer_look_up.read(shop.actor(), "anna", reason=REASON)
    for column, value in (("why", "no reason"), ("customer", shop.engine.hasher(shop.id, "ben")), ("salt", "00")):
        async with shop.engine.database.write() as connection:
            before = await connection.scalar(text(f"SELECT {column} FROM audit_customers"))
            await connection.execute(text(f"UPDATE audit_customers SET {column} = '{value}'"))
        assert "about a customer" in (await check(shop)).problem
        await change(shop, f"UPDATE audit_customers SET {column} = '{before}'")
    assert (await check(shop)).problem == ""


async def test_export_lists_look_ups_of_the_customer(shop):
    await shop.engine.customer_look_up.read(Actor(shop.id, "ada@shop.example"), "anna", reason=REASON)
    sections = {section.name: section.rows for section in await shop.engine.customer_export.sections(shop.id, "anna")}
    (row,) = sections["access"]
    assert (row["action"], row["subject"], row["reason"]) == ("looked up", "a customer", REASON)
    assert "ada@shop.example" not in str(sections["access"])
    others = {section.name: section.rows for section in await shop.engine.customer_export.sections(shop.id, "ben")}
    assert others["access"] == []


BLOCKED_LOCKS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
@pytest.mark.postgres
async def test_a_publication_and_a_change_of_the_draft_wait_in_the_same_order(shop):
    """Both lock the draft and the end of the chain; in another order, PostgreSQL would end one of them."""
    rule = factories.rule({"boost": {"candidates": ["klarna"], "factor": 1.5}})
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, rule, revision=None)
    draft = await shop.engine.drafts.get(shop.id, PLACEMENT)
    async with shop.engine.database.write() as connection:
        await drafts.expect(connection, shop.id, PLACEMENT, draft.head.revision)
        publication = asyncio.create_task(
            shop.engine.releases.publish(shop.actor(), PLACEMENT, revision=draft.head.revision, reason="")
        )
        while not await connection.scalar(text(BLOCKED_LOCKS)):
            await asyncio.sleep(0.01)
        await audit.write(connection, note(shop))
    await publication
    assert (await check(shop)).problem == ""


async def test_changed_heads_are_written_to_the_server_log(shop, capsys):
    logs.configure("info")

    async def logged() -> list[str]:
        await shop.engine.audit_chain.log_ends()
        return [line for line in capsys.readouterr().err.splitlines() if "end of the audit log" in line]

    assert len(await logged()) == 2, "of the live and the test side"
    assert await logged() == []
    await add(shop.engine.database, note(shop))
    (line,) = await logged()
    assert (await check(shop)).last in line
