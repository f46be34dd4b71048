"""Simulate a network of merchants, the last of which is new."""

import numpy as np

import bandits
from bandits import Statistics
from simulation.worlds.bernoulli import Bernoulli
from simulation.worlds.specs import NewMerchantSpec


class NewMerchant(Bernoulli):
    """The rates at each merchant lie around those of the network: Beta(strength * rate, strength * (1 - rate)).

    `others` holds the counts of each other merchant by arm, with `trials` trials each. The new merchant's rates are
    drawn from the same distribution or, if `unlike`, are those of the network in reverse.
    """

    def __init__(self, spec: NewMerchantSpec, horizon: int, rng: np.random.Generator) -> None:
        rates = np.array(spec.rates)
        merchants = rng.beta(spec.strength * rates, spec.strength * (1 - rates), (spec.others + 1, len(rates)))
        counts = rng.binomial(spec.trials, merchants[1:])
        self.others = [[Statistics(spec.trials, successes) for successes in row] for row in counts.tolist()]
        super().__init__([(rates[::-1] if spec.unlike else merchants[0]).tolist()], horizon, rng)

    def priors(self) -> list[bandits.Prior]:
        """Return the prior of each arm that the other merchants' counts give."""
        return [bandits.fit_prior(children) for children in zip(*self.others, strict=True)]
