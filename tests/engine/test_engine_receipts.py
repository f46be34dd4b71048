"""Check what becomes of reported outcomes: their receipts, what they add to the sums, and what closing does."""

from __future__ import annotations

import pytest

from engine.decisions.outcome_processor import OutcomeProcessor, StoredOutcome, close_due
from engine.model.outcome import LARGEST_AMOUNT, MOST_OUTCOMES
from engine.model.timestamps import MINUTE
from engine.store.folds import WAITING, Sums
from tests.engine.memory_log import DECIDED_AT, MemoryLog, decision, outcome

pytestmark = pytest.mark.anyio
CLOSES_AT = DECIDED_AT + 60 * MINUTE


@pytest.fixture
def log(monkeypatch):
    log = MemoryLog(decision())
    log.install(monkeypatch)
    return log


@pytest.fixture
def processor(log):
    return OutcomeProcessor()


@pytest.fixture
def report(log, processor):
    """Return `await report(row, ...)`: the receipts; what the outcomes add is folded into the log."""

    async def record(*rows):
        sums = Sums()
        receipts = await processor.outcomes(None, rows, sums)
        log.folded.append(sums)
        return receipts

    return record


def statuses(receipts):
    return [receipt.status for receipt in receipts]


# Receipts


async def test_a_new_outcome_is_recorded_once(log, report):
    assert statuses(await report(outcome())) == ["recorded"]
    assert statuses(await report(outcome())) == ["duplicate"]
    assert statuses(await report(outcome(), outcome())) == ["duplicate", "duplicate"]
    assert log.statistics() == {"card": (1, 1)}


async def test_receipts_come_in_the_order_of_the_reports(report):
    receipts = await report(
        outcome(event_id="a", decision_id="dec_9"), outcome(event_id="b"), outcome(event_id="c", candidate="bitcoin"),
        outcome(event_id="b"), outcome("shown", None, event_id="d"),
    )  # fmt: skip
    assert [receipt.event_id for receipt in receipts] == ["a", "b", "c", "b", "d"]
    assert statuses(receipts) == ["unknown_decision", "recorded", "invalid", "duplicate", "recorded"]


async def test_another_outcome_under_a_used_id_is_a_conflict(log, report):
    await report(outcome(amount=500, currency="EUR"))
    [receipt] = await report(outcome(amount=700, currency="EUR"))
    assert receipt.status == "conflict"
    assert receipt.stored == StoredOutcome("dec_1", "converted", "card", 500, "EUR")
    assert receipt.message.startswith("event_id: another outcome is stored under this id")
    assert [row.amount for row in log.outcomes.values()] == [500]


async def test_a_repetition_may_have_another_time(report):
    await report(outcome())
    assert statuses(await report(outcome(minute=9))) == ["duplicate"]


async def test_first_of_two_conflicting_reports_is_stored(log, report):
    receipts = await report(outcome("selected", "paypal"), outcome("converted", "card"))
    assert statuses(receipts) == ["recorded", "conflict"]
    assert [row.type for row in log.outcomes.values()] == ["selected"]


@pytest.mark.parametrize(("row", "status", "message"), [
    (outcome(decision_id="dec_9"), "unknown_decision", "decision_id: there is no such decision"),
    (outcome(merchant_id=2), "unknown_decision", "decision_id: there is no such decision"),
    (outcome(candidate="bitcoin"), "invalid", "candidate_id: not a candidate of this decision"),
    (outcome(candidate=None), "invalid", "candidate_id: a converted outcome names its candidate"),
    (outcome("declined", None), "invalid", "candidate_id: a declined outcome names its candidate"),
    (outcome("shown", "bitcoin"), "invalid", "candidate_id: not a candidate of this decision"),
    (
        outcome(amount=LARGEST_AMOUNT + 1, currency="EUR"),
        "invalid",
        "amount: must be at most 1000000000 minor units",
    ),
    (
        outcome(amount=100 * LARGEST_AMOUNT + 1, currency="IDR"),
        "invalid",
        "amount: must be at most 100000000000 minor units",
    ),
])  # fmt: skip
async def test_an_unsound_outcome_is_refused_with_the_field(log, report, row, status, message):
    [receipt] = await report(row)
    assert (receipt.status, receipt.message) == (status, message)
    assert log.outcomes == {}
    assert log.statistics() == {}


