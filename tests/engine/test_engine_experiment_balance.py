"""The groups of an experiment that are split otherwise than planned, in results and in words."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.experiments.looks.balance import PAST, balance_of
from engine.experiments.results import Results, results_of
from engine.model.experiment import Experiment, ExperimentStatus, Variant
from engine.model.timestamps import DAY
from engine.store.experiments.sums import SumRow, UnitTotals
from web.experiments.balance_words import balance_words
from web.format import Show, viewer_locale

SHOW = Show(locale=viewer_locale("en-US"), timezone="Europe/Berlin", now=30 * DAY)
RUNNING = ExperimentStatus(state="running", started_at=0, phase_started_at=0)


def experiment(**changes: Any) -> Experiment:
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    return Experiment(**({"id": "e", "name": "E", "variants": variants, "status": RUNNING} | changes))


def rows(segment: str, control: int, paypal: int, *, past: tuple[float, float] = (0.0, 0.0)) -> list[SumRow]:
    """Return units of a segment, of whom each second had twice so many purchases before."""
    return [
        SumRow(segment, 0, name, UnitTotals(units=n, past=int(n * mean), past_squared=int(2 * n * mean * mean)))
        for name, n, mean in (("control", control, past[0]), ("paypal", paypal, past[1]))
    ]


BALANCED = rows("", 10_000, 10_010) + rows("device.type=mobile", 6_000, 6_010) + rows("geo.country=DE", 9_000, 8_950)


def test_groups_as_planned_are_counted() -> None:
    groups = balance_of(experiment(), BALANCED, 1e4)
    assert [(each.group, each.differs, each.p_value) for each in groups] == [
        ("geo.country=DE", False, 1.0),
        ("device.type=mobile", False, 1.0),
    ]
    assert balance_words(experiment(), groups, SHOW).startswith("No imbalance found in 2 groups")


def test_a_group_out_of_balance_is_named_first() -> None:
    lost = [*BALANCED, *rows("customer=new", 3_000, 2_500)]
    first, *others = balance_of(experiment(), lost, 1e4)
    assert (first.group, first.differs, first.counts) == ("customer=new", True, [3_000.0, 2_500.0])
    assert not any(each.differs for each in others)
    assert balance_words(experiment(), [first, *others], SHOW) == "Customer: new: As it is 3,000, PayPal 2,500."


def test_purchases_before_are_compared_too() -> None:
    bought = [*BALANCED[2:], *rows("", 10_000, 10_000, past=(1.0, 1.3))]
    [first, *_] = balance_of(experiment(), bought, 1e4)
    assert (first.group, first.differs, first.counts) == (PAST, True, [1.0, 1.3])
    text = balance_words(experiment(), [first], SHOW)
    assert text == "Purchases before, on average: As it is 1.00, PayPal 1.30."


def test_a_bandit_has_no_planned_split() -> None:
    assert balance_of(experiment(allocation="bandit"), BALANCED, 1e4) == []


def test_earlier_looks_are_read_without_balance() -> None:
    results = results_of(experiment(), "payment_methods", BALANCED, window_minutes=60, now=30 * DAY)
    assert results.balance
    old = msgspec.to_builtins(results)
    del old["balance"]
    assert msgspec.convert(old, Results).balance == []
    assert balance_words(experiment(), [], SHOW) == ""
