"""Check what asking the log first saves: simulated merchants, each with a log and an experiment.

What is in force tried each candidate with a floor, and the log's estimate is the one of previews. The verdicts without
and with the log are of the same customers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evaluation.intervals import Z95
from bandits.experiments.comparison import lift_of
from bandits.experiments.moments import MetricEstimate
from bandits.experiments.past import agrees, allowed_error, with_past
from bandits.experiments.sequential import is_ready, margin, precision_for
from bandits.experiments.size import binary_goal, size_for
from engine.previews.estimation.effect import LEAST_SAMPLE
from engine.previews.previews import MOST_DECISIONS

Floats = NDArray[np.float64]
SEED, LOOKS, EFFECT = 100, 60, 0.05
TINY = 1e-9


class Merchant(NamedTuple):
    """The active plan shows candidates first with `chances`; the variant always shows candidate 0 first.

    `rates` are the chances of a purchase when the log was made, `changed` what has become of the variant's since.
    """

    chances: Floats
    rates: Floats
    changed: float
    decisions: int

    @property
    def control(self) -> float:
        """Return the chance of a purchase under what is in force."""
        return float(self.chances @ self.rates)

    @property
    def variant(self) -> float:
        """Return the variant's chance of a purchase now."""
        return float(self.rates[0]) * self.changed


class Verdicts(NamedTuple):
    """By merchant, without and with the log (2, n): whether a winner was right, whether wrong, and units; then,
    whether the log could tell."""

    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    units: Floats
    knew: NDArray[np.bool_]


def merchant(rng: np.random.Generator, *, drift: float = 0.0, is_gone: bool = False) -> Merchant:
    """Draw a merchant: 40 to 70% buy; the variant is as good as what is in force in a third, else 5 to 10% off.

    In a tenth of them the log tried nothing but one candidate. With `is_gone` the variant now sells as much as what is
    in force, whatever the log saw.
    """
    count = int(rng.integers(2, 6))
    floor = 0.0 if rng.random() < 0.1 else rng.uniform(0.05, 0.2) / count
    chances = np.full(count, floor)
    chances[-1] += 1 - count * floor
    rates = rng.uniform(0.4, 0.7) * (1 + rng.normal(0.0, 0.05, count))
    lift = 0.0 if rng.random() < 1 / 3 else float(rng.choice([-1, 1]) * rng.uniform(EFFECT, 2 * EFFECT))
    others = float(chances[1:] @ rates[1:])
    rates[0] = (1 + lift) * others / (1 - chances[0] * (1 + lift))
    changed = 1 + rng.normal(0.0, drift) if lift else 1.0
    if is_gone:
        changed = float(chances @ rates) / rates[0]
    return Merchant(chances, rates, changed, int(10 ** rng.uniform(4, math.log10(MOST_DECISIONS))))


def log_estimate(shop: Merchant, rng: np.random.Generator) -> tuple[float, float] | None:
    """Return the lift of the variant over what is in force by the log, and its error; None where it is refused."""
    shown = rng.choice(len(shop.chances), shop.decisions, p=shop.chances)
    bought = (rng.random(shop.decisions) < shop.rates[shown]).astype(np.float64)
    weights = (shown == 0) / max(shop.chances[0], TINY)
    estimate = bandits.paired_difference(weights, bought, weights * bought)
    if estimate.effective_sample < LEAST_SAMPLE or bandits.is_off_one(weights):
        return None
    base = float(bought.mean())
    return estimate.value / base, (estimate.high - estimate.low) / (2 * Z95) / base


def run(shop: Merchant, rng: np.random.Generator) -> tuple[list[tuple[int, float]], bool]:
    """Return the verdict (1: variant, -1: control, 0: none) and the units, without and with the log."""
    logged = log_estimate(shop, rng)
    size = size_for(binary_goal(shop.control, EFFECT)).sequential
    half, rates = size // LOOKS // 2, np.array([shop.control, shop.variant])
    sums = rng.binomial(half, rates[:, None], (2, LOOKS)).cumsum(axis=1)
    n = half * np.arange(1, LOOKS + 1)
    past = (logged[0], allowed_error(logged[1], EFFECT)) if logged else None
    return [_verdict(sums, n, size, each) for each in (None, past)], logged is not None


def _verdict(
    sums: NDArray[np.int64], n: NDArray[np.int64], size: int, past: tuple[float, float] | None
) -> tuple[int, float]:
    """Return the verdict and the units at it, looking until the planned number."""
    rho = precision_for(size)
    for look, units in enumerate(n):
        rates = [float(total) / units for total in sums[:, look]]
        control, variant = (MetricEstimate(p, p * (1 - p), float(units)) for p in rates)
        if not (is_ready(control, binary=True) and is_ready(variant, binary=True)):
            continue
        lift = lift_of(control, variant)
        if past is not None and agrees(lift, *past):
            lift = with_past(lift, *past)
        width = margin(lift, rho)
        if abs(lift.value) > width:
            return int(np.sign(lift.value)), 2.0 * float(units)
        if abs(lift.value) + width < EFFECT:
            return 0, 2.0 * float(units)
    return 0, 2.0 * float(n[-1])


def merchants(count: int = 200, *, drift: float = 0.0, is_gone: bool = False, seed: int = SEED) -> Verdicts:
    """Run the experiment of each merchant, without and with the log."""
    right, wrong, units, knew = [], [], [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        shop = merchant(rng, drift=drift, is_gone=is_gone)
        true_sign = int(np.sign(round(shop.variant / shop.control - 1, 9)))
        verdicts, has_log = run(shop, rng)
        right.append([verdict == true_sign for verdict, _ in verdicts])
        wrong.append([verdict not in (true_sign, 0) for verdict, _ in verdicts])
        units.append([spent for _, spent in verdicts])
        knew.append(has_log)
    return Verdicts(np.array(right).T, np.array(wrong).T, np.array(units).T, np.array(knew))


WORLDS = (
    ("the log still holds", 0.0, False),
    ("effects drifted since, sd 5%", 0.05, False),
    ("every effect that the log saw is gone", 0.0, True),
)


def figures(count: int = 1_000) -> list[tuple[str, str, str]]:
    """Return the figures of `make verify`: `count` merchants, the first 200 of them those of the small check."""
    lines = []
    for name, drift, is_gone in WORLDS:
        verdicts = merchants(count, drift=drift, is_gone=is_gone)
        right, wrong = verdicts.right.mean(axis=1), verdicts.wrong.mean(axis=1)
        what = f"{count:,} merchants, {name}: right verdicts, wrong winners; without the log"
        shares = f"{right[1]:.1%}, {wrong[1]:.1%}; {right[0]:.1%}, {wrong[0]:.1%}"
        lines.append((what, "as many right, at most 5% wrong", shares))
        lines.append(("the same: units over those without the log", "at most 50%", _saved(verdicts)))
    knew = verdicts.knew
    same = bool((verdicts.units[0] == verdicts.units[1])[~knew].all())
    what = f"the log cannot tell for {(~knew).sum():,} of {count:,}: the same units as without"
    lines.append((what, "yes", "yes" if same else "no"))
    return lines


def _saved(verdicts: Verdicts) -> str:
    plain, logged = verdicts.units
    knew = verdicts.knew
    median = float(np.median(logged[knew] / plain[knew]))
    shares = [logged[rows].sum() / plain[rows].sum() for rows in (knew, slice(None))]
    return f"{shares[0]:.0%} where the log can tell (median merchant {median:.0%}), {shares[1]:.0%} of all"
