"""A refund returns the same part of a discount to the margin as to the ledger of offers."""

from __future__ import annotations

import pytest

from engine.kernel.experiments.measures import MeasureTerms, discount_cost, measures_of, paid_order
from engine.kernel.offers import ledger
from engine.model.outcome import OutcomeRow
from tests.offers import make_hold


def _events(*events: tuple[str, int | None], currency: str = "EUR") -> list[OutcomeRow]:
    """Return the outcomes of one decision, in order of time."""
    return [
        OutcomeRow(1, f"{name}-{occurred_at}", "d", None, "", name, "card", amount, currency, occurred_at, occurred_at)  # type: ignore[arg-type]
        for occurred_at, (name, amount) in enumerate(events)
    ]


ORDER = (("redeemed", 700), ("converted", 10_000))


@pytest.mark.parametrize(
    ("events", "cost"),
    [
        (ORDER, 700),
        ((*ORDER, ("refunded", 4_000)), 420),
        ((*ORDER, ("refunded", 4_000), ("refunded", 3_000)), 210),
        ((*ORDER, ("refunded", 10_000)), 0),
        ((*ORDER, ("refunded", 12_000)), 0),
        ((*ORDER, ("refunded", None)), 0),
        # Each offer gives back its own share, rounded down: 0.99 and 2.32 of 3.33 and 7.77 at 29.9%.
        ((("redeemed", 333), ("redeemed", 777), ("converted", 1_000), ("refunded", 299)), 333 - 99 + 777 - 232),
        ((("redeemed", 700),), 700),
        ((("redeemed", 700), ("refunded", 4_000)), 700),
        ((("redeemed", 700), ("converted", None), ("refunded", None)), 0),
        ((("redeemed", 700), ("converted", None)), 700),
        ((("redeemed", None), ("converted", 10_000)), 0),
        ((("converted", 10_000), ("refunded", 4_000)), 0),
    ],
)
def test_cost_of_a_discount_follows_the_kept_share_of_the_order(
    events: tuple[tuple[str, int | None], ...], cost: int
) -> None:
    rows = _events(*events)
    assert discount_cost(rows, "EUR") == cost
    assert discount_cost(rows, "GBP") == 0
    order = paid_order(rows, "EUR")
    if order is not None:
        margin = round(order.amount * 0.3) - cost
        assert measures_of(MeasureTerms(frozenset({"margin"}), {}, 30.0), order, rows, "EUR") == {"margin": (1, margin)}


def test_refund_returns_the_same_cost_as_the_ledger() -> None:
    hold = ledger.redeem(make_hold(amount=777), discount=777, cart_total=1_000, order_id="4711", redeemed_at=1).hold
    refunds: list[tuple[str, int | None]] = []
    for amount in (299, 1, 350, 350):
        hold = ledger.refund(hold, amount=amount).hold
        refunds.append(("refunded", amount))
        rows = _events(("redeemed", 777), ("converted", 1_000), *refunds)
        assert discount_cost(rows, "EUR") == hold.spent - hold.returned
