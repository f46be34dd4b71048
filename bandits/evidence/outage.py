"""Detect outages: suspend an arm within minutes when its successes stop, resume it as its probes succeed.

A cumulative sum (Page, 1954) by arm adds up how much likelier its outcomes are if it is broken (it succeeds BROKEN
times as often) than if it does as usual. The usual rate is the long-run rate times a factor common to all arms, an
average over the last hours: days, nights and sales move the factor and not the sum. While an arm is suspended, a second
sum runs the other way on the outcomes of its probes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BROKEN = 0.1
"""A broken arm is assumed to succeed that many times as often as usual."""

SUSPEND_AT = 21.0
"""The log-likelihood ratio from which on an arm is suspended: by chance once in e**21 tries, a thousand million."""

RESUME_AT = 2.4
"""The ratio from which on it is resumed: more than a single success gives. A wrong resumption is detected again."""

PROBES = 0.06
"""The share of each drawn slot that all suspended arms get together."""

_HALF_LIFE = 90.0
"""Minutes in which the evidence for the common factor halves."""

_FACTOR_STRENGTH = 20.0
"""The expected successes that the prior factor of 1 weighs as much as."""


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """The state of the test after a minute.

    `sums` (K,) are log-likelihood ratios for an arm to be broken or, while it is `suspended` (K,), to be back.
    `observed` and `expected` are the faded successes of all arms, and those expected at their usual rates.
    """

    sums: Floats
    suspended: NDArray[np.bool_]
    observed: float
    expected: float

    @classmethod
    def begin(cls, arms: int) -> "Watch":
        """Return the state of so many arms before the first minute."""
        return cls(np.zeros(arms), np.zeros(arms, np.bool_), 0.0, 0.0)

    @property
    def factor(self) -> float:
        """Return the factor by which all arms do better than usual in these hours."""
        return (self.observed + _FACTOR_STRENGTH) / (self.expected + _FACTOR_STRENGTH)

    def after(self, tried: ArrayLike, won: ArrayLike, usual: ArrayLike, *, minutes: float = 1.0) -> "Watch":
        """Return the state after a cell of time with `tried` trials and `won` successes (K,).

        `usual` (K,) are the long-run rates. Pending trials count as far as their outcomes would have arrived.
        """
        n, s, long_run = (np.asarray(values, np.float64) for values in (tried, won, usual))
        rates = np.clip(long_run * self.factor, 1e-6, 0.95)
        broken = s * np.log(BROKEN) + (n - s) * (np.log1p(-BROKEN * rates) - np.log1p(-rates))
        sums = np.maximum(0.0, self.sums + np.where(self.suspended, -broken, broken))
        turned = sums > np.where(self.suspended, RESUME_AT, SUSPEND_AT)
        suspended = self.suspended ^ turned
        # A suspect arm does not count for the factor: otherwise a slow outage would seem to be a quiet evening.
        counted = ~(self.suspended | suspended | (sums > SUSPEND_AT / 4))
        decay = 0.5 ** (minutes / _HALF_LIFE)
        observed, expected = (
            decay * self.observed + s[counted].sum(),
            decay * self.expected + (n * long_run)[counted].sum(),
        )
        return Watch(np.where(turned, 0.0, sums), suspended, float(observed), float(expected))
