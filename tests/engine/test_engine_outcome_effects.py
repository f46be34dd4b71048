"""Check what the outcomes of one decision add to the stored sums."""

from __future__ import annotations

import msgspec
import pytest

from bandits import bin_of
from engine.kernel.experiments.measures import paid_order
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import (
    NO_CHOICE,
    DecisionState,
    add_pending,
    add_purchases,
    changes_credit,
    counting,
    fold,
    read_answer,
)
from engine.model.placement import Contextual, Fixed
from engine.model.timestamps import DAY, MINUTE
from engine.store.decisions import DecisionRow
from engine.store.folds import (
    OBSERVATIONS,
    WAITING,
    ArrivalCell,
    Cell,
    DelayCell,
    MinuteCell,
    Sums,
    UsageCell,
    WaitingCell,
)
from engine.store.observations import ObservationCell
from engine.store.outcomes import OutcomeRow
from tests.factories import placement

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
    fold(sums, DecisionState(row, learning, read_answer(text), outcomes, closed=True))
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


def test_report_without_an_amount_keeps_the_previous_amount():
    assert amounts(outcome("converted", 2, amount=500), outcome("converted", 9)) == (1, 500)


@pytest.mark.parametrize("reports", [
    [outcome("converted", 2, amount=500, currency="USD")],
    [outcome("converted", 2, amount=500), outcome("converted", 9, amount=700, currency="USD")],
    [outcome("converted", 2)],
])  # fmt: skip
def test_amounts_in_other_currencies_are_not_counted(reports):
    assert amounts(*reports) == (0, 0)


# Statistics, minutes, usage and observations


def sums_of(*outcomes, learning=LEARNING, closed=False, customer=None, answer=None, sign=1, sums=None):
    text = msgspec.json.encode(answer or ANSWER).decode()
    row = DecisionRow("dec_1", 1, "p", customer, DECIDED_AT, None, 1, 1, "DE", "{}", "{}", text)
    sums = Sums() if sums is None else sums
    fold(sums, DecisionState(row, learning, read_answer(text), outcomes, closed), sign=sign)
    return {name: cells for name, cells in sums.of.items() if any(any(values) for values in cells.values())}


DAY_OF = DECIDED_AT // DAY
MINUTE_OF = DECIDED_AT // MINUTE


def test_a_purchase_is_counted_by_bucket_candidate_and_day():
    sums = sums_of(outcome("converted", 2, candidate="paypal", amount=700))
    assert sums == {
        "statistics": {
            Cell(1, "p", "converted", "DE", "card", 0, DAY_OF): [1, 0, 0, 0],
            Cell(1, "p", "converted", "DE", "paypal", 0, DAY_OF): [1, 1, 1, 700],
        },
        "minutes": {
            MinuteCell(1, "p", "converted", "card", MINUTE_OF): [1, 0, 0],
            MinuteCell(1, "p", "converted", "paypal", MINUTE_OF): [1, 1, 0],
        },
    }


def test_a_customers_purchase_is_counted_as_usage():
    sums = sums_of(outcome("converted", 2, candidate="paypal"), customer="hash")
    assert sums["usage"] == {
        UsageCell(1, "hash", "p", "card", DAY_OF): [1, 0],
        UsageCell(1, "hash", "p", "paypal", DAY_OF): [1, 1],
    }


def test_a_decision_without_outcomes_is_pending_for_each_candidate():
    sums = sums_of()
    minute = LEARNING.minute(DECIDED_AT)
    assert sums == {
        WAITING.name: {WaitingCell(1, "p", "converted", "DE", "card\npaypal", 0, minute): [1]},
        "minutes": {
            MinuteCell(1, "p", "converted", candidate, MINUTE_OF): [0, 0, 1] for candidate in ("card", "paypal")
        },
    }


