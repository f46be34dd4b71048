import numpy as np
import pytest

from bandits.choice.fit import Normal, most_likely, tabulate, touching
from bandits.choice.model import ChoiceModel, ChoicePrior
from bandits.choice.observations import EFFECTS, MOST_STRATA, NOTHING, ChoiceObservation, ChoiceTable, Layout, aggregate

IDS = ("card", "invoice", "paypal")


def observed(count, *, seed=0, utilities=(0.8, -0.5, 0.2), outside=(0.5, 2.0), effect=-0.6):
    """Observations of random orders in two strata; invoice is ineligible in the second."""
    rng, seen = np.random.default_rng(seed), []
    for _ in range(count):
        stratum = int(rng.integers(2))
        candidate_numbers = rng.permutation([0, 1, 2] if stratum == 0 else [0, 2])
        attractions = np.exp(
            [utilities[item] + (effect if slot else 0.0) for slot, item in enumerate(candidate_numbers)]
        )
        chances = np.append(attractions, np.exp(outside[stratum])) / (attractions.sum() + np.exp(outside[stratum]))
        slot = int(rng.choice(len(chances), p=chances))
        chosen = (slot,) if slot < len(candidate_numbers) else ()
        seen.append(ChoiceObservation(tuple(IDS[number] for number in candidate_numbers), f"s{stratum}", chosen))
    return seen


def learned(seen, batches=1):
    item = ChoiceModel.nothing()
    for batch in np.array_split(np.arange(len(seen)), batches):
        item = item.after(aggregate([seen[number] for number in batch]))
    return item


def differences(belief, stratum="s0"):
    utilities = belief.utilities(IDS, stratum)
    return utilities[0] - utilities[1], utilities[0] - utilities[2]


def test_utilities_are_recovered_in_batches():
    belief = learned(observed(20_000), batches=20).belief()
    assert differences(belief) == pytest.approx((1.3, 0.6), abs=0.12)
    assert belief.outside("s1") - belief.outside("s0") == pytest.approx(1.5, abs=0.2)
    assert belief.mean[0] == pytest.approx(-0.6, abs=0.1)


def test_many_batches_agree_with_a_single_batch():
    seen = observed(4_000)
    apart = differences(learned(seen, batches=1).belief()), differences(learned(seen, batches=40).belief())
    assert apart[0] == pytest.approx(apart[1], abs=0.03)


def test_slope_and_curvature_are_those_of_the_likelihood():
    choices = aggregate(observed(200))
    layout = Layout().with_more(choices.layout)
    given, empty_table = tabulate(choices, layout), tabulate(NOTHING, layout)
    flat = Normal(np.zeros(layout.size), np.eye(layout.size))
    top = most_likely(flat, given, empty_table)
    evidence, _ = touching(top, given, empty_table)
    # At the top the prior's pull is the likelihood's slope.
    assert evidence.mean - evidence.precision @ top == pytest.approx(top, abs=1e-6)
    for number in (0, EFFECTS, EFFECTS + 1, layout.size - 1):
        moved = top.copy()
        moved[number] += 1e-4
        after, _ = touching(moved, given, empty_table)
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


def test_retracted_choice_restores_the_previous_state():
    before = learned(observed(3_000))
    more = observed(200, seed=1)
    after = before.after(aggregate(more)).after(aggregate([seen._replace(weight=-1.0) for seen in more]))
    assert differences(after.belief()) == pytest.approx(differences(before.belief()), abs=0.02)
    assert np.allclose(after.settled.precision, before.settled.precision, atol=3)


def test_a_late_choice_is_a_difference():
    order = ("card", "paypal")
    late = aggregate([ChoiceObservation(order, "s0", (), -1.0), ChoiceObservation(order, "s0", (1,), 1.0)])
    assert late.picked.tolist() == [[0.0, 1.0, -1.0]]
    item = learned(observed(500))
    assert item.after(late).belief().utilities(["paypal"], "s0") > item.belief().utilities(["paypal"], "s0")


def test_several_positives_count_in_equal_parts():
    assert aggregate([ChoiceObservation(IDS, "s0", (0, 2))]).picked.tolist() == [[0.5, 0.0, 0.5, 0.0]]


def test_fading_returns_to_the_prior():
    item = learned(observed(2_000))
    assert item.faded(0.0).belief().mean == pytest.approx(ChoicePrior().of(item.layout).mean)
    half, whole = differences(item.faded(0.5).belief())[0], differences(item.belief())[0]
    assert 0.8 * whole < half < whole


