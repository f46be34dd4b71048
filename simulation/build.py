"""From the parts of a scenario to what is played."""

from typing import assert_never

import numpy as np

from simulation import scenario
from simulation.policies import plain
from simulation.policies.cells import Cells
from simulation.policies.contextual import Contextual
from simulation.policies.learner import Learning, Thompson
from simulation.worlds import late
from simulation.worlds.bernoulli import Bernoulli, Churning
from simulation.worlds.checkout import Checkout
from simulation.worlds.kindred import Kindred
from simulation.worlds.logistic import Logistic
from simulation.worlds.merchants import NewMerchant
from simulation.worlds.slots import Cascade, Positions
from simulation.worlds.world import Policy, World


def make_world(world: scenario.World, horizon: int, rng: np.random.Generator) -> World:
    match world:
        case scenario.Bernoulli():
            return Bernoulli([world.rates], horizon, rng)
        case scenario.Jumping():
            return Bernoulli(world.phases, horizon, rng)
        case scenario.Churning():
            return Churning(world.arms, world.churn, (world.alpha, world.beta), rng)
        case scenario.PositionBased():
            return Positions(world.attraction, world.examination, horizon, rng)
        case scenario.Cascade():
            return Cascade(world.attraction, world.slots, horizon, rng)
        case scenario.Logistic():
            return Logistic(world.arms, world.features, world.bias, world.spread, horizon, rng)
        case scenario.Kindred():
            return _kindred(world, rng)
        case scenario.NewMerchant():
            return _new_merchant(world, horizon, rng)
        case scenario.Checkout():
            return Checkout(world.seconds, int(rng.integers(2**32)))
        case _:
            assert_never(world)


def make_telling(telling: scenario.Telling, rng: np.random.Generator) -> late.Telling:
    match telling:
        case scenario.AtOnce():
            return late.at_once
        case scenario.Batches():
            return late.in_batches(telling.size)
        case scenario.Late():
            return late.after(telling.visits)
        case scenario.Trickling():
            return late.trickling(telling.mean, telling.window, rng)
        case _:
            assert_never(telling)


def make_policy(policy: scenario.Policy, world: World, seed: int) -> Policy:
    """A policy whose own luck depends on the seed alone, and on no luck of the world."""
    arms, slots = world.arms, world.slots
    match policy:
        case scenario.Fixed():
            return plain.Fixed(policy.order or range(arms), slots)
        case scenario.Uniform():
            return plain.Uniform(arms, slots, np.random.default_rng([seed, 3]))
        case scenario.Textbook():
            return plain.Textbook(arms, slots, np.random.default_rng([seed, 4]))
        case scenario.KlUcb():
            return plain.KlUcb(arms, slots)
        case scenario.Thompson():
            return _thompson(policy, world, seed)
        case scenario.Contextual():
            return _contextual(policy, world, seed)
        case _:
            assert_never(policy)


def _contextual(policy: scenario.Contextual, world: World, seed: int) -> Policy:
    size = world.size if isinstance(world, Logistic | Kindred) else 1
    kinds = world.kinds if policy.kinds and isinstance(world, Kindred) else 0
    return Contextual(
        world.arms,
        size,
        world.slots,
        seed=seed,
        floor=policy.floor,
        refresh=policy.refresh,
        kinds=kinds,
        window=policy.window,
    )


def _thompson(policy: scenario.Thompson, world: World, seed: int) -> Policy:
    learning = Learning(
        floor=policy.floor,
        drawn=policy.drawn,
        draws=policy.draws,
        refresh=policy.refresh,
        window=policy.window,
        day=policy.day,
        half_life_days=policy.half_life_days,
        restarts=policy.restarts,
        by_slot=policy.by_slot,
    )
    if policy.cells:
        return Cells(learning, world.arms, world.slots, seed=seed)
    priors = world.priors() if policy.peers and isinstance(world, NewMerchant) else None
    return Thompson(learning, world.arms, world.slots, seed=seed, priors=priors)


def _kindred(world: scenario.Kindred, rng: np.random.Generator) -> World:
    return Kindred(
        world.arms,
        world.features,
        world.kinds,
        bias=world.bias,
        spread=world.spread,
        own=world.own,
        churn=world.churn,
        rng=rng,
    )


def _new_merchant(world: scenario.NewMerchant, horizon: int, rng: np.random.Generator) -> World:
    return NewMerchant(
        np.array(world.rates),
        strength=world.strength,
        others=world.others,
        trials=world.trials,
        unlike=world.unlike,
        horizon=horizon,
        rng=rng,
    )