@pytest.mark.parametrize("credit", ["choice", "cascade", "position", "first", "shown"])
def test_new_decisions_are_pending_as_those_without_outcomes(credit):
    learning = msgspec.structs.replace(LEARNING, credit=credit)
    entries, expected = [], Sums()
    for number, ids in enumerate([["card", "paypal"], ["paypal", "card"], ["card", "paypal"]]):
        text = msgspec.json.encode({**ANSWER, "ranking": [{"id": id} for id in ids]}).decode()
        occurred_at = DECIDED_AT + number // 2 * 3 * MINUTE
        row = DecisionRow(f"dec_{number}", 1, "p", None, occurred_at, None, 1, 1, "DE", "{}", "{}", text)
        entries.append((row, learning, ids))
        fold(expected, DecisionState(row, learning, read_answer(text), (), closed=False))
    sums = Sums()
    add_pending(sums, entries)
    assert sums.of == expected.of


def test_a_settled_decision_is_no_longer_pending():
    assert WAITING.name not in sums_of(outcome("converted", 2))
    assert WAITING.name in sums_of(outcome("selected", 2))
    assert WAITING.name not in sums_of(closed=True)


@pytest.mark.parametrize("reports", [
    (),
    (outcome("selected", 1),),
    (outcome("converted", 2, amount=500),),
    (outcome("converted", 2, candidate="paypal"), outcome("refunded", 9, candidate="paypal")),
])  # fmt: skip
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("changes", [{}, {"contextual": True}, {"credit": "choice", "choice": True}])
def test_subtracted_decision_leaves_zero(reports, closed, changes):
    learning, sums = msgspec.structs.replace(LEARNING, **changes), Sums()
    before = sums_of(*reports, learning=learning, closed=closed, customer="hash", sums=sums)
    assert before
    assert sums_of(*reports, learning=learning, closed=closed, customer="hash", sign=-1, sums=sums) == {}


ENDINGS = [
    (),
    (outcome("selected", 1),),
    (outcome("converted", 2, amount=500),),
    (outcome("converted", 2), outcome("refunded", 9)),
    (outcome("abandoned", 3, candidate=None),),
    (outcome("declined", 3, candidate="paypal"),),
]


@pytest.mark.parametrize("reports", ENDINGS)
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("credit", ["choice", "cascade", "position", "first", "shown"])
def test_shown_reports_are_skipped_only_without_an_effect(reports, closed, credit):
    learning = msgspec.structs.replace(LEARNING, credit=credit, choice=credit == "choice")
    text = msgspec.json.encode(ANSWER).decode()
    row = DecisionRow("dec_1", 1, "p", "hash", DECIDED_AT, None, 1, 1, "DE", "{}", "{}", text)
    for seen in (outcome("shown", 1), outcome("shown", 1, candidate=None), outcome("shown", 20, candidate="paypal")):
        state = DecisionState(row, learning, read_answer(text), reports, closed)
        before = sums_of(*reports, learning=learning, closed=closed, customer="hash")
        after = sums_of(*reports, seen, learning=learning, closed=closed, customer="hash")
        assert changes_credit(state, seen) or before == after


@pytest.mark.parametrize(
    ("credit", "changed"), [("choice", False), ("first", False), ("cascade", True), ("shown", True)]
)
def test_shown_candidates_are_credited_by_the_model(credit, changed):
    learning, seen = msgspec.structs.replace(LEARNING, credit=credit), outcome("shown", 1)
    text = msgspec.json.encode(ANSWER).decode()
    row = DecisionRow("dec_1", 1, "p", None, DECIDED_AT, DECIDED_AT, 1, 1, "DE", "{}", "{}", text)
    assert changes_credit(DecisionState(row, learning, read_answer(text), (), closed=False), seen) is changed


def test_fallback_is_not_learned():
    answer = {**ANSWER, "fallback": True}
    assert sums_of(outcome("converted", 2), closed=True, answer=answer, customer="hash") == {}


