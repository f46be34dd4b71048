from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import Event, Statistics, credit, unanswered

RANKING = ["card", "paypal", "klarna", "ideal"]
SEEN, WON = Statistics(1, 0), Statistics(1, 1)


def events(*texts):
    return [Event(*text.split()) for text in texts]


def selected(*texts, model="cascade"):
    return credit(model, "selected", RANKING, events(*texts))


def converted(*texts, model="cascade"):
    return credit(model, "converted", RANKING, events(*texts))


# Cascade, by selection.


def test_no_credit_without_outcomes():
    assert selected() == converted() == {}


def test_shown_alone_has_no_credit_yet():
    assert selected("shown card") == converted("shown card") == {}


def test_candidates_above_the_selected_get_a_trial_those_below_none():
    assert selected("selected klarna") == {"card": SEEN, "paypal": SEEN, "klarna": WON}


@pytest.mark.parametrize("end", ["abandoned", "closed"])
def test_without_a_selection_all_candidates_are_failures(end):
    assert selected(end) == converted(end) == dict.fromkeys(RANKING, SEEN)


def test_without_a_choice_candidates_below_the_last_shown_are_unseen():
    assert selected("shown card", "shown paypal", "closed") == {"card": SEEN, "paypal": SEEN}


def test_completely_shown_answer_is_fully_examined():
    assert selected("shown", "closed") == dict.fromkeys(RANKING, SEEN)


def test_last_selected_candidate_is_the_choice():
    assert selected("selected klarna", "selected card") == {"card": WON, "paypal": SEEN, "klarna": SEEN}


def test_selection_counts_regardless_of_the_payment():
    for resolution in ("declined card", "converted card", "refunded card", "closed"):
        assert selected("selected card", resolution) == {"card": WON}


def test_a_late_decline_does_not_undo_a_newer_choice():
    assert selected("selected card", "selected paypal", "declined card") == {"card": SEEN, "paypal": WON}


def test_a_conversion_implies_the_selection():
    assert selected("converted paypal") == {"card": SEEN, "paypal": WON}


def test_a_redeemed_offer_counts_as_selected():
    assert selected("redeemed paypal") == {"card": SEEN, "paypal": WON}


def test_a_choice_from_outside_the_answer_examined_all():
    assert selected("selected wero") == dict.fromkeys(RANKING, SEEN)


# Cascade, by conversion.


def test_pending_payment_has_no_credit():
    assert converted("selected paypal") == {}


def test_conversion_is_a_success_with_failures_above_it():
    assert converted("selected paypal", "converted paypal") == {"card": SEEN, "paypal": WON}
    assert converted("converted paypal") == {"card": SEEN, "paypal": WON}


@pytest.mark.parametrize("end", ["declined paypal", "abandoned", "closed"])
def test_failed_payment_counts_against_its_candidate(end):
    assert converted("selected paypal", end) == {"card": SEEN, "paypal": SEEN}


def test_decline_without_a_selection_is_a_failure():
    assert converted("declined paypal") == {"card": SEEN, "paypal": SEEN}


def test_success_after_a_decline_is_credited_to_the_next_method():
    outcomes = ["selected card", "declined card", "selected klarna"]
    assert converted(*outcomes) == {}
    assert converted(*outcomes, "converted klarna") == {"card": SEEN, "paypal": SEEN, "klarna": WON}


def test_a_decline_does_not_settle_another_payment_in_flight():
    assert converted("selected card", "selected paypal", "declined card") == {}


def test_second_attempt_with_the_same_method_is_one_trial():
    assert converted("selected card", "declined card", "selected card", "converted card") == {"card": WON}


def test_a_refund_takes_the_success_back_and_leaves_the_trial():
    assert converted("converted paypal", "refunded paypal") == {"card": SEEN, "paypal": SEEN}


def test_paying_again_after_a_refund_is_a_success():
    assert converted("converted card", "refunded card", "converted card") == {"card": WON}


def test_a_conversion_after_the_window_closed_still_counts():
    assert converted("selected card", "closed", "converted card") == {"card": WON}


def test_a_payment_by_two_methods_is_a_success_of_both():
    assert converted("converted card", "converted klarna") == {"card": WON, "paypal": SEEN, "klarna": WON}


@pytest.mark.parametrize("reward", ["revenue", "margin"])
def test_money_is_credited_as_conversion(reward):
    outcomes = events("selected paypal", "converted paypal")
    assert credit("cascade", reward, RANKING, outcomes) == converted("converted paypal")
    assert credit("cascade", reward, RANKING, [*outcomes, Event("refunded", "paypal")]) == {
        "card": SEEN,
        "paypal": SEEN,
    }


def test_report_on_another_candidate_examines_none():
    assert converted("shown wero", "closed") == {}
    assert converted("shown wero", "closed", model="shown") == {}


# The other models.


