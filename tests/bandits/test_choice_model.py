import numpy as np
import pytest

from bandits.choice.fit import Normal, most_likely, tabulate, touching
from bandits.choice.model import ChoiceModel, ChoicePrior
from bandits.choice.observations import EFFECTS, MOST_STRATA, NOTHING, ChoiceObservation, ChoiceTable, Layout, aggregate

IDS = ("card", "invoice", "paypal")


def observed(count, *, seed=0, utilities=(0.8, -0.5, 0.2), outside=(0.5, 2.0), effect=-0.6):
    """Observations of random orders in two strata; in the second nobody is offered invoice."""
    rng, seen = np.random.default_rng(seed), []
    for _ in range(count):
        stratum = int(rng.integers(2))
        candidate_numbers = rng.permutation([0, 1, 2] if stratum == 0 else [0, 2])
        worth = np.exp([utilities[one] + (effect if slot else 0.0) for slot, one in enumerate(candidate_numbers)])
        chances = np.append(worth, np.exp(outside[stratum])) / (worth.sum() + np.exp(outside[stratum]))
        slot = int(rng.choice(len(chances), p=chances))
        chosen = (slot,) if slot < len(candidate_numbers) else ()
        seen.append(ChoiceObservation(tuple(IDS[one] for one in candidate_numbers), f"s{stratum}", chosen))
    return seen


def learned(seen, batches=1):
    known = ChoiceModel.nothing()
    for batch in np.array_split(np.arange(len(seen)), batches):
        known = known.after(aggregate([seen[number] for number in batch]))
    return known


def differences(belief, stratum="s0"):
    utilities = belief.utilities(IDS, stratum)
    return utilities[0] - utilities[1], utilities[0] - utilities[2]


def test_utilities_are_found_in_batches():
    belief = learned(observed(20_000), batches=20).belief()
    assert differences(belief) == pytest.approx((1.3, 0.6), abs=0.12)
    assert belief.outside("s1") - belief.outside("s0") == pytest.approx(1.5, abs=0.2)
    assert belief.mean[0] == pytest.approx(-0.6, abs=0.1)


def test_many_batches_end_near_one():
    seen = observed(4_000)
    apart = differences(learned(seen, batches=1).belief()), differences(learned(seen, batches=40).belief())
    assert apart[0] == pytest.approx(apart[1], abs=0.03)


def test_slope_and_curvature_are_those_of_the_likelihood():
    choices = aggregate(observed(200))
    layout = Layout().with_more(choices.layout)
    given, nothing = tabulate(choices, layout), tabulate(NOTHING, layout)
    flat = Normal(np.zeros(layout.size), np.eye(layout.size))
    top = most_likely(flat, given, nothing)
    evidence, _ = touching(top, given, nothing)
    # At the top the prior's pull is the likelihood's slope.
    assert evidence.mean - evidence.precision @ top == pytest.approx(top, abs=1e-6)
    for number in (0, EFFECTS, EFFECTS + 1, layout.size - 1):
        moved = top.copy()
        moved[number] += 1e-4
        after, _ = touching(moved, given, nothing)
        change = (after.mean - after.precision @ moved) - (evidence.mean - evidence.precision @ top)
        assert change / 1e-4 == pytest.approx(-evidence.precision[:, number], abs=0.02)


def test_equal_observations_are_one_row_in_any_order():
    seen = observed(500)
    once, again = aggregate(seen), aggregate(seen[::-1])
    assert len(once.order) < 30
    for name in ("order", "stratum", "picked", "offsets", "shares"):
        assert np.array_equal(getattr(once, name), getattr(again, name))


def test_learning_again_gives_the_same_bits():
    first, second = (learned(observed(1_000), batches=5) for _ in range(2))
    assert first.settled.information.tobytes() == second.settled.information.tobytes()
    assert first.settled.precision.tobytes() == second.settled.precision.tobytes()


def test_a_choice_taken_back_leaves_what_was_before():
    before = learned(observed(3_000))
    more = observed(200, seed=1)
    after = before.after(aggregate(more)).after(aggregate([seen._replace(weight=-1.0) for seen in more]))
    assert differences(after.belief()) == pytest.approx(differences(before.belief()), abs=0.02)
    assert np.allclose(after.settled.precision, before.settled.precision, atol=3)


def test_a_late_choice_is_a_difference():
    order = ("card", "paypal")
    late = aggregate([ChoiceObservation(order, "s0", (), -1.0), ChoiceObservation(order, "s0", (1,), 1.0)])
    assert late.picked.tolist() == [[0.0, 1.0, -1.0]]
    known = learned(observed(500))
    assert known.after(late).belief().utilities(["paypal"], "s0") > known.belief().utilities(["paypal"], "s0")