def test_credit_by_position_keeps_the_slot():
    learning = msgspec.structs.replace(LEARNING, credit="position")
    statistics = sums_of(outcome("converted", 2), learning=learning)["statistics"]
    assert {(cell.candidate, cell.slot) for cell in statistics} == {("card", 1), ("paypal", 2)}
    pending = sums_of(learning=learning)[WAITING.name]
    assert {(cell.candidates, cell.slot) for cell in pending} == {("card", 1), ("paypal", 2)}


def test_a_contextual_placement_keeps_each_observation():
    learning = msgspec.structs.replace(LEARNING, contextual=True)
    observations = sums_of(outcome("converted", 2, candidate="paypal"), learning=learning)[OBSERVATIONS.name]
    assert observations == {
        ObservationCell(1, "p", "converted", "dec_1", "card"): [1, 0],
        ObservationCell(1, "p", "converted", "dec_1", "paypal"): [1, 1],
    }


CHOICES = msgspec.structs.replace(LEARNING, credit="choice", choice=True)


@pytest.mark.parametrize(("reports", "closed", "observed"), [
    ((), False, None),
    ((outcome("selected", 1),), False, None),
    ((outcome("converted", 2),), False, {"card": [1, 1]}),
    ((outcome("converted", 2), outcome("converted", 3, candidate="paypal")), False, {"card": [1, 1], "paypal": [1, 1]}),
    ((), True, {NO_CHOICE: [1, 0]}),
    ((outcome("abandoned", 2, candidate=None),), False, {NO_CHOICE: [1, 0]}),
])  # fmt: skip
def test_a_placement_that_learns_choices_observes_what_was_chosen(reports, closed, observed):
    observations = sums_of(*reports, learning=CHOICES, closed=closed).get(OBSERVATIONS.name)
    assert (observations and {cell.candidate: values for cell, values in observations.items()}) == observed


def test_a_closed_decision_counts_its_delay_and_arrival():
    sums = sums_of(outcome("converted", 2, candidate="paypal"), closed=True)
    bin = bin_of(2 * MINUTE)
    assert sums["delays"] == {DelayCell(1, "p", "converted", bin, DAY_OF): [1, 0]}
    assert sums["arrivals"] == {ArrivalCell(1, "p", "converted", "paypal", bin, DAY_OF): [1]}


def test_an_open_decision_counts_no_delay():
    sums = sums_of(outcome("converted", 2))
    assert "delays" not in sums
    assert "arrivals" not in sums


def test_a_failure_counts_a_delay_but_no_arrival():
    sums = sums_of(outcome("abandoned", 5, candidate=None), closed=True)
    assert sums["delays"] == {DelayCell(1, "p", "converted", bin_of(5 * MINUTE), DAY_OF): [0, 1]}
    assert "arrivals" not in sums


# Hints of browsers


def hint(type, minute, *, learns=True, **more):
    return msgspec.structs.replace(outcome(type, minute, **more), source="browser", learns=learns)


SELECTED = msgspec.structs.replace(LEARNING, reward="selected")
SHOWN = msgspec.structs.replace(LEARNING, credit="shown")


@pytest.mark.parametrize(("learning", "reports", "counted"), [
    (LEARNING, [outcome("shown", 1), outcome("converted", 2)], ["shown", "converted"]),
    (LEARNING, [hint("shown", 1), hint("selected", 2)], []),
    (SELECTED, [hint("shown", 1), hint("selected", 2)], ["shown", "selected"]),
    (SHOWN, [hint("shown", 1), hint("selected", 2)], ["shown"]),
    (SELECTED, [hint("selected", 2, learns=False)], []),
    (LEARNING, [hint("converted", 2)], ["converted"]),
    (LEARNING, [hint("converted", 2, learns=False)], []),
    (LEARNING, [hint("converted", 2), outcome("converted", 3)], ["converted"]),
    (LEARNING, [hint("refunded", 2), outcome("converted", 3)], ["converted"]),
    (LEARNING, [hint("converted", 2), outcome("declined", 3)], ["converted", "declined"]),
])  # fmt: skip
def test_reports_of_browsers_count_only_if_allowed(learning, reports, counted):
    assert [report.type for report in counting(learning, reports)] == counted