def test_first_credits_only_the_first_slot():
    assert selected("selected card", model="first") == {"card": WON}
    assert selected("selected klarna", model="first") == {"card": SEEN}
    assert converted("selected card", model="first") == {}
    assert converted("converted card", model="first") == {"card": WON}
    assert selected("closed", model="first") == {"card": SEEN}


def test_position_credits_every_slot():
    assert selected("selected paypal", model="position") == {**dict.fromkeys(RANKING, SEEN), "paypal": WON}
    assert converted("selected paypal", model="position") == {}
    assert converted("converted ideal", model="position") == {**dict.fromkeys(RANKING, SEEN), "ideal": WON}
    assert selected("shown card", "closed", model="position") == dict.fromkeys(RANKING, SEEN)


def test_shown_credits_all_shown_candidates():
    outcomes = ["shown card", "shown klarna", "selected klarna"]
    assert selected(*outcomes, model="shown") == {"card": SEEN, "klarna": WON}
    assert converted(*outcomes, model="shown") == {}
    assert converted(*outcomes, "converted klarna", model="shown") == {"card": SEEN, "klarna": WON}


def test_shown_without_a_candidate_counts_all():
    assert selected("selected card", model="shown") == {**dict.fromkeys(RANKING, SEEN), "card": WON}


def test_answer_without_reports_has_no_credit():
    assert selected("closed", model="shown") == {}
    assert selected("shown", "closed", model="shown") == dict.fromkeys(RANKING, SEEN)


def test_selected_candidate_was_shown_without_a_report():
    assert selected("shown card", "selected ideal", model="shown") == {"card": SEEN, "ideal": WON}


@pytest.mark.parametrize(("model", "pending"), [
    ("choice", RANKING), ("cascade", RANKING), ("position", RANKING), ("first", ["card"]), ("shown", []),
])  # fmt: skip
def test_without_any_outcome_the_examined_are_still_waited_for(model, pending):
    assert list(unanswered(model, RANKING)) == pending
    assert set(credit(model, "converted", RANKING, events("closed"))) == set(pending)


# Whatever happens.


def test_outcome_without_a_required_candidate_is_refused():
    with pytest.raises(ValueError, match="candidate: a converted outcome must name its candidate"):
        Event("converted")


MODELS = ("cascade", "position", "first", "shown")
PAIRS = [(model, reward) for model in MODELS for reward in ("selected", "converted")]
NAMED = ["shown", "selected", "converted", "declined", "redeemed", "refunded"]
stories = st.lists(
    st.builds(Event, st.sampled_from(NAMED), st.sampled_from([*RANKING, "wero"]))
    | st.builds(Event, st.sampled_from(["shown", "abandoned", "closed"])),
    max_size=7,
)


@given(stories, st.sampled_from(PAIRS), st.data())
def test_differences_in_any_order_of_arrival_sum_to_the_credit(outcomes, pair, data):
    arrivals = data.draw(st.permutations([*range(len(outcomes)), *range(len(outcomes))]))
    learned, total, before = set(), Counter(), {}
    for item in arrivals:
        learned.add(item)
        after = credit(*pair, RANKING, [outcomes[index] for index in sorted(learned)])
        for ranked in RANKING:
            change = after.get(ranked, Statistics()) - before.get(ranked, Statistics())
            total[ranked, "trials"] += change.trials
            total[ranked, "successes"] += change.successes
        before = after
    whole = credit(*pair, RANKING, outcomes)
    assert {ranked: Statistics(total[ranked, "trials"], total[ranked, "successes"]) for ranked in RANKING} == {
        ranked: whole.get(ranked, Statistics()) for ranked in RANKING
    }


@given(stories, st.sampled_from(PAIRS))
def test_repeated_reports_change_nothing(outcomes, pair):
    twice = [event for event in outcomes for _ in range(2)]
    assert credit(*pair, RANKING, twice) == credit(*pair, RANKING, outcomes)


@given(stories, st.sampled_from(PAIRS))
def test_a_candidate_gets_at_most_one_trial_and_success(outcomes, pair):
    credits_of_answer = credit(*pair, RANKING, outcomes)
    assert set(credits_of_answer) <= set(RANKING)
    assert all(item in (SEEN, WON) for item in credits_of_answer.values())


def test_the_result_of_an_unreported_payment_is_a_choice():
    events = [Event("selected", "card"), Event("declined", "paypal")]
    assert credit("cascade", "selected", ["card", "paypal"], events) == {
        "card": Statistics(1, 0),
        "paypal": Statistics(1, 1),
    }


def test_a_late_result_of_an_earlier_payment_is_no_choice():
    events = [Event("selected", "card"), Event("selected", "paypal"), Event("declined", "card")]
    assert credit("cascade", "selected", ["card", "paypal"], events) == {
        "card": Statistics(1, 0),
        "paypal": Statistics(1, 1),
    }
