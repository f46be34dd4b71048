"""Keys of the API: kept as hashes, rotated with an overlap, revoked at once, each for its own side."""

from __future__ import annotations

import asyncio

import pytest

from engine.accounts import accounts as accounts_module
from engine.clock import now_ms
from engine.model.errors import Conflict, NotFound
from engine.model.history import AuditFilter
from engine.model.timestamps import DAY
from tests.engine.stored_texts import texts_of

pytestmark = pytest.mark.anyio


async def test_concurrent_rotations_create_one_successor(shop):
    accounts = shop.engine.accounts
    old, _ = await accounts.create_key(shop.merchant, "secret", "web", actor_name="x")
    rotations = (accounts.rotate_key(shop.merchant, old.id, overlap_hours=1, actor_name="x") for _ in range(10))
    results = await asyncio.gather(*rotations, return_exceptions=True)
    assert [type(result) for result in results].count(Conflict) == 9


async def test_a_key_opens_its_own_side_and_is_kept_only_as_a_hash(shop):
    accounts = shop.engine.accounts
    test_side = await accounts.merchant("shop", "test")
    plains = {}
    for side in (shop.merchant, test_side):
        for kind in ("secret", "publishable"):
            key, plain = await accounts.create_key(side, kind, "Checkout", actor_name="ada")
            plains[plain] = (side, kind)
            assert plain.startswith(f"{'sk' if kind == 'secret' else 'pk'}_{side.mode}_")
            assert key.hint[:12] == plain[:12]
    for plain, (side, kind) in plains.items():
        access = accounts.access(plain)
        assert (access.merchant, access.may_configure) == (side, kind == "secret")
    kept = await texts_of(shop.engine)
    assert not any(plain in text for plain in plains for text in kept)
    assert not any(plain.rpartition("_")[2][8:-8] in text for plain in plains for text in kept)
    assert accounts.access("sk_live_" + "0" * 48) is None
    assert accounts.access("") is None


async def test_rotated_key_works_until_the_overlap_ends(shop, monkeypatch):
    accounts = shop.engine.accounts
    old, old_plain = await accounts.create_key(shop.merchant, "secret", "Checkout", actor_name="ada")
    new, new_plain = await accounts.rotate_key(shop.merchant, old.id, overlap_hours=24, actor_name="ada")
    assert accounts.access(old_plain).key.id == old.id
    assert accounts.access(new_plain).key.id == new.id
    assert (new.kind, new.name) == (old.kind, old.name)
    later = now_ms() + DAY
    monkeypatch.setattr(accounts_module, "now_ms", lambda: later)
    assert accounts.access(old_plain) is None
    assert accounts.access(new_plain)


async def test_second_rotation_does_not_extend_the_overlap(shop):
    accounts = shop.engine.accounts
    old, _ = await accounts.create_key(shop.merchant, "secret", "Checkout", actor_name="ada")
    await accounts.rotate_key(shop.merchant, old.id, overlap_hours=1, actor_name="ada")
    with pytest.raises(Conflict):
        await accounts.rotate_key(shop.merchant, old.id, overlap_hours=700, actor_name="ada")
    kept = {key.id: key for key in await accounts.keys(shop.id)}
    assert kept[old.id].expires_at <= now_ms() + DAY // 24


async def test_revoked_key_is_refused_and_cannot_be_rotated(shop):
    accounts = shop.engine.accounts
    key, plain = await accounts.create_key(shop.merchant, "publishable", "Browser", actor_name="ada")
    await accounts.revoke_key(shop.merchant, key.id, actor_name="ada")
    assert accounts.access(plain) is None
    with pytest.raises(NotFound):
        await accounts.rotate_key(shop.merchant, key.id, overlap_hours=1, actor_name="ada")


async def test_an_older_load_does_not_bring_a_revoked_key_back(shop, monkeypatch):
    key, plain = await shop.engine.accounts.create_key(shop.merchant, "secret", "x", actor_name="ada")
    read, goes_on = accounts_module.accounts.all_merchants, asyncio.Event()

    async def slow(connection):
        await goes_on.wait()
        return await read(connection)

    with monkeypatch.context() as patched:
        patched.setattr(accounts_module.accounts, "all_merchants", slow)
        older = asyncio.create_task(shop.engine.accounts.load_keys())
        await asyncio.sleep(0.05)
    revoking = asyncio.create_task(shop.engine.accounts.revoke_key(shop.merchant, key.id, actor_name="ada"))
    await asyncio.sleep(0.05)
    goes_on.set()
    await asyncio.gather(older, revoking)
    assert shop.engine.accounts.access(plain) is None


async def test_key_of_another_merchant_is_not_found(shop):
    accounts = shop.engine.accounts
    other, _ = await accounts.add_merchant("other", "Other")
    key, plain = await accounts.create_key(shop.merchant, "secret", "Checkout", actor_name="ada")
    for change in (
        accounts.revoke_key(other, key.id, actor_name="eve"),
        accounts.rotate_key(other, key.id, overlap_hours=1, actor_name="eve"),
    ):
        with pytest.raises(NotFound):
            await change
    assert accounts.access(plain)
    assert await accounts.keys(other.id) == []


async def test_audit_log_lists_key_changes_without_the_key(shop):
    accounts = shop.engine.accounts
    key, plain = await accounts.create_key(shop.merchant, "secret", "Checkout", actor_name="ada")
    await accounts.rotate_key(shop.merchant, key.id, overlap_hours=1, actor_name="bob")
    await accounts.revoke_key(shop.merchant, key.id, actor_name="ada")
    entries = await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(subject="key"))
    assert [(item.actor, item.action) for item in entries] == [
        ("ada", "revoked"),
        ("bob", "rotated"),
        ("ada", "created"),
    ]
    assert not any(plain in str(entry) for entry in entries)
