"""A sample of complete decisions: of the whole time, bounded whatever the log's size, read once, and read rightly."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from engine.clock import now_ms
from engine.insights import decision_sample
from engine.insights.decision_sample import SampleReader
from engine.model.errors import NotFound
from engine.model.timestamps import DAY, MINUTE, first_id_of
from engine.store import decisions, rollups
from tests.factories import candidate, order, placement
from tests.marks import SQLITE_FIRST

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]

KEY = "payment_methods"
HOUR = 60 * MINUTE


async def with_past(shop, *, hours=24 * 29, each=12):
    """Copy a complete decision into every hour of the last weeks; return the reader and the time of the newest."""
    await shop.add_placement(placement(credit="cascade"), candidate("card"), candidate("paypal", position=1))
    made = await shop.decide("c_1")
    await shop.engine.recorder.outcomes([shop.outcome(made, "converted", order(made.decision)[0], amount=4_200)])
    await shop.engine.recorder.close_due(now_ms() + 2 * placement().window_minutes * MINUTE)
    newest = now_ms() - HOUR
    async with shop.engine.database.write() as connection:
        row = await decisions.find(connection, shop.id, made.decision.decision_id)
        count = each if callable(each) else lambda _: each
        times = [newest - hour * HOUR - number * MINUTE for hour in range(hours) for number in range(count(hour))]
        copies = [
            msgspec.structs.replace(
                row, id=f"{first_id_of(time)}{number:020d}", decided_at=time, customer=f"{number % 40:032d}"
            )
            for number, time in enumerate(times)
        ]
        await decisions.append(connection, copies)
        await rollups.add_firsts(connection, {(shop.id, KEY, time // MINUTE, "card"): 1 for time in times})
    return SampleReader(shop.engine.database, shop.engine.live), newest


def readings(monkeypatch):
    """Return the list of all slices that the sample reads from now on; jobs read the log too."""
    spans = []
    real = decisions.last_between

    async def counted(connection, merchant_id, key, span, *, limit):
        spans.append((*span, limit))
        return await real(connection, merchant_id, key, span, limit=limit)

    monkeypatch.setattr(decision_sample, "decisions", SimpleNamespace(last_between=counted))
    return spans


@SQLITE_FIRST
async def test_the_sample_is_of_all_days_and_of_all_hours(empty_shop, monkeypatch):
    monkeypatch.setattr(decision_sample, "MOST_READ", 1_000)
    reader, newest = await with_past(empty_shop)
    sample = await reader.of(empty_shop.id, KEY, days=30)
    assert sample.total > 8_000
    # One in sixteen.
    assert 450 < len(sample.decisions) <= 640
    times = [each.decided_at for each in sample.decisions]
    assert times == sorted(times)
    days = {each.day for each in sample.decisions}
    assert len(days) >= 29
    assert len({time % DAY // HOUR for time in times}) >= 20
    assert times[-2] <= newest


@SQLITE_FIRST
async def test_no_more_is_read_of_a_larger_log(empty_shop, monkeypatch):
    monkeypatch.setattr(decision_sample, "MOST_READ", 310)
    reader, _ = await with_past(empty_shop, each=20)
    spans = readings(monkeypatch)
    sample = await reader.of(empty_shop.id, KEY, days=30)
    assert len(spans) <= 504
    assert sum(limit for *_, limit in spans) <= 330
    assert 155 <= len(sample.decisions) <= 330


async def test_small_log_is_read_completely(empty_shop, monkeypatch):
    reader, newest = await with_past(empty_shop, hours=12, each=60)
    for seconds in range(0, 180, 20):
        monkeypatch.setattr(decision_sample, "now_ms", lambda seconds=seconds: newest + HOUR + seconds * 1_000)
        sample = await reader.of(empty_shop.id, KEY, days=30)
        assert len(sample.decisions) >= 720


@SQLITE_FIRST
async def test_a_mean_of_the_sample_is_that_of_all_decisions(empty_shop, monkeypatch):
    """Nights are quiet, days have ten times the checkouts, which is what a mean must say."""
    monkeypatch.setattr(decision_sample, "MOST_READ", 800)
    reader, newest = await with_past(empty_shop, hours=24 * 14, each=lambda hour: 20 if hour % 24 < 12 else 2)
    sample = await reader.of(empty_shop.id, KEY, days=30)
    assert len(sample.decisions) < sample.total / 4
    of_the_day = sum((newest - each.decided_at) // HOUR % 24 < 12 for each in sample.decisions)
    assert of_the_day / len(sample.decisions) == pytest.approx(10 / 11, abs=0.03)


async def test_a_complete_slice_is_read_once(empty_shop, monkeypatch):
    reader, _ = await with_past(empty_shop, hours=24 * 8, each=2)
    first = await reader.of(empty_shop.id, KEY, days=7)
    spans = readings(monkeypatch)
    again = await reader.of(empty_shop.id, KEY, days=7)
    assert again.decisions == first.decisions
    assert spans == []
    monkeypatch.setattr(decision_sample, "now_ms", lambda: now_ms() + 2 * MINUTE)
    await reader.of(empty_shop.id, KEY, days=7)
    # Only slices that may still change are read again, and they are the newest.
    assert 1 <= len(spans) <= 2
    monkeypatch.setattr(decision_sample, "now_ms", lambda: now_ms() + 2 * HOUR)
    spans.clear()
    await reader.of(empty_shop.id, KEY, days=7)
    assert len(spans) >= 60


async def test_kept_slices_are_limited(empty_shop, monkeypatch):
    reader, _ = await with_past(empty_shop, hours=24, each=1)
    monkeypatch.setattr(decision_sample, "MOST_KEPT", 10)
    await reader.of(empty_shop.id, KEY, days=30)
    assert len(reader._cache) == 10


async def test_previous_period_ends_where_the_period_starts(empty_shop):
    reader, _ = await with_past(empty_shop, hours=24 * 16, each=2)
    now, before = [await reader.of(empty_shop.id, KEY, days=7, back=back) for back in (0, 1)]
    assert before.end == pytest.approx(now.begin, abs=MINUTE)
    assert before.decisions
    assert before.decisions[-1].decided_at < now.decisions[0].decided_at
    assert (now.days, before.days) == (7, 7)


async def test_decision_is_read_with_candidates_and_outcomes(empty_shop):
    await empty_shop.add_placement(
        placement(credit="cascade"), candidate("card"), candidate("paypal", position=1),
        candidate("ideal", position=2, countries=("NL",)),
    )  # fmt: skip
    bought, left = await empty_shop.decide("c_1", geo_country="DE"), await empty_shop.decide(None, geo_country="NL")
    first = order(bought.decision)[0]
    rows = [
        empty_shop.outcome(bought, "converted", first, amount=4_200),
        empty_shop.outcome(left, "abandoned", order(left.decision)[0]),
    ]
    await empty_shop.engine.recorder.outcomes(rows)
    await empty_shop.engine.recorder.close_due(now_ms() + 2 * placement().window_minutes * MINUTE)
    reader = SampleReader(empty_shop.engine.database, empty_shop.engine.live)
    sample = await reader.of(empty_shop.id, KEY, days=30)
    german, dutch = sample.decisions
    assert german.offered == {"card", "paypal"}
    assert dutch.offered == {"card", "paypal", "ideal"}
    assert german.impressions == {first: True}
    assert (german.bought, german.revenue, dutch.bought, dutch.revenue) == (True, 4_200, False, 0)
    assert not any(dutch.impressions.values())
    assert dutch.customer != german.customer
    assert german.held_back is None
    assert german.favourite == ""
    assert sample.candidates == ("card", "paypal", "ideal")
    for each, made in ((german, bought), (dutch, left)):
        ranked = made.decision.ranking[0]
        likeliest = max(candidate.confidence for candidate in made.decision.ranking)
        assert each.greedy == pytest.approx(1 / ranked.confidence if ranked.confidence == likeliest else 0.0)


async def test_a_returning_customer_is_compared_with_those_of_the_same_favourite(empty_shop):
    await empty_shop.add_placement(placement(credit="cascade"), candidate("card"), candidate("paypal", position=1))
    for _ in range(2):
        made = await empty_shop.decide("c_1")
        await empty_shop.engine.recorder.outcomes([empty_shop.outcome(made, "converted", "paypal")])
    await empty_shop.engine.recorder.close_due(now_ms() + 2 * placement().window_minutes * MINUTE)
    reader = SampleReader(empty_shop.engine.database, empty_shop.engine.live)
    first, second = (await reader.of(empty_shop.id, KEY, days=30)).decisions
    assert (first.favourite, second.favourite) == ("", "paypal")
    assert first.stratum != second.stratum


async def test_unknown_placement_is_not_found_and_empty_placement_has_no_rows(empty_shop):
    reader = SampleReader(empty_shop.engine.database, empty_shop.engine.live)
    with pytest.raises(NotFound):
        await reader.of(empty_shop.id, "nowhere", days=30)
    await empty_shop.add_placement(placement(), candidate("card"))
    sample = await reader.of(empty_shop.id, KEY, days=30)
    assert (sample.decisions, sample.total) == ([], 0)


async def test_fallback_answers_are_left_out(empty_shop, monkeypatch):
    await empty_shop.add_placement(placement(credit="cascade"), candidate("card"), candidate("paypal", position=1))
    await empty_shop.decide("c_1")
    async with empty_shop.engine.database.write() as connection:
        [row] = await decisions.newest(connection, empty_shop.id, placement=KEY)
        text = row.answer.replace('"fallback":false', '"fallback":true')
        await decisions.replace(connection, [msgspec.structs.replace(row, answer=text, closes_at=None)])
    reader = SampleReader(empty_shop.engine.database, empty_shop.engine.live)
    assert (await reader.of(empty_shop.id, KEY, days=30)).decisions == []


async def test_first_slots_are_summed_in_at_most_sixty_steps(empty_shop):
    await with_past(empty_shop, hours=24 * 29, each=1)
    monitor = empty_shop.engine.monitor
    month = await monitor.first_places(empty_shop.id, KEY, days=30)
    day = await monitor.first_places(empty_shop.id, KEY, days=1)
    assert 28 <= len({share.minute for share in month}) <= 61
    assert sum(share.firsts for share in month) >= 24 * 29
    assert 24 <= len({share.minute for share in day}) <= 61
    assert await monitor.first_places(empty_shop.id, "nowhere", days=30) == []
