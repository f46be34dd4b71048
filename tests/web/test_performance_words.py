"""The words for what the engine does now, for customer groups, and for what happened meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from msgspec import structs

from engine.events.event_reader import PastOutage
from engine.insights.arms_monitor import Arm, Arms
from engine.insights.learning_history import Jump
from engine.learning.outage_watch import Outage
from engine.model.history import Version
from engine.model.placement import Contextual, Fixed, Placement, Split, Thompson
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.checkouts import CheckoutBin, MeanInterval
from web.admin.placements.performance.arm_page import named_by
from web.admin.placements.performance.events import events_of
from web.admin.placements.performance.groups import audience_text, group_name
from web.admin.placements.performance.monitor import estimate_table, measure_of, monitor_view
from web.admin.placements.performance.period import span_of
from web.charts.candidate_charts import ChartEvent, event_marks
from web.charts.candidate_names import CandidateNames
from web.charts.performance_charts import trend
from web.format import Show, viewer_locale

SHOW = Show(locale=viewer_locale("en"), timezone="UTC", now=20_030 * DAY)
NAMES = CandidateNames({"card": "Card", "paypal": "PayPal"}, {"card": 4, "paypal": 1})
PLACEMENT = Placement(key="payment_methods", name="Payment methods", policy=Thompson(), credit="cascade")


class Live:
    down: tuple[Outage, ...] = ()

    def outages(self, _merchant_id, _placement):
        return self.down


class Versions:
    def __init__(self, *versions):
        self.versions = versions

    async def page(self, _merchant_id, _key, *, limit):
        return list(self.versions)[:limit]


class Insights:
    def __init__(self, *jumps):
        self.all_jumps = jumps

    async def jumps(self, _merchant_id, _key):
        return list(self.all_jumps)


class PastOutages:
    """Candidates that were down, as the engine reads them from its events."""

    def __init__(self, *outages):
        self.outages = outages

    async def past_outages(self, merchant_id, placement, *, since):
        return [outage for outage in self.outages if outage.until >= since]


def frame(*versions, jumps=(), down=(), past=()):
    live = Live()
    live.down = tuple(down)
    engine = SimpleNamespace(
        live=live, versions=Versions(*versions), insights=Insights(*jumps), events=PastOutages(*past)
    )
    return SimpleNamespace(show=SHOW, engine=engine, merchant=SimpleNamespace(id=1, currency="EUR"))


def arm(id, chance, *, share=0.5, trials=200.0, exclusion=""):
    return Arm(id, id.title(), 0, chance, 0.4, 0.35, 0.45, trials, 80.0, share, exclusion)


def arms(*rows, bucket="", decisions=100):
    return Arms(bucket, [], 1, 1, list(rows), [], decisions)


def monitor(*rows, monitored=PLACEMENT, **more):
    return monitor_view(frame(), monitored, arms(*rows, **more), NAMES)


@pytest.mark.parametrize(
    ("chance", "title"),
    [
        (0.97, "Nearly all new customers see PayPal first"),
        (0.7, "Most new customers see PayPal first"),
        (0.51, "New customers see PayPal or Card first"),
    ],
)
def test_shares_of_the_engine_are_not_called_success_rates(chance, title):
    result = monitor(arm("card", 1 - chance), arm("paypal", chance))
    assert result.verdict == title
    assert "400 tries so far" in result.evidence


def test_all_customers_together_have_no_chances_and_no_estimates():
    result = monitor(arm("card", None, share=0.3), arm("paypal", None, share=0.7), bucket=None)
    assert (result.verdict, result.has_chances, result.chart) == ("PayPal comes first most often", False, None)
    quiet = monitor(arm("card", None, share=0.0), arm("paypal", None, share=0.0), bucket=None, decisions=0)
    assert quiet.verdict == "No decisions in the last hour"
    assert all(row.share is None for row in quiet.arms)


def test_policies_without_learning_have_a_message():
    rows = arm("card", 0.5), arm("paypal", 0.5)
    assert monitor(*rows, monitored=structs.replace(PLACEMENT, policy=Fixed())).verdict == "The order is fixed"
    assert monitor(*rows, monitored=structs.replace(PLACEMENT, policy=Split())).verdict == "The shares are fixed"
    assert monitor(arm("card", 0.5, trials=0.0)).verdict == "Nothing learned yet"


def test_rates_have_exact_names():
    assert measure_of(PLACEMENT).name == "Chosen when seen"
    assert measure_of(structs.replace(PLACEMENT, reward="selected")).name == "Chosen when seen"
    assert measure_of(structs.replace(PLACEMENT, reward="margin")).name == "Chosen when seen"
    assert measure_of(structs.replace(PLACEMENT, credit="choice")).name == "Chosen if alone"
    assert measure_of(structs.replace(PLACEMENT, policy=Contextual(), credit="cascade")).name == "Chosen when seen"


def test_estimates_keep_their_colours_and_are_downloadable():
    result = monitor(arm("card", 0.4), arm("paypal", 0.6))
    assert {row["candidate"]: row["colour"] for row in result.chart["data"]["values"]} == {"Card": "5", "PayPal": "2"}
    assert "has the highest estimate: chosen when seen 40.0%" in result.chart_title
    head, first, *_ = estimate_table(result)
    assert dict(zip(head, first, strict=True))["label"] == "Card"
    hidden = monitor(arm("card", 0.4), arm("paypal", None, exclusion="not offered in DE"))
    assert hidden.arms[1].exclusion == "Not offered in DE"
    assert [row["candidate"] for row in hidden.chart["data"]["values"]] == ["Card"]


# Customer groups


def test_groups_have_names_and_positions():
    country = structs.replace(PLACEMENT, buckets=("geo.country",))
    assert audience_text(frame(), country, "DE") == "in Germany"
    assert audience_text(frame(), country, "GB") == "in the United Kingdom"
    assert audience_text(frame(), country, "-") == "for “unknown”"
    device = structs.replace(PLACEMENT, buckets=("device.type", "geo.country"))
    assert group_name(frame(), device, "mobile|NL") == "mobile · Netherlands"
    assert audience_text(frame(), device, "mobile|NL") == "for “mobile · Netherlands”"


def test_points_and_intervals_have_figures():
    assert frame().show.points(0.0214) == "2.1"
    assert frame().show.points_between(-0.003, 0.039) == "-0.3 to 3.9"
    assert (span_of(1), span_of(7)) == ("24 hours", "7 days")


# What happened


def happened(since, *versions, **more):
    return asyncio.run(events_of(frame(*versions, **more), "payment_methods", NAMES, since=since))


def test_versions_jumps_and_outages_are_events_in_order():
    versions = [Version(8, 20_020 * DAY, "mia", "iDEAL first at weekends"), Version(7, 20_001 * DAY, "demo", "")]
    jumps = [Jump("card", 20_010, 0.4, 0.2)]
    down = [Outage("paypal", 20_025 * DAY)]
    past = [PastOutage("card", 20_022 * DAY, 20_022 * DAY + 90 * MINUTE)]
    events = happened(20_000 * DAY, *versions, jumps=jumps, down=down, past=past)
    assert [(event.mark, event.text) for event in events] == [
        ("v7", "Version 7 was published"),
        ("jump", "Card jumped from 40.0% to 20.0%"),
        ("v8", "Version 8: iDEAL first at weekends"),
        ("down", "Card was down for 1 h"),
        ("down", "PayPal seems to be down"),
    ]
    assert [event.mark for event in happened(20_015 * DAY, *versions, jumps=jumps)] == ["v8"]


def test_marks_that_are_too_close_share_a_label():
    events = [ChartEvent(moment=moment, mark=f"v{moment}", text="") for moment in (0, 1, 50, 100)]
    *_, labels = event_marks(events, {"field": "at"}, show=SHOW)
    assert [row["mark"] for row in labels["data"]["values"]] == ["v0", "v50", "v100"]
    assert event_marks([], {"field": "at"}, show=SHOW) == []


def test_effects_name_their_candidates():
    effects = [
        {"exclude": ["card"]}, {"require": ["paypal", "ideal"]}, {"pin": {"candidate": "klarna", "slot": 1}},
        {"boost": {"candidates": ["sepa"], "factor": 2}}, {"set": {"name": "show_cvv", "value": True}},
    ]  # fmt: skip
    assert [[*named_by(effect)] for effect in effects] == [["card"], ["paypal", "ideal"], ["klarna"], ["sepa"], []]


def test_a_trend_is_drawn_in_the_colour_of_its_candidate_without_a_cut_band():
    bins = [CheckoutBin(n * DAY, (n + 1) * DAY, MeanInterval(0.5, 0.41, 0.62, 200)) for n in range(5)]
    spec = trend(bins, show=SHOW, number=6)
    assert {row["colour"] for row in spec["data"]["values"]} == {"7"}
    low, high = spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert low <= 0.41
    assert high >= 0.62
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert "interpolate" not in line["mark"], "straight segments"
