"""Check how candidates' attributes, amounts and outages become numbers that policies learn from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bandits
from bandits.evidence.outage import PROBES, SUSPEND_AT, Watch
from engine.kernel.amounts import make_amounts
from engine.kernel.encoding.attributes import MOST_TRAITS, attributes_of, traits
from engine.kernel.encoding.features import moments
from engine.kernel.encoding.scales import LARGEST, TYPICAL_AMOUNT, amount_feature, number_feature
from engine.kernel.spread import Spread
from engine.model.timestamps import MINUTE
from engine.statistics.evidence import Curves
from engine.statistics.outages import SETTLED_MINUTES, MinuteRow, State, follow, usual_rates
from tests.factories import candidate, placement

# Attributes


def wheres(*several):
    return [trait.where for trait in traits(several)]


def test_a_text_that_some_share_is_a_trait():
    several = [candidate("a", type="wallet"), candidate("b", type="wallet"), candidate("c", type="card")]
    [trait] = traits(several)
    assert (trait.where, trait.values, trait.high) == ("whose type is wallet", {"a": 1.0, "b": 1.0}, 1.0)


@pytest.mark.parametrize("several", [
    [candidate("a", type="wallet"), candidate("b", type="card")],
    [candidate("a", type="wallet"), candidate("b", type="wallet")],
    [candidate("a"), candidate("b")],
    [candidate("a", attributes={"fee": 5}), candidate("b", attributes={"fee": 5})],
    [],
], ids=["nobody shares", "all share", "no type", "the same number", "nobody"])  # fmt: skip
def test_attribute_of_all_candidates_is_no_feature(several):
    assert wheres(*several) == []


def test_numbers_are_scaled_by_the_maximum():
    [trait] = traits([candidate("a", attributes={"months": 3}), candidate("b", attributes={"months": 12})])
    assert trait.where == "whose months is 12"
    assert trait.values == {"a": number_feature(3), "b": number_feature(12)}
    assert trait.high == number_feature(12)


def test_an_attribute_of_texts_and_numbers_gives_both():
    mixed = [candidate("a", attributes={"x": "hi"}), candidate("b", attributes={"x": "hi"}),
             candidate("c", attributes={"x": 1}), candidate("d", attributes={"x": 2})]  # fmt: skip
    assert wheres(*mixed) == ["whose x is hi", "whose x is 2"]


def test_most_common_attributes_are_first():
    several = [candidate(f"w{n}", type="wallet", attributes={"bank": "one" if n else "two"}) for n in range(4)]
    several.append(candidate("c", type="card", attributes={"bank": "two"}))
    assert wheres(*several) == wheres(*reversed(several)) == [
        "whose type is wallet", "whose bank is one", "whose bank is two",
    ]  # fmt: skip


def test_number_of_attributes_is_limited():
    several = [candidate(f"c{n}", attributes={"kind": f"k{n // 2}"}) for n in range(200)]
    assert len(traits(several)) == MOST_TRAITS


def test_attributes_are_a_row_for_each_candidate_with_traits():
    several = [candidate("a", type="wallet"), candidate("b", type="wallet"), candidate("c")]
    made = attributes_of(traits(several))
    assert made.size == 1
    assert made.matrix(["a", "c", "b"]).tolist() == [[1, 1], [1, 0], [1, 1]]


# Scales


@pytest.mark.parametrize(("amount", "feature"), [
    (TYPICAL_AMOUNT, 0.0), (0, -math.log(51) / 2), (-1, 0.0), (True, 0.0), (50.0, 0.0), ("50", 0.0), (2**53 + 1, 0.0),
    (None, 0.0),
])  # fmt: skip
def test_an_amount_is_scaled_around_the_typical_one(amount, feature):
    assert amount_feature(amount) == pytest.approx(feature)


@pytest.mark.parametrize(("number", "feature"), [
    (0, 0.0), (1, math.log(2) / 2), (-1, -math.log(2) / 2), (2.5, math.log(3.5) / 2), (math.nan, 0.0), (math.inf, 0.0),
    (True, 0.0), ("1", 0.0), (LARGEST * 2, 0.0),
])  # fmt: skip
def test_a_number_is_scaled_with_its_sign(number, feature):
    assert number_feature(number) == pytest.approx(feature)


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_larger_amounts_and_numbers_have_larger_features(first, second):
    low, high = sorted((first, second))
    assert amount_feature(low) <= amount_feature(high)
    assert -number_feature(high) == number_feature(-high)
    assert number_feature(low) <= number_feature(high)


@pytest.mark.parametrize(("moment", "names"), [
    ("2026-11-23T00:00:00Z", ("t/day=0", "t/hour=0")),
    ("2026-11-29T23:59:59Z", ("t/day=6", "t/hour=5")),
    ("2026-11-27T11:30:00+01:00", ("t/day=4", "t/hour=2")),
    ("soon", ()),
    (5, ()),
    (None, ()),
])  # fmt: skip
def test_a_moment_is_its_weekday_and_part_of_the_day(moment, names):
    assert moments("t", moment) == names


# Amounts


@pytest.mark.parametrize(("reward", "counts"), [
    ("selected", None), ("converted", None), ("revenue", True), ("margin", False),
])  # fmt: skip
def test_amounts_are_learned_for_money_only(reward, counts):
    made = make_amounts(["card"], [bandits.Amounts()], placement(reward=reward, typical_amount=5_000), 1)
    assert (made and made.counts) == counts


def test_without_a_known_amount_the_typical_one_is_expected():
    made = make_amounts(["card"], [bandits.Amounts()], placement(reward="revenue", typical_amount=5_000), 1)
    assert made.amount_draws.means.tolist() == [5_000.0]
    assert make_amounts(["card"], [bandits.Amounts()], placement(reward="revenue", typical_amount=0), 1) is not None


def test_known_amounts_outweigh_the_typical_one():
    sums = [bandits.Amounts(1_000, 1_000 * 9_000), bandits.Amounts(1, 9_000)]
    many, few = make_amounts(["a", "b"], sums, placement(reward="revenue", typical_amount=3_000), 1).amount_draws.means
    assert many == pytest.approx(9_000, rel=0.01)
    assert few == pytest.approx((2 * 3_000 + 9_000) / 3)


# Candidates that are away


def row(count=4):
    draws = np.zeros((1, count, 8), np.float32)
    return bandits.Candidates(draws, np.zeros((1, count)), np.arange(count, dtype=np.uint64), 0.02)


def test_with_all_candidates_available_nothing_changes():
    spread = Spread.of(["a", "b"], ["gone"], 0.02)
    assert spread.suspended is None
    assert spread.applied(row(2), [0, 1]).floor == 0.02


def test_unavailable_candidates_share_the_probes():
    spread = Spread.of(["a", "b", "c", "d"], ["b", "d"], 0.02)
    applied = spread.applied(row(), [0, 1, 2, 3])
    assert applied.suspended.tolist() == [False, True, False, True]
    assert applied.shares.tolist() == pytest.approx([0.005, PROBES / 2, 0.005, PROBES / 2])
    assert applied.floor == pytest.approx(PROBES + 0.01)


@pytest.mark.parametrize("eligible", [[0, 2], [1, 3]])
def test_if_no_or_all_eligible_candidates_are_unavailable_nothing_changes(eligible):
    spread = Spread.of(["a", "b", "c", "d"], ["b", "d"], 0.02)
    candidates = row(2)
    assert spread.applied(candidates, eligible) is candidates


# Outages, minute by minute

IDS = ["card", "paypal"]
USUAL = np.array([0.4, 0.3])
NOW = 20_000_000 * MINUTE
CURVES = Curves(bandits.DelayCurve([100], window_ms=MINUTE))


def minutes(count, *, down=(), trials=40, start=None):
    first = NOW // MINUTE - count if start is None else start
    return [
        MinuteRow(name, minute, trials, 0 if name in down else round(trials * rate), 0)
        for minute in range(first, first + count)
        for name, rate in zip(IDS, USUAL.tolist(), strict=True)
    ]


def followed(rows, *, count):
    return follow(State.begin(2, NOW // MINUTE - count), IDS, rows, USUAL, CURVES, NOW)[1]


def test_a_method_without_successes_is_away_within_minutes():
    assert not followed(minutes(5), count=5).watch.suspended.any()
    assert followed(minutes(5, down=["card"]), count=5).watch.suspended.tolist() == [True, False]


def test_the_outage_began_when_the_successes_stopped():
    rows = minutes(30) + minutes(5, down=["card"], start=NOW // MINUTE - 5)
    rows = [row for row in rows if row.minute < NOW // MINUTE - 5] + minutes(5, down=["card"])
    state = followed(rows, count=30)
    assert state.watch.suspended[0]
    assert abs(int(state.since[0]) - (NOW // MINUTE - 5)) <= 1


def test_without_traffic_no_outage_is_detected():
    state = followed([], count=60)
    assert not state.watch.suspended.any()
    assert state.watch.sums.tolist() == [0.0, 0.0]


def test_rows_of_other_candidates_do_not_count():
    rows = [MinuteRow("bitcoin", NOW // MINUTE - 1, 1_000, 0, 0)]
    assert followed(rows, count=5).watch.sums.tolist() == [0.0, 0.0]


def test_settled_minutes_are_folded_once():
    count = SETTLED_MINUTES + 20
    settled, latest = follow(State.begin(2, NOW // MINUTE - count), IDS, minutes(count), USUAL, CURVES, NOW)
    assert settled.minute == NOW // MINUTE - SETTLED_MINUTES
    assert latest.minute == NOW // MINUTE + 1
    again = follow(settled, IDS, [row for row in minutes(count) if row.minute >= settled.minute], USUAL, CURVES, NOW)
    assert again[1].watch.sums.tolist() == latest.watch.sums.tolist()


def test_a_quiet_hour_of_all_methods_is_no_outage():
    watch = Watch.begin(2)
    for _ in range(200):
        watch = watch.after([40, 40], [8, 6], USUAL)
    assert not watch.suspended.any()
    assert watch.factor < 0.7


def test_method_recovers_when_its_probes_succeed():
    watch = Watch.begin(1)
    while not watch.suspended[0]:
        watch = watch.after([40], [0], [0.4])
    for _ in range(10):
        watch = watch.after([3], [1], [0.4])
    assert not watch.suspended[0]


def test_no_single_failure_is_an_outage():
    watch = Watch.begin(1).after([1], [0], [0.9])
    assert 0 < watch.sums[0] < SUSPEND_AT
    assert not watch.suspended[0]


@pytest.mark.parametrize(("counts", "rates"), [
    ({}, [0.0, 0.0]), ({"card": (100, 0)}, [0.0, 0.0]), ({"card": (100, 1)}, [0.0, 0.0]),
    ({"card": (100, 25)}, [0.15, 0.0]), ({"card": (10_000, 4_900)}, [0.476, 0.0]),
])  # fmt: skip
def test_usual_rates_are_taken_with_caution(counts, rates):
    assert usual_rates(IDS, counts).tolist() == pytest.approx(rates)
