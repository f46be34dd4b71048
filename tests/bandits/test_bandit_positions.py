"""Position effects from exact chances: the weights of slots are recovered for any candidates."""

import numpy as np
import pytest

import bandits
from bandits import Candidates, Requests, Slots
from bandits.drawing.slots import hashes_of
from bandits.evidence.positions import Impressions, PositionCurve, position_effects, position_sums, slot_chances
from benchmarks.checks.positions import RATES, WEIGHTS, World, play

SEEN = np.array([1.0, 0.6, 0.4, 0.3])
TAKEN = np.array([0.5, 0.4, 0.3, 0.2])
COUNT = len(TAKEN)
SLOTS = Slots(COUNT, 3)
IDS = tuple("abcd")


def candidates_of(spread=1.0, seed=1):
    log_odds = np.random.default_rng(seed).normal(size=(COUNT, 512)) * spread - np.arange(COUNT)[:, None] / 4
    scores = 1 / (1 + np.exp(-log_odds))
    return Candidates.of(IDS, scores.astype(np.float32), scores.mean(axis=1), 0.05)


def impressions_of(visits, *, favourite=0.0, seed=0):
    """Show orders to customers of whom each has a favourite, which comes first more often and sells more there."""
    rng, candidates, parts = np.random.default_rng(seed), candidates_of(), []
    for liked in range(COUNT):
        weights = np.ones((1, COUNT))
        past = np.zeros((1, 2, COUNT))
        past[0, :, liked] = 4 * favourite, 4 * favourite
        request = Requests(np.zeros(1, np.uint64), past, weights, 4.0)
        chances = slot_chances(candidates, SLOTS, request)
        seeds = rng.integers(2**63, size=visits).astype(np.uint64)
        many = Requests(seeds, np.repeat(past, visits, axis=0), weights, 4.0)
        orders, _ = bandits.fill(candidates, SLOTS, many)
        rates = TAKEN.copy()
        rates[liked] += 0.4 * favourite
        won = rng.random(orders.shape) < rates[orders] * SEEN
        slots = np.broadcast_to(np.arange(COUNT), orders.shape)
        parts.append(Impressions(orders.ravel(), slots.ravel(), won.ravel().astype(float), chances[orders.ravel()]))
    return Impressions(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def curve_of(impressions, start=None):
    won = impressions.success > 0
    curve = PositionCurve.nothing(impressions.chances.shape[1]) if start is None else start
    return curve.after(impressions.slot[won], impressions.chances[won])


@pytest.mark.parametrize("favourite", [0.0, 1.0])
def test_successes_distinguish_slots_from_candidates(favourite):
    effects = curve_of(impressions_of(10_000, favourite=favourite)).effects()
    assert effects.weights == pytest.approx(SEEN, rel=0.1)
    assert ((effects.low < SEEN) | (SEEN == 1)).all()
    assert ((effects.high > SEEN) | (SEEN == 1)).all()
    assert (effects.high[1:] / effects.low[1:] < 1.5).all()


def test_a_curve_in_batches_is_about_that_of_the_whole_log():
    impressions, curve = impressions_of(1_000, favourite=1.0), None
    for rows in np.array_split(np.random.default_rng(4).permutation(len(impressions.slot)), 200):
        curve = curve_of(Impressions(*(values[rows] for values in impressions)), curve)
    assert curve.effects().weights == pytest.approx(curve_of(impressions).effects().weights, rel=0.02)


def test_a_curve_without_successes_is_flat():
    empty_curve = PositionCurve.nothing(3).after(np.zeros(0, np.intp), np.zeros((0, 3)))
    assert empty_curve.effects().weights.tolist() == [1.0, 1.0, 1.0]
    assert PositionCurve.nothing(1).effects().weights.tolist() == [1.0]
    # What the chances rule out says nothing.
    impossible = PositionCurve.nothing(2).after(np.array([1]), np.array([[1.0, 0.0]]))
    assert impossible.effects().weights.tolist() == [1.0, 1.0]


def test_unlikely_orders_keep_their_share_of_the_chances():
    """With many candidates nearly all fillings are unlikely; without them the worst would lose a third."""
    ids = [f"arm {number:02}" for number in range(30)]
    draws = bandits.make_draws(ids, [bandits.Evidence(300.0, 30.0 + number) for number in range(30)], seed=1)
    candidates = bandits.Candidates(draws.rates[None], draws.means[None], hashes_of(ids), 0.01)
    chances = slot_chances(candidates, Slots(30, 3), Requests.of("any"))
    assert chances.sum(axis=1) == pytest.approx(np.ones(30), abs=0.01)
    assert chances.sum(axis=0) == pytest.approx(np.ones(30), abs=0.01)


@pytest.mark.parametrize("favourite", [0.0, 1.0])
def test_slots_are_distinguished_from_their_candidates(favourite):
    effects = position_effects(position_sums(impressions_of(10_000, favourite=favourite), COUNT))
    assert effects.weights == pytest.approx(SEEN, rel=0.1)
    assert ((effects.low < SEEN) | (SEEN == 1)).all()
    assert (effects.high[1:] / effects.low[1:] < 1.5).all()


def test_plain_rates_by_slot_mistake_favourites_for_slots():
    impressions = impressions_of(10_000, favourite=1.0)
    first, second = (impressions.success[impressions.slot == slot].mean() for slot in (0, 1))
    assert second / first < 0.9 * SEEN[1]


def test_sums_of_two_logs_add():
    both, parts = impressions_of(200), []
    for half in (slice(0, None, 2), slice(1, None, 2)):
        parts.append(position_sums(Impressions(*(values[half] for values in both)), COUNT))
    assert parts[0] + parts[1] == pytest.approx(position_sums(both, COUNT))


def test_slot_without_data_equals_the_slot_above():
    effects = position_effects(np.zeros((COUNT, 2, 8)))
    assert effects.weights.tolist() == [1.0, 1.0, 1.0]
    assert effects.low[2] < 0.2


@pytest.mark.parametrize("pins", [{}, {1: 0}, {3: 2}])
def test_slot_chances_are_those_of_drawn_orders(pins):
    candidates, slots = candidates_of(spread=0.5), Slots(COUNT, 2, pins)
    chances = slot_chances(candidates, slots, Requests.of("any"))
    seeds = np.random.default_rng(2).integers(2**63, size=20_000).astype(np.uint64)
    orders, _ = bandits.fill(candidates, slots, Requests(seeds))
    counts = np.array([(orders == index).mean(axis=0) for index in range(COUNT)])
    shares = np.where(np.isin(np.arange(COUNT), list(pins.values()))[:, None], counts, chances)
    assert shares == pytest.approx(counts, abs=0.015)
    free = [index for index in range(COUNT) if index not in pins.values()]
    assert chances[free].sum(axis=1) == pytest.approx(1.0, abs=1e-3)


def test_slot_chances_follow_the_customers_past():
    request = Requests(np.zeros(1, np.uint64), np.array([[[0, 0, 0, 40.0], [0, 0, 0, 40.0]]]), strength=4.0)
    assert slot_chances(candidates_of(), Slots(2, 1), request)[3].tolist() == pytest.approx([1.0, 0.0], abs=0.05)


def test_impatience_is_no_demerit_of_candidates_below():
    world = World((RATES[:4],), patience=0.5, batches=15, visits=800)
    plain, identified = (play(world, 3, identified=identified) for identified in (False, True))
    assert identified.weights[1] == pytest.approx(0.5, abs=0.08)
    assert identified.rates[0] == pytest.approx(RATES[:4], rel=0.25)
    assert plain.rates[0].min() < 0.6 * RATES[3]


def test_weights_are_recovered_if_the_best_differs_by_bucket():
    world = World((RATES, RATES[::-1]), batches=15, visits=2_000)
    plain, identified = (play(world, 3, identified=identified) for identified in (False, True))
    assert identified.weights[:4] == pytest.approx(WEIGHTS[:4], rel=0.2)
    assert plain.weights[3] < 0.9 * WEIGHTS[3]