def test_a_server_confirms_the_purchase_of_a_browser():
    counted = counting(LEARNING, [hint("converted", 2), outcome("converted", 3)])
    assert [report.source for report in counted] == ["server"]


# What learning reads of a placement


@pytest.mark.parametrize(("changes", "credit", "choice", "contextual"), [
    ({"credit": "choice"}, "choice", True, False),
    ({"credit": "cascade"}, "cascade", False, False),
    ({"credit": "position"}, "position", False, False),
    ({"credit": "choice", "policy": Fixed()}, "cascade", False, False),
    ({"credit": "choice", "policy": Contextual()}, "cascade", False, True),
    ({"credit": "first", "policy": Contextual()}, "first", False, True),
])  # fmt: skip
def test_only_thompson_sampling_learns_from_choices(changes, credit, choice, contextual):
    learning = Learning.of(placement(**changes), "EUR")
    assert (learning.credit, learning.choice, learning.contextual) == (credit, choice, contextual)
    assert (learning.reward, learning.window_minutes, learning.currency) == ("converted", 60, "EUR")


@pytest.mark.parametrize(("window", "minute"), [(1, 119), (60, 119), (119, 119), (120, 118), (6_000, 100)])
def test_long_windows_count_pending_decisions_in_steps(window, minute):
    learning = msgspec.structs.replace(LEARNING, window_minutes=window)
    assert learning.minute(119 * MINUTE + 59_999) == minute


# Purchases without a decision


def test_a_purchase_without_a_decision_is_usage_of_its_day():
    bought = msgspec.structs.replace(outcome("converted", 0), customer="hash", decision_id=None)
    sums = Sums()
    add_purchases(sums, [bought, bought])
    cell = UsageCell(1, "hash", "p", "card", DAY_OF)
    assert sums.of["usage"] == {cell: [2, 2]}
    add_purchases(sums, [bought], sign=-1)
    assert sums.of["usage"] == {cell: [1, 1]}


@pytest.mark.parametrize("changes", [{"customer": None}, {"candidate": None}])
def test_purchase_without_customer_or_candidate_is_no_usage(changes):
    bought = msgspec.structs.replace(outcome("converted", 0), **({"customer": "hash"} | changes))
    sums = Sums()
    add_purchases(sums, [bought])
    assert sums.of["usage"] == {}


def test_amounts_of_zero_are_known_amounts():
    assert amounts(outcome("converted", 2, amount=0)) == (1, 0)


def test_the_amount_of_another_candidate_does_not_count():
    assert amounts(outcome("converted", 2), outcome("selected", 3, candidate="paypal", amount=900)) == (0, 0)


FOREIGN = outcome("converted", 1, amount=900, currency="USD")


@pytest.mark.parametrize(("outcomes", "bought"), [
    ((FOREIGN,), (1, 0)),
    ((FOREIGN, outcome("refunded", 2, amount=400, currency="USD")), (1, 0)),
    ((FOREIGN, outcome("refunded", 2, amount=900, currency="USD")), (0, 0)),
    ((outcome("converted", 1, amount=900), outcome("refunded", 2, amount=400)), (1, 500)),
    ((outcome("converted", 1, amount=900), outcome("refunded", 2, amount=900)), (0, 0)),
    ((outcome("converted", 1), outcome("refunded", 2, amount=400)), (0, 0)),
    ((outcome("converted", 1, amount=900), outcome("refunded", 2)), (0, 0)),
])  # fmt: skip
def test_a_refund_of_a_part_leaves_the_order(outcomes, bought):
    order = paid_order(outcomes, "EUR")
    assert (1, order.amount) == bought if order else bought == (0, 0)
