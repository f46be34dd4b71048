"""Check what the outcomes of one decision add to the stored sums: delays and amounts."""

from __future__ import annotations

import msgspec
import pytest

from bandits import bin_of
from engine.learning.outcome_effects import Learning, fold, read_answer
from engine.model.timestamps import MINUTE
from engine.store.decisions import DecisionRow
from engine.store.folds import Sums
from engine.store.outcomes import OutcomeRow

DECIDED_AT = 1_790_000_000_000
LEARNING = Learning("converted", "cascade", 60, "EUR", False)
ANSWER = {"ranking": [{"id": "card"}, {"id": "paypal"}], "excluded": [], "fallback": False}


def outcome(type, minute, *, candidate="card", amount=None, currency="EUR"):
    occurred_at = DECIDED_AT + minute * MINUTE
    return OutcomeRow(
        1, f"{type}-{minute}", "dec_1", None, "p", type, candidate, amount, currency, occurred_at, occurred_at
    )


def closed_sums(*outcomes, learning=LEARNING):
    text = msgspec.json.encode(ANSWER).decode()
    row = DecisionRow("dec_1", 1, "p", None, DECIDED_AT, None, 1, 1, "", "{}", "{}", text)
    sums = Sums()
    fold(sums, row, learning, read_answer(text), outcomes, closed=True)
    return sums


def delay(*outcomes, learning=LEARNING):
    """Return the bin of the delay, and whether it counts as a success."""
    ((cell, (successes, failures)),) = closed_sums(*outcomes, learning=learning).of["delays"].items()
    assert successes + failures == 1
    return cell.bin, bool(successes)


def amounts(*outcomes):
    """Return the number of successes with a known amount, and the sum of these."""
    return {cell.candidate: tuple(values[2:]) for cell, values in closed_sums(*outcomes).statistics.items()}["card"]


def test_a_success_is_resolved_by_its_first_report():
    assert delay(outcome("converted", 2), outcome("converted", 30)) == (bin_of(2 * MINUTE), True)


def test_a_selection_resolves_a_placement_that_learns_from_selections():
    selections = msgspec.structs.replace(LEARNING, reward="selected")
    reports = outcome("selected", 2), outcome("converted", 30)
    assert delay(*reports, learning=selections) == (bin_of(2 * MINUTE), True)
    assert delay(*reports) == (bin_of(30 * MINUTE), True)


def test_a_failure_is_resolved_by_its_last_report():
    assert delay(outcome("declined", 2), outcome("abandoned", 30)) == (bin_of(30 * MINUTE), False)


def test_a_refund_resolves_a_decision_as_a_failure():
    assert delay(outcome("converted", 2), outcome("refunded", 9)) == (bin_of(9 * MINUTE), False)


def test_a_failure_without_a_report_takes_the_whole_window():
    assert delay(outcome("shown", 2)) == (bin_of(60 * MINUTE), False)


def test_an_outcome_before_its_decision_has_no_delay():
    assert delay(outcome("converted", -5)) == (0, True)


def test_the_last_reported_amount_counts():
    assert amounts(outcome("converted", 2, amount=500), outcome("converted", 9, amount=700)) == (1, 700)


def test_a_report_without_an_amount_keeps_the_one_before():
    assert amounts(outcome("converted", 2, amount=500), outcome("converted", 9)) == (1, 500)


@pytest.mark.parametrize("reports", [
    [outcome("converted", 2, amount=500, currency="USD")],
    [outcome("converted", 2, amount=500), outcome("converted", 9, amount=700, currency="USD")],
    [outcome("converted", 2)],
])  # fmt: skip
def test_amounts_in_other_currencies_are_not_counted(reports):
    assert amounts(*reports) == (0, 0)
