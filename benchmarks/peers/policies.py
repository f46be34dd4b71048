"""Other libraries' bandits as policies of our simulations. Runs in the peers' environment only.

Settings are the libraries' defaults unless a comment says otherwise.
"""

from __future__ import annotations

import numpy as np
import vowpalwabbit
from mabwiser.mab import MAB, LearningPolicy
from river import bandit, proba

from simulation.worlds.world import Order, SimulatedVisit, VisitOutcome, World


class MabWiser:
    """Learns after every outcome. The library wants to be fitted once before it predicts: on the first outcome."""

    def __init__(self, policy: object, arms: int, seed: int) -> None:
        self._mab = MAB(list(range(arms)), policy, seed=seed)
        self._first = seed % arms
        self._fitted = False

    def decide(self, visit: SimulatedVisit) -> Order:
        if not self._fitted:
            return (self._first,)
        return (int(self._mab.predict(_row(visit))),)

    def learn(self, outcome: VisitOutcome) -> None:
        update_state = self._mab.partial_fit if self._fitted else self._mab.fit
        update_state([outcome.order[0]], [int(bool(outcome.successes))], _row(outcome.visit))
        self._fitted = True


class RiverThompson:
    def __init__(self, arms: int, seed: int) -> None:
        self._arms = list(range(arms))
        self._policy = bandit.ThompsonSampling(reward_obj=proba.Beta(1, 1), seed=seed)

    def decide(self, visit: SimulatedVisit) -> Order:
        return (self._policy.pull(self._arms),)

    def learn(self, outcome: VisitOutcome) -> None:
        self._policy.update(outcome.order[0], bool(outcome.successes))


class RiverLinUcb:
    """One linear regression an arm, the constant 1 among its features."""

    def __init__(self, arms: int, seed: int) -> None:
        self._arms = list(range(arms))
        self._policy = bandit.LinUCBDisjoint(seed=seed)

    def decide(self, visit: SimulatedVisit) -> Order:
        return (self._policy.pull(self._arms, context=_named(visit)),)

    def learn(self, outcome: VisitOutcome) -> None:
        self._policy.update(outcome.order[0], _named(outcome.visit), int(bool(outcome.successes)))


class SquareCb:
    """`vw --cb_explore_adf --squarecb`; with features, crossed with the action (`-q ca`)."""

    def __init__(self, arms: int, seed: int) -> None:
        self._vw = vowpalwabbit.Workspace(f"--cb_explore_adf --squarecb -q ca --quiet --random_seed {seed}")
        self._actions = [f"|a arm_{arm}" for arm in range(arms)]
        self._rng = np.random.default_rng([seed, 5])
        self._chance: dict[int, float] = {}

    def decide(self, visit: SimulatedVisit) -> Order:
        chances = np.array(self._vw.predict([_shared(visit), *self._actions]))
        arm = int(self._rng.choice(len(chances), p=chances / chances.sum()))
        self._chance[visit.number] = float(chances[arm])
        return (arm,)

    def learn(self, outcome: VisitOutcome) -> None:
        arm, lines = outcome.order[0], list(self._actions)
        lines[arm] = f"0:{-int(bool(outcome.successes))}:{self._chance.pop(outcome.visit.number)} {lines[arm]}"
        self._vw.learn([_shared(outcome.visit), *lines])


class CcbSquareCb:
    """`vw --ccb_explore_adf --squarecb`, the slot's number crossed with the action (`-q as`)."""

    def __init__(self, arms: int, slots: int, seed: int) -> None:
        self._vw = vowpalwabbit.Workspace(f"--ccb_explore_adf --squarecb -q as --quiet --random_seed {seed}")
        self._actions = ["ccb shared |c constant", *(f"ccb action |a arm_{arm}" for arm in range(arms))]
        self._slots = [f"|s slot_{slot}" for slot in range(slots)]
        self._chances: dict[int, list[float]] = {}

    def decide(self, visit: SimulatedVisit) -> Order:
        # The library draws: the action of a slot is first, and later slots get the remaining actions.
        drawn = [slot[0] for slot in self._vw.predict([*self._actions, *(f"ccb slot {slot}" for slot in self._slots)])]
        self._chances[visit.number] = [chance for _, chance in drawn]
        return tuple(action for action, _ in drawn)

    def learn(self, outcome: VisitOutcome) -> None:
        lines = [
            f"ccb slot {arm}:{-int(arm in outcome.successes)}:{chance} {slot}"
            for arm, chance, slot in zip(
                outcome.order, self._chances.pop(outcome.visit.number), self._slots, strict=True
            )
        ]
        self._vw.learn([*self._actions, *lines])


def make(name: str, world: World, seed: int) -> object:
    match name:
        case "mabwiser_thompson":
            return MabWiser(LearningPolicy.ThompsonSampling(), world.arms, seed)
        case "mabwiser_lints":
            return MabWiser(LearningPolicy.LinTS(), world.arms, seed)
        case "river_thompson":
            return RiverThompson(world.arms, seed)
        case "river_linucb":
            return RiverLinUcb(world.arms, seed)
        case "vw_squarecb":
            return SquareCb(world.arms, seed)
        case "vw_ccb_squarecb":
            return CcbSquareCb(world.arms, world.slots, seed)
        case _:
            raise SystemExit(f"no such peer: {name}")


def _row(visit: SimulatedVisit) -> list[list[float]] | None:
    return None if visit.features is None else [visit.features.tolist()]


def _named(visit: SimulatedVisit) -> dict[str, float]:
    assert visit.features is not None
    return {f"x{index}": value for index, value in enumerate(visit.features.tolist())}


def _shared(visit: SimulatedVisit) -> str:
    if visit.features is None:
        return "shared |c constant"
    # VW adds a constant of its own, but crosses the action with the features of the namespace only.
    return "shared |c " + " ".join(f"x{index}:{value}" for index, value in enumerate(visit.features.tolist()))
