"""A world of many merchants, the last of which is new."""

import numpy as np

import bandits
from bandits import Statistics
from simulation.worlds.bernoulli import Bernoulli
from simulation.worlds.world import Floats


class NewMerchant(Bernoulli):
    """The rates at each merchant lie around those of all: Beta(strength * rate, strength * (1 - rate)).

    `others` holds what each of the other merchants counted, by arm: each arm tried `trials` times. The new merchant is
    another of them, or, if `unlike`, its rates are those of the network in reverse.
    """

    def __init__(
        self,
        rates: Floats,
        *,
        strength: float,
        others: int,
        trials: int,
        unlike: bool,
        horizon: int,
        rng: np.random.Generator,
    ) -> None:
        merchants = rng.beta(strength * rates, strength * (1 - rates), (others + 1, len(rates)))
        counts = rng.binomial(trials, merchants[1:])
        self.others = [[Statistics(trials, won) for won in row] for row in counts.tolist()]
        super().__init__([(rates[::-1] if unlike else merchants[0]).tolist()], horizon, rng)

    def priors(self) -> list[bandits.Prior]:
        """What the others teach about each arm."""
        return [bandits.fit_prior(children) for children in zip(*self.others, strict=True)]
