"""Keys that sign take the place of the customer key while servers run, and what was signed before ends in time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from engine.accounts import data_keys
from engine.accounts.customer_key import UnusableKey
from engine.accounts.data_keys import SigningKeys
from engine.clock import now_ms
from engine.customers.center_links import CenterLinks, CenterVisit
from engine.decisions.tokens import SnapshotTicket, Tokens
from engine.installation_keys import rotate_master_key
from engine.model.errors import Conflict
from engine.model.timestamps import DAY, MINUTE

pytestmark = pytest.mark.anyio

VISIT = CenterVisit(merchant_id=1, customer_id="anna", language="de", made_by="tests", expires_at=0)
TICKET = SnapshotTicket("payment_methods", 1, {}, 0, 1, "ab", 9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time by which keys are chosen: `clock.later` ms after the true one."""
    clock = SimpleNamespace(later=0)
    monkeypatch.setattr(data_keys, "now_ms", lambda: now_ms() + clock.later)
    return clock


def thief(engine: Any) -> SimpleNamespace:
    """Return the forgeries of an attacker with the customer key."""
    with open(f"{engine.settings.data}/customer.key", "rb") as file:
        keys = SigningKeys(file.read())
    return SimpleNamespace(tokens=Tokens(keys), center_links=CenterLinks(keys))


def signed(maker: Any) -> dict[str, str]:
    """Return one text of each kind that a server, or a thief, signs."""
    return {
        "customer": maker.tokens.for_customer(1, "anna", expires=now_ms() + DAY),
        "decision": maker.tokens.for_decision(1, "k", "d", now=now_ms(), closes_at=now_ms() + DAY),
        "answers": maker.tokens.for_answers(1, "k", "q", expires=now_ms() + DAY),
        "snapshot": maker.tokens.for_snapshot(1, "k", TICKET),
        "link": maker.center_links.seal("link", VISIT),
    }


def accepted(engine: Any, texts: dict[str, str]) -> set[str]:
    """Return the kinds of texts that a server accepts."""
    tokens, now = engine.tokens, now_ms()
    results = {
        "customer": tokens.proves_customer(texts["customer"], 1, "anna", now=now),
        "decision": tokens.proves_decision(texts["decision"], 1, "k", "d", now=now),
        "answers": tokens.proves_answers(texts["answers"], 1, "k", "q", now=now),
        "snapshot": tokens.snapshot(texts["snapshot"], 1, "k") == TICKET,
        "link": engine.center_links.open("link", texts["link"]) == VISIT,
    }
    return {kind for kind, is_accepted in results.items() if is_accepted}


ALL = {"customer", "decision", "answers", "snapshot", "link"}


async def test_a_new_key_takes_over_and_older_texts_end(engine, start_engine, clock):
    other = await start_engine()
    older, stolen = signed(engine), thief(engine)
    await rotate_master_key(engine.settings, engine.data_keys, new=True)
    key = await engine.data_keys.renew_signing()
    assert accepted(engine, signed(other)) == accepted(other, signed(engine)) == ALL, "the other has not loaded it yet"
    await other.follow()
    clock.later = MINUTE
    newer = signed(engine)
    for server in (engine, other, await start_engine()):
        assert accepted(server, older) == accepted(server, newer) == accepted(server, signed(other)) == ALL
    assert accepted(stolen, newer) == set(), "the customer key does not sign any more"
    clock.later = key.older_until - now_ms() - MINUTE
    assert accepted(other, older) == ALL, "a day is not over yet"
    clock.later = key.older_until - now_ms() + 1
    assert accepted(other, older) == accepted(other, signed(stolen)) == set()
    assert accepted(other, newer) == ALL


async def test_leaked_key_is_useless_after_a_minute(engine, clock):
    stolen = thief(engine)
    await rotate_master_key(engine.settings, engine.data_keys, new=True)
    await engine.data_keys.renew_signing()
    clock.later = 2 * MINUTE
    assert accepted(engine, signed(stolen)) == ALL
    before = signed(engine)
    await engine.data_keys.renew_signing(at_once=True)
    clock.later = 4 * MINUTE
    assert accepted(engine, signed(stolen)) == accepted(engine, before) == set()
    assert accepted(engine, signed(engine)) == ALL


async def test_a_master_key_of_the_customer_key_is_refused(engine):
    with pytest.raises(Conflict, match="run `tap2 keys rotate` first"):
        await engine.data_keys.renew_signing()


async def test_concurrent_processes_create_one_key(engine, start_engine):
    await rotate_master_key(engine.settings, engine.data_keys, new=True)
    several = [await start_engine() for _ in range(2)]
    results = await asyncio.gather(*(each.data_keys.renew_signing() for each in several), return_exceptions=True)
    assert 1 <= sum(not isinstance(each, BaseException) for each in results) <= 2
    for each in (engine, *several):
        await each.follow()
        assert each.data_keys.signing.secrets(b"") == engine.data_keys.signing.secrets(b"")


async def test_a_new_master_key_wraps_signing_keys_too(engine, start_engine, clock):
    await rotate_master_key(engine.settings, engine.data_keys, new=True)
    await engine.data_keys.renew_signing()
    clock.later = MINUTE
    texts = signed(engine)
    rotation = await rotate_master_key(engine.settings, engine.data_keys, new=True)
    assert rotation.rewrapped == rotation.keys
    async with engine.database.read() as connection:
        tables = ("data_keys", "signing_keys")
        masters = {row for each in tables for row in await connection.scalars(text(f"SELECT master FROM {each}"))}
    assert len(masters) == 1
    assert accepted(await start_engine(), texts) == ALL


async def test_a_data_key_is_no_signing_key(engine, start_engine):
    """An attacker who writes to the database cannot replace a signing key by a known key of another kind."""
    await rotate_master_key(engine.settings, engine.data_keys, new=True)
    await engine.data_keys.renew_signing()
    async with engine.database.write() as connection:
        copy = "UPDATE signing_keys SET wrapped = (SELECT max(wrapped) FROM data_keys)"
        await connection.execute(text(copy))
    with pytest.raises(UnusableKey, match="of signing key 1 is missing"):
        await start_engine()