def test_several_positives_count_in_equal_parts():
    assert aggregate([ChoiceObservation(IDS, "s0", (0, 2))]).picked.tolist() == [[0.5, 0.0, 0.5, 0.0]]


def test_fading_returns_to_what_is_expected():
    known = learned(observed(2_000))
    assert known.faded(0.0).belief().mean == pytest.approx(ChoicePrior().of(known.layout).mean)
    half, whole = differences(known.faded(0.5).belief())[0], differences(known.belief())[0]
    assert 0.8 * whole < half < whole


def test_a_newcomer_begins_where_its_siblings_are():
    belief = learned(observed(5_000)).belief(candidates=("wero",))
    siblings = belief.utilities(IDS, "s0").mean()
    assert belief.utilities(["wero"], "new")[0] == pytest.approx(siblings, abs=0.35)


def test_forgetting_one_keeps_what_is_known_of_others():
    known = learned(observed(5_000))
    left = known.without(["invoice"])
    belief, before = left.belief(), known.belief()
    assert left.layout.candidates == ("card", "paypal")
    kept = left.layout.positions_in(known.layout)
    assert belief.mean == pytest.approx(before.mean[kept], abs=1e-8)
    covariance = np.linalg.inv(before.precision)[np.ix_(kept, kept)]
    assert np.linalg.inv(belief.precision) == pytest.approx(covariance, abs=1e-8)
    # Who comes back begins anew.
    again = left.belief(candidates=IDS)
    assert again.utilities(["invoice"], "elsewhere")[0] == pytest.approx(0.0)


def test_an_open_decision_of_no_share_says_nothing():
    known = learned(observed(500))
    pending = aggregate([ChoiceObservation(IDS, "s0", shares=(0.0, 0.0, 0.0))] * 50)
    assert np.abs(known.after(NOTHING, pending).pending.precision).max() < 1e-9
    assert known.after(NOTHING, pending).belief().mean == pytest.approx(known.belief().mean, abs=1e-9)


def test_an_open_decision_past_its_window_is_a_failure():
    known, late = learned(observed(500)), [ChoiceObservation(IDS, "s0")] * 50
    pending = aggregate([seen._replace(shares=(1.0, 1.0, 1.0)) for seen in late])
    as_failures = known.after(aggregate(late)).belief().mean
    assert known.after(NOTHING, pending).belief().mean == pytest.approx(as_failures, abs=1e-9)


def test_waiting_is_replaced_and_not_added():
    known, pending = learned(observed(500)), aggregate([ChoiceObservation(IDS, "s0", shares=(0.5,) * 3)] * 50)
    twice = known.after(NOTHING, pending).after(NOTHING, pending)
    assert twice.belief().mean == pytest.approx(known.after(NOTHING, pending).belief().mean, abs=1e-6)
    assert twice.after(NOTHING).belief().mean == pytest.approx(known.belief().mean)


def test_who_answers_late_is_not_blamed_for_silence():
    known = learned(observed(2_000))
    silent = aggregate([ChoiceObservation(IDS, "s0", shares=(1.0, 1.0, 0.0))] * 300)
    early, late = differences(known.after(NOTHING, silent).belief())[1], differences(known.belief())[1]
    assert early < late - 0.2


def test_a_favourite_known_beforehand_is_no_merit():
    rng, seen, strong = np.random.default_rng(3), [], 3.0
    for number in range(6_000):
        offsets = (0.0, strong if number % 2 else 0.0)
        worth = np.append(np.exp(np.array([0.0, 0.0]) + offsets), np.exp(1.0))
        slot = int(rng.choice(3, p=worth / worth.sum()))
        seen.append(ChoiceObservation(("card", "paypal"), "s0", (slot,) if slot < 2 else (), 1.0, offsets))
    known = learned(seen, batches=6).belief()
    card, paypal = known.utilities(["card", "paypal"], "s0")
    assert card == pytest.approx(paypal + known.mean[0], abs=0.15)


def test_strata_beyond_the_last_share_what_is_common():
    known = ChoiceModel.nothing()
    for number in range(MOST_STRATA + 5):
        known = known.after(aggregate([ChoiceObservation(IDS, f"s{number:02}")]))
    assert len(known.layout.strata) == MOST_STRATA
    assert known.belief().outside("s54") == known.belief().mean[EFFECTS]


def test_what_was_learned_apart_adds():
    seen = observed(2_000)
    together = learned(seen[:1_000]) + learned([one._replace(stratum="other") for one in seen[1_000:]])
    assert set(together.layout.strata) == {"other", "s0", "s1"}
    assert differences(together.belief())[0] == pytest.approx(1.3, abs=0.35)


def test_rows_of_choices_can_be_picked():
    choices = aggregate(observed(100))
    assert isinstance(choices.where(choices.stratum == 0), ChoiceTable)
    assert set(choices.where(choices.stratum == 0).stratum) == {0}
