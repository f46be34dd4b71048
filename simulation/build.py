"""Build worlds, reporting and policies from their specifications in a scenario."""

from typing import assert_never

import numpy as np

from simulation import scenario
from simulation.policies import baselines
from simulation.policies.cells import CellPolicies
from simulation.policies.contextual import ContextualPolicy
from simulation.policies.learner import LearningOptions, ThompsonPolicy
from simulation.worlds import reporting as reporting_models
from simulation.worlds import specs
from simulation.worlds.bernoulli import Bernoulli, Churning
from simulation.worlds.checkout import Checkout
from simulation.worlds.kindred import Kindred
from simulation.worlds.logistic import Logistic
from simulation.worlds.merchants import NewMerchant
from simulation.worlds.slots import Cascade, Positions
from simulation.worlds.world import Policy, World


def make_world(world: specs.WorldSpec, horizon: int, rng: np.random.Generator) -> World:
    match world:
        case specs.BernoulliSpec():
            return Bernoulli([world.rates], horizon, rng)
        case specs.JumpingSpec():
            return Bernoulli(world.phases, horizon, rng)
        case specs.ChurningSpec():
            return Churning(world.arms, world.churn, (world.alpha, world.beta), rng)
        case specs.PositionBasedSpec():
            return Positions(world.attraction, world.examination, horizon, rng)
        case specs.CascadeSpec():
            return Cascade(world.attraction, world.slots, horizon, rng)
        case specs.LogisticSpec():
            return Logistic(world.arms, world.features, world.bias, world.spread, horizon, rng)
        case specs.KindredSpec():
            return Kindred(world, rng)
        case specs.NewMerchantSpec():
            return NewMerchant(world, horizon, rng)
        case specs.CheckoutSpec():
            return Checkout(world.seconds, int(rng.integers(2**32)))
        case _:
            assert_never(world)


def make_reporting(reporting: scenario.ReportingSpec, rng: np.random.Generator) -> reporting_models.Reporting:
    match reporting:
        case scenario.AtOnceSpec():
            return reporting_models.at_once
        case scenario.BatchesSpec():
            return reporting_models.in_batches(reporting.size)
        case scenario.LateSpec():
            return reporting_models.after(reporting.visits)
        case scenario.TricklingSpec():
            return reporting_models.trickling(reporting.mean, reporting.window, rng)
        case _:
            assert_never(reporting)


def make_policy(policy: scenario.PolicySpec, world: World, seed: int) -> Policy:
    """Build a policy; its random numbers depend on the seed alone, not on those of the world."""
    arms, slots = world.arms, world.slots
    match policy:
        case scenario.FixedSpec():
            return baselines.FixedPolicy(policy.order or range(arms), slots)
        case scenario.UniformSpec():
            return baselines.UniformPolicy(arms, slots, np.random.default_rng([seed, 3]))
        case scenario.TextbookSpec():
            return baselines.TextbookPolicy(arms, slots, np.random.default_rng([seed, 4]))
        case scenario.KlUcbSpec():
            return baselines.KlUcbPolicy(arms, slots)
        case scenario.ThompsonSpec():
            return _thompson(policy, world, seed)
        case scenario.ContextualSpec():
            return _contextual(policy, world, seed)
        case _:
            assert_never(policy)


def _contextual(policy: scenario.ContextualSpec, world: World, seed: int) -> Policy:
    size = world.size if isinstance(world, Logistic | Kindred) else 1
    kinds = world.kinds if policy.kinds and isinstance(world, Kindred) else 0
    return ContextualPolicy(policy, world.arms, size, world.slots, seed=seed, kinds=kinds)


def _thompson(policy: scenario.ThompsonSpec, world: World, seed: int) -> Policy:
    learning = LearningOptions(
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
        return CellPolicies(learning, world.arms, world.slots, seed=seed)
    priors = world.priors() if policy.peers and isinstance(world, NewMerchant) else None
    return ThompsonPolicy(learning, world.arms, world.slots, seed=seed, priors=priors)
