"""The configuration cache equals the database after every edit, in this process or another."""

from __future__ import annotations

import msgspec
import pytest

from engine.configuration import configuration_cache
from engine.model.placement import ListDocument
from tests.factories import rule

pytestmark = pytest.mark.anyio
PLACEMENT = "payment_methods"


def index_of(configuration):
    return {
        (item.kind, item.placement, item.id): (item.version, item.document) for item in configuration.inside(PLACEMENT)
    }


async def same_as_stored(shop, start_engine):
    """A process that has just been started reads everything."""
    ours = await shop.engine.catalogue.configuration(shop.id)
    theirs = await (await start_engine()).catalogue.configuration(shop.id)
    assert index_of(ours) == index_of(theirs)
    assert (ours.revision, ours.review, ours.documents("list")) == (
        theirs.revision,
        theirs.review,
        theirs.documents("list"),
    )
    return ours


async def test_cache_equals_the_database_after_every_edit(shop, start_engine):
    catalogue = shop.engine.catalogue
    await shop.create("rule", rule({"exclude": ["card"]}), rule({"exclude": ["card"]}, id="r2"))
    await same_as_stored(shop, start_engine)
    await catalogue.update(shop.actor("ada"), "rule", PLACEMENT, "r1", rule({"exclude": ["ideal"]}), version=1)
    await shop.create("list", ListDocument(name="vip", values=("gold",)))
    await same_as_stored(shop, start_engine)
    await catalogue.delete(shop.actor("ada"), "rule", PLACEMENT, "r1", version=None)
    await shop.create("rule", rule({"exclude": ["paypal"]}))
    configuration = await same_as_stored(shop, start_engine)
    assert configuration.get("rule", PLACEMENT, "r1").document.effects == ({"exclude": ["paypal"]},)


async def test_edits_of_another_process_are_visible_at_once(shop, start_engine):
    other = await start_engine()
    await shop.create("rule", rule({"exclude": ["card"]}))
    assert index_of(await other.catalogue.configuration(shop.id))["rule", PLACEMENT, "r1"][0] == 1
    await shop.engine.catalogue.update(
        shop.actor("ada"), "rule", PLACEMENT, "r1", rule({"exclude": ["ideal"]}), version=1
    )
    version, document = index_of(await other.catalogue.configuration(shop.id))["rule", PLACEMENT, "r1"]
    assert (version, document.effects) == (2, ({"exclude": ["ideal"]},))
    merchant = await shop.engine.accounts.merchant("shop")
    await other.accounts.set_review(merchant, on=True, actor_name="bob")
    assert (await shop.engine.catalogue.configuration(shop.id)).review


async def test_only_changed_documents_are_decoded_again(shop, monkeypatch):
    await shop.create("rule", *(rule({"exclude": ["card"]}, id=f"r{n}", priority=n) for n in range(50)))
    await shop.engine.catalogue.configuration(shop.id)
    decoded = []
    decode = configuration_cache.decode
    monkeypatch.setattr(configuration_cache, "decode", lambda *written: decoded.append(written) or decode(*written))
    await shop.engine.catalogue.configuration(shop.id)
    assert decoded == []
    changed = rule({"exclude": ["ideal"]}, id="r7")
    await shop.engine.catalogue.update(shop.actor("ada"), "rule", PLACEMENT, "r7", changed, version=None)
    await shop.engine.catalogue.configuration(shop.id)
    assert [msgspec.json.decode(text)["id"] for _, text in decoded] == ["r7"]


async def test_many_merchants_do_not_fill_the_memory(shop, monkeypatch):
    monkeypatch.setattr(configuration_cache, "MOST_KEPT", 2)
    others = [(await shop.engine.accounts.add_merchant(f"other{n}", "Other"))[0].id for n in range(3)]
    cache = configuration_cache.ConfigurationCache(shop.engine.database)
    for merchant in (*others, shop.id, others[0]):
        configuration = await cache.load(merchant)
        assert bool(configuration.placements) == (merchant == shop.id)
        assert len(cache._cache) <= 2
