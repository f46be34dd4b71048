"""What merchants of the network have in common: the prior of a method's type, for those who are new to it.

Only customers who consented to it take part, and only what at least three merchants know goes from one to another.
Until customers can consent nobody has, and nothing does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import bandits

FEWEST_MERCHANTS = 3

Consent = Callable[[int, str], bool]
"""Whether a merchant's customer, named by keyed hash, lets others learn from what was chosen."""

Kind = tuple[str, str]
"""A placement's key and the type of a candidate, which mean the same at every merchant."""


class UsageSum(NamedTuple):
    """What one customer of a merchant did with a candidate."""

    merchant_id: int
    customer: str
    placement: str
    candidate: str
    trials: int
    successes: int


def nobody(_merchant_id: int, _customer: str) -> bool:
    return False


def network_priors(
    usage: Sequence[UsageSum], types: Mapping[tuple[int, str, str], str], consents: Consent
) -> dict[Kind, bandits.Prior]:
    """The prior of each kind that at least three merchants know, all other merchants' customers left out.

    `types` names the type of each (merchant, placement, candidate); a candidate without one takes no part.
    """
    known: defaultdict[Kind, defaultdict[int, bandits.Evidence]] = defaultdict(lambda: defaultdict(bandits.Evidence))
    for one in usage:
        type = types.get((one.merchant_id, one.placement, one.candidate))
        if type and consents(one.merchant_id, one.customer):
            of = known[one.placement, type]
            so_far = of[one.merchant_id]
            of[one.merchant_id] = bandits.Evidence(so_far.trials + one.trials, so_far.successes + one.successes)
    return {
        kind: bandits.fit_prior(list(merchants.values()))
        for kind, merchants in known.items()
        if len(merchants) >= FEWEST_MERCHANTS
    }
