"""Tiers: limits by name, which merchants have them, and exports that are counted by month and never twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.clock import now_ms, simulated_time
from engine.model.documents.tier import Tier, month_of
from engine.model.errors import Conflict, LimitReached, NotFound
from engine.model.timestamps import DAY, to_ms
from tests.mailing import MailingShop

pytestmark = pytest.mark.anyio
NOVEMBER = to_ms(datetime(2026, 11, 10, 12, tzinfo=UTC))
SMALL = {"small": Tier(exports_a_month=2, scheduled_mail=False)}


async def give(shop, document=SMALL, name="small"):
    await shop.engine.tiers.replace(document, actor_name="tap2")
    await shop.engine.tiers.assign("shop", name, actor_name="tap2")
    return (await shop.engine.accounts.merchants("shop"))[0]


async def export(shop, merchant):
    async with shop.engine.tiers.export(merchant):
        await asyncio.sleep(0)


async def test_a_month_has_so_many_exports_and_the_next_begins_anew(empty_shop):
    merchant, now = await give(empty_shop), NOVEMBER
    with simulated_time(lambda: now):
        await export(empty_shop, merchant)
        await export(empty_shop, merchant)
        message = "2 exports a month; the next month begins on 1 December 2026"
        with pytest.raises(LimitReached, match=message) as refusal:
            await export(empty_shop, merchant)
        begin = to_ms(datetime(2026, 12, 1, tzinfo=ZoneInfo("Europe/Berlin")))
        assert refusal.value.retry_after == (begin - NOVEMBER) // 1000
        assert (await empty_shop.engine.tiers.use(merchant)).exports == 2
        now = begin - 1
        with pytest.raises(LimitReached):
            await export(empty_shop, merchant)
        now = begin
        await export(empty_shop, merchant)
        assert (await empty_shop.engine.tiers.use(merchant)).exports == 1


async def test_an_export_that_fails_is_not_counted(empty_shop):
    merchant = await give(empty_shop)
    with pytest.raises(ZeroDivisionError):
        async with empty_shop.engine.tiers.export(merchant):
            raise ZeroDivisionError
    assert (await empty_shop.engine.tiers.use(merchant)).exports == 0


async def test_exports_at_once_do_not_exceed_the_limit(empty_shop):
    merchant = await give(empty_shop)
    ended = await asyncio.gather(*(export(empty_shop, merchant) for _ in range(10)), return_exceptions=True)
    assert sorted(str(type(each).__name__) for each in ended) == ["LimitReached"] * 8 + ["NoneType"] * 2


async def test_without_a_limit_requests_are_not_counted(empty_shop):
    merchant = (await empty_shop.engine.accounts.merchants("shop"))[0]
    await export(empty_shop, merchant)
    assert (await empty_shop.engine.tiers.use(merchant)).exports == 0
    merchant = await give(empty_shop, {"mail": Tier(scheduled_mail=False)}, "mail")
    await export(empty_shop, merchant)
    assert (await empty_shop.engine.tiers.use(merchant)).exports == 0


async def test_a_tier_that_a_merchant_has_stays(empty_shop):
    await give(empty_shop)
    tiers = empty_shop.engine.tiers
    with pytest.raises(Conflict, match="the merchant “shop” has the tier “small”"):
        await tiers.replace({"large": Tier()}, actor_name="tap2")
    assert await tiers.all() == SMALL
    with pytest.raises(NotFound, match="there is no tier “large”"):
        await tiers.assign("shop", "large", actor_name="tap2")
    with pytest.raises(NotFound, match="there is no merchant “nobody”"):
        await tiers.assign("nobody", "small", actor_name="tap2")


async def test_the_merchant_reads_changes_in_its_audit_log(empty_shop):
    await give(empty_shop)
    await empty_shop.engine.tiers.replace({"small": Tier(exports_a_month=5)}, actor_name="tap2")
    entries = await empty_shop.engine.catalogue.audit(empty_shop.id, limit=2)
    assert [(entry.action, entry.subject) for entry in entries] == [("changed", "tier of shop")] * 2
    changed, assigned = entries
    assert '"exports_a_month":2' in changed.before
    assert '"exports_a_month":5' in changed.after
    assert (assigned.before, assigned.after) == ('{"tier":""}', '{"tier":"small"}')


async def test_a_tier_without_reports_by_mail_skips_their_days(shop):
    post = MailingShop(shop, now_ms())
    with simulated_time(lambda: post.now):
        await skip_days(shop, post)


async def skip_days(shop, post):
    await post.add()
    await give(shop)
    await post.run(to=post.now + 3 * DAY)
    assert post.server.messages == []
    [schedule] = await shop.engine.mail.schedules.all(shop.id)
    assert schedule.next_at is not None
    assert schedule.next_at > post.now, "days do not pile up"
    with pytest.raises(Conflict, match="no reports by mail"):
        await shop.engine.mail.schedules.test(shop.actor(), schedule.id, "ada@shop.example")
    await shop.engine.tiers.assign("shop", "", actor_name="tap2")
    await post.run(to=post.now + DAY)
    assert len(post.server.messages) == 1, "only the day that came since"


@pytest.mark.parametrize(
    ("zone", "moment", "name"),
    [
        ("Europe/Berlin", datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "2027-01"),
        ("America/New_York", datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "2026-12"),
    ],
)
async def test_a_month_is_that_of_the_time_zone(zone, moment, name):
    month = month_of(zone, to_ms(moment))
    assert month.name == name
    end = datetime.fromtimestamp(month.end / 1000, ZoneInfo(zone))
    assert (end.day, end.hour) == (1, 0)
