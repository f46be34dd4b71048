"""Control false discoveries: which of many sentences on a page may be called sure together.

Of a hundred 95% intervals around no effect five exclude it, so of two hundred null effects ten would seem sure.
Benjamini and Hochberg (1995) bound the expected share of false ones among all that are called sure. Weights that do not
depend on the outcomes leave the bound as it is (Genovese, Roeder and Wasserman, 2006): hypotheses that the data can
hardly tell anything about then take little from the others.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FALSE_SHARE = 0.1
"""The greatest expected share of false ones among what is called sure."""


def p_value(estimate: float, error: float) -> float:
    """Return the two-sided p-value of a normal estimate with a standard error, if the truth is 0."""
    return math.erfc(abs(estimate) / error / math.sqrt(2)) if error > 0 else 1.0


def discoveries(
    p_values: ArrayLike, *, share: float = FALSE_SHARE, weights: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Return which of the hypotheses (n,) are discoveries; `weights` (n,) are positive, in any unit.

    If all are null, there is one on at most `share` of the pages.
    """
    values = np.asarray(p_values, np.float64)
    if weights is not None:
        relative = np.asarray(weights, np.float64)
        values = values * (relative.mean() / relative) if len(values) else values
    order = np.argsort(values, kind="stable")
    limits = share * np.arange(1, len(values) + 1) / max(len(values), 1)
    within = np.flatnonzero(values[order] <= limits)
    result = np.zeros(len(values), np.bool_)
    result[order[: int(within[-1]) + 1 if len(within) else 0]] = True
    return result