@pytest.mark.parametrize("row", [
    outcome("shown", None),
    outcome("abandoned", None),
    outcome("shown", "card"),
    outcome("converted", "ideal"),
    outcome("converted", "klarna", amount=0, currency="EUR"),
    outcome(amount=LARGEST_AMOUNT, currency="EUR"),
    outcome(amount=100 * LARGEST_AMOUNT, currency="IDR"),
    outcome(decision_id=None, customer="hash", placement="p"),
    outcome(decision_id=None, candidate="bitcoin", customer="hash", placement="p"),
])  # fmt: skip
async def test_a_sound_outcome_is_recorded(log, report, row):
    assert statuses(await report(row)) == ["recorded"]
    assert len(log.outcomes) == 1


async def test_a_stored_outcome_has_its_decisions_placement_and_customer(log, report):
    await report(outcome())
    [row] = log.outcomes.values()
    assert (row.placement, row.customer) == ("p", "hash")


async def test_outcome_without_a_decision_is_stored_unchanged(log, report):
    await report(outcome(decision_id=None, customer="other", placement="q"))
    [row] = log.outcomes.values()
    assert (row.placement, row.customer) == ("q", "other")


# Limits


@pytest.mark.parametrize(("recorded_at", "status"), [
    (CLOSES_AT - 1, "recorded"), (CLOSES_AT, "invalid"), (CLOSES_AT + 1, "invalid"),
])  # fmt: skip
async def test_a_browser_may_report_until_the_window_closes(report, recorded_at, status):
    hint = outcome("shown", "card", source="browser", recorded_at=recorded_at)
    assert statuses(await report(hint)) == [status]
    assert statuses(await report(outcome("selected", event_id="server", recorded_at=recorded_at))) == ["recorded"]


async def test_a_browser_may_not_report_on_a_closed_decision(log, report):
    await log.close(None, [log.decisions["dec_1"]])
    [receipt] = await report(outcome("shown", "card", source="browser"))
    assert (receipt.status, receipt.message) == (
        "invalid", "decision_id: the time for reports by browsers is over",
    )  # fmt: skip
    assert statuses(await report(outcome(event_id="server"))) == ["recorded"]


async def test_a_decision_has_so_many_outcomes_and_no_more(report):
    rows = [outcome("shown", "card", event_id=f"e{number}") for number in range(MOST_OUTCOMES + 2)]
    receipts = await report(*rows[:30]) + await report(*rows[30:])
    assert statuses(receipts) == ["recorded"] * MOST_OUTCOMES + ["invalid"] * 2
    assert receipts[-1].message == (
        f"decision_id: the decision already has {MOST_OUTCOMES} outcomes, the most that are stored"
    )


async def test_a_repetition_fits_into_a_full_decision(report):
    rows = [outcome("shown", "card", event_id=f"e{number}") for number in range(MOST_OUTCOMES)]
    await report(*rows)
    assert statuses(await report(rows[0], rows[-1])) == ["duplicate", "duplicate"]


async def test_a_browser_cannot_use_up_the_servers_outcomes(report):
    hints = [
        outcome("shown", "card", event_id=f"e{number}", source="browser", space="dec_1")
        for number in range(MOST_OUTCOMES + 1)
    ]
    assert statuses(await report(*hints))[-1] == "invalid"
    assert statuses(await report(outcome(event_id="server"))) == ["recorded"]


async def test_purchases_without_a_decision_are_not_limited(report):
    rows = [
        outcome(decision_id=None, customer="hash", placement="p", event_id=f"e{number}")
        for number in range(MOST_OUTCOMES + 5)
    ]
    assert set(statuses(await report(*rows))) == {"recorded"}


async def test_an_invalid_report_does_not_use_up_its_id_or_the_limit(report):
    invalid = [outcome(candidate="bitcoin", event_id=f"e{number}") for number in range(MOST_OUTCOMES + 5)]
    assert set(statuses(await report(*invalid))) == {"invalid"}
    assert statuses(await report(outcome(event_id="e0"))) == ["recorded"]


# What outcomes add to the sums


async def test_outcomes_count_in_the_order_of_time(log, report):
    await report(outcome("selected", "paypal", event_id="late", minute=9))
    await report(outcome("converted", "card", event_id="early", minute=2))
    assert log.statistics() == {"card": (1, 1), "paypal": (1, 0)}