def test_new_candidate_starts_from_its_siblings():
    belief = learned(observed(5_000)).belief(candidates=("wero",))
    siblings = belief.utilities(IDS, "s0").mean()
    assert belief.utilities(["wero"], "new")[0] == pytest.approx(siblings, abs=0.35)


def test_resetting_a_candidate_keeps_the_others():
    item = learned(observed(5_000))
    left = item.without(["invoice"])
    belief, before = left.belief(), item.belief()
    assert left.layout.candidates == ("card", "paypal")
    kept = left.layout.positions_in(item.layout)
    assert belief.mean == pytest.approx(before.mean[kept], abs=1e-8)
    covariance = np.linalg.inv(before.precision)[np.ix_(kept, kept)]
    assert np.linalg.inv(belief.precision) == pytest.approx(covariance, abs=1e-8)
    # Who comes back begins anew.
    again = left.belief(candidates=IDS)
    assert again.utilities(["invoice"], "elsewhere")[0] == pytest.approx(0.0)


def test_pending_decision_with_share_zero_is_ignored():
    item = learned(observed(500))
    pending = aggregate([ChoiceObservation(IDS, "s0", shares=(0.0, 0.0, 0.0))] * 50)
    assert np.abs(item.after(NOTHING, pending).pending.precision).max() < 1e-9
    assert item.after(NOTHING, pending).belief().mean == pytest.approx(item.belief().mean, abs=1e-9)


def test_pending_decision_after_its_window_is_a_failure():
    item, late = learned(observed(500)), [ChoiceObservation(IDS, "s0")] * 50
    pending = aggregate([seen._replace(shares=(1.0, 1.0, 1.0)) for seen in late])
    as_failures = item.after(aggregate(late)).belief().mean
    assert item.after(NOTHING, pending).belief().mean == pytest.approx(as_failures, abs=1e-9)


def test_waiting_is_replaced_and_not_added():
    item, pending = learned(observed(500)), aggregate([ChoiceObservation(IDS, "s0", shares=(0.5,) * 3)] * 50)
    twice = item.after(NOTHING, pending).after(NOTHING, pending)
    assert twice.belief().mean == pytest.approx(item.after(NOTHING, pending).belief().mean, abs=1e-6)
    assert twice.after(NOTHING).belief().mean == pytest.approx(item.belief().mean)


def test_slow_candidate_is_not_penalised_for_missing_outcomes():
    item = learned(observed(2_000))
    silent = aggregate([ChoiceObservation(IDS, "s0", shares=(1.0, 1.0, 0.0))] * 300)
    early, late = differences(item.after(NOTHING, silent).belief())[1], differences(item.belief())[1]
    assert early < late - 0.2


def test_known_favourite_gets_no_credit():
    rng, seen, strong = np.random.default_rng(3), [], 3.0
    for number in range(6_000):
        offsets = (0.0, strong if number % 2 else 0.0)
        attractions = np.append(np.exp(np.array([0.0, 0.0]) + offsets), np.exp(1.0))
        slot = int(rng.choice(3, p=attractions / attractions.sum()))
        seen.append(ChoiceObservation(("card", "paypal"), "s0", (slot,) if slot < 2 else (), 1.0, offsets))
    item = learned(seen, batches=6).belief()
    card, paypal = item.utilities(["card", "paypal"], "s0")
    assert card == pytest.approx(paypal + item.mean[0], abs=0.15)


def test_strata_beyond_the_limit_share_utilities():
    item = ChoiceModel.nothing()
    for number in range(MOST_STRATA + 5):
        item = item.after(aggregate([ChoiceObservation(IDS, f"s{number:02}")]))
    assert len(item.layout.strata) == MOST_STRATA
    assert item.belief().outside("s54") == item.belief().mean[EFFECTS]


def test_separate_evidence_is_additive():
    seen = observed(2_000)
    together = learned(seen[:1_000]) + learned([item._replace(stratum="other") for item in seen[1_000:]])
    assert set(together.layout.strata) == {"other", "s0", "s1"}
    assert differences(together.belief())[0] == pytest.approx(1.3, abs=0.35)


def test_rows_of_choices_can_be_picked():
    choices = aggregate(observed(100))
    assert isinstance(choices.where(choices.stratum == 0), ChoiceTable)
    assert set(choices.where(choices.stratum == 0).stratum) == {0}