async def test_refund_removes_the_success_and_keeps_the_trial(log, report):
    await report(outcome())
    await report(outcome("refunded", event_id="e2", minute=5))
    assert log.statistics() == {"card": (1, 0)}


async def test_outcomes_of_two_decisions_count_for_each(log, report):
    await log.append(None, [decision(2)])
    await report(outcome(), outcome(event_id="e2", decision_id="dec_2", candidate="paypal"))
    assert log.statistics() == {"card": (2, 1), "paypal": (1, 1)}


async def test_purchases_without_a_decision_add_only_to_usage(log, report):
    await report(outcome(decision_id=None, customer="hash", placement="p"))
    [sums] = log.folded
    assert sums.statistics == {}
    assert list(sums.of["usage"].values()) == [[1, 1]]


async def test_a_late_outcome_of_a_closed_decision_replaces_its_failure(log, processor, report):
    sums = Sums()
    assert await close_due(None, processor, sums, now=CLOSES_AT, limit=10) == 1
    assert log.statistics() == {"card": (1, 0), "paypal": (1, 0), "klarna": (1, 0)}
    await report(outcome("converted", "card", minute=90))
    assert log.statistics() == {"card": (1, 1), "paypal": (0, 0), "klarna": (0, 0)}


# Closing


async def test_only_windows_that_ended_are_closed(log, processor):
    await log.append(None, [decision(2, closes_at=CLOSES_AT + 1), decision(3, closes_at=None)])
    assert await close_due(None, processor, Sums(), now=CLOSES_AT - 1, limit=10) == 0
    assert log.folded == []
    assert await close_due(None, processor, Sums(), now=CLOSES_AT, limit=10) == 1
    assert [row.closes_at for row in log.decisions.values()] == [None, CLOSES_AT + 1, None]
    assert await close_due(None, processor, Sums(), now=CLOSES_AT, limit=10) == 0


async def test_a_closed_decision_stops_pending_and_counts_its_delay(log, processor):
    sums = Sums()
    await close_due(None, processor, sums, now=CLOSES_AT, limit=10)
    assert set(map(tuple, sums.of[WAITING.name].values())) == {(-1,)}
    assert list(sums.of["delays"].values()) == [[0, 1]]


async def test_an_outcome_before_the_close_counts_as_it_was(log, processor, report):
    await report(outcome("converted", "card"))
    await close_due(None, processor, Sums(), now=CLOSES_AT, limit=10)
    assert log.statistics() == {"card": (1, 1)}


# Replacing and retracting


async def test_a_replaced_decision_leaves_no_trace_in_the_sums(log, processor, report):
    await report(outcome())
    sums = Sums()
    await processor.replace(None, [decision(), decision(9)], sums)
    log.folded.append(sums)
    assert log.statistics() == {"card": (0, 0)}


async def test_a_replaced_decision_is_no_longer_pending(processor):
    sums = Sums()
    await processor.replace(None, [decision()], sums)
    assert set(map(tuple, sums.of[WAITING.name].values())) == {(-1,)}


async def test_retracted_outcome_is_removed_from_log_and_sums(log, processor, report):
    await report(outcome("selected", "card", event_id="e0", minute=1), outcome())
    sums = Sums()
    await processor.retract(None, [log.outcomes[1, "", "e1"]], sums)
    log.folded.append(sums)
    assert [row.type for row in log.outcomes.values()] == ["selected"]
    assert log.statistics() == {"card": (0, 0)}
    assert statuses(await report(outcome())) == ["recorded"]
    assert log.statistics() == {"card": (1, 1)}


async def test_retracted_purchase_is_removed_from_usage(log, processor, report):
    row = outcome(decision_id=None, customer="hash", placement="p")
    await report(row)
    await processor.retract(None, [row], log.folded[0])
    assert list(log.folded[0].of["usage"].values()) == [[0, 0]]
    assert log.outcomes == {}


# Settings of the plan


async def test_a_plans_settings_are_read_once(log, report):
    for number in range(3):
        await report(outcome("shown", "card", event_id=f"e{number}"))
    assert log.plans_read == 1


async def test_decision_of_a_deleted_plan_cannot_be_credited(log, report):
    log.decisions["dec_1"] = decision(plan_version=7)
    with pytest.raises(LookupError, match="plan version 7 of placement p is gone"):
        await report(outcome())
