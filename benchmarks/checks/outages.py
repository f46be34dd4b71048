"""Check outages by the minute: how soon a dead method is away and back, and that seasons raise no false alarm.

`python -m benchmarks.verify outages`, about ten minutes. tests/bandits/ and tests/engine/ run small versions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits.evidence.outage import PROBES, Watch

Floats = NDArray[np.float64]
Figure = tuple[str, str, str]
SEEDS, DAY, SEASONAL_DAYS = range(100, 120), 1_440, 1_000
USUAL = np.array([0.30, 0.28, 0.25, 0.20, 0.15, 0.10])
MOST_FIRST = np.array([0.9, *[0.02] * 5])
BROKEN_FROM, BROKEN_UNTIL, DEAD = DAY + 600, DAY + 840, 0.01
AWAY, OTHERS_AWAY, LOST, LOSABLE, TRIES = range(5)


def play(days: int, visits_a_day: int, seed: int, shares: Floats, delay: int, *, broken: bool) -> Floats:
    """Return a row a minute, (minutes, 5): the columns are AWAY to TRIES, of the first arm.

    Nights, weekends and sales move all rates. Outcomes are known `delay` minutes later.
    """
    rng, watch, waiting, rows = np.random.default_rng([seed, 11]), Watch.begin(len(USUAL)), [], []
    clock = np.arange(days * DAY)
    visits = rng.poisson(visits_a_day / DAY * np.maximum(0.05, 1 + 0.8 * np.sin(2 * np.pi * (clock / DAY - 0.3))))
    factors = (1 + 0.3 * np.sin(2 * np.pi * (clock / DAY - 0.1))) * np.where(clock // DAY % 7 >= 5, 1.25, 1.0)
    factors *= np.where(clock // DAY % 90 >= 80, 1.5, 1.0)
    for minute in clock:
        shown, rates = rng.multinomial(visits[minute], _chances(shares, watch.away)), USUAL * factors[minute]
        row = [0.0] * 5
        if broken and BROKEN_FROM <= minute < BROKEN_UNTIL:
            rates[0] = DEAD
            row[LOST:] = shown[0] * (rates[1] - DEAD), visits[minute] * shares[0] * (rates[1] - DEAD), shown[0]
        waiting.append((shown, rng.binomial(shown, rates)))
        if len(waiting) > delay:
            watch = watch.after(*waiting.pop(0), USUAL)
        row[AWAY], row[OTHERS_AWAY] = watch.away[0], watch.away[1:].any()
        rows.append(row)
    return np.array(rows)


def _chances(shares: Floats, away: NDArray[np.bool_]) -> Floats:
    if not away.any() or away.all():
        return shares
    chances: Floats = np.where(away, PROBES / away.sum(), shares * ((1 - PROBES) / shares[~away].sum()))
    return chances


def dead_for_four_hours(delay: int) -> list[Figure]:
    """Return how soon the first arm is away and back, at 20,000 visits a day."""
    away, tries, back, lost = [], [], [], []
    for seed in SEEDS:
        rows = play(2, 20_000, seed, MOST_FIRST, delay, broken=True)
        away.append(int(rows[BROKEN_FROM:, AWAY].argmax()) + 1)
        tries.append(rows[BROKEN_FROM : BROKEN_FROM + away[-1], TRIES].sum())
        back.append(int((rows[BROKEN_UNTIL:, AWAY] == 0).argmax()) + 1)
        lost.append(rows[:, LOST].sum() / rows[:, LOSABLE].sum())
    known = f"outcomes known {delay} minutes later"
    return [
        (f"{known}: minutes until away, median and most", "<= 5", f"{np.median(away):.0f}, {max(away)}"),
        (f"{known}: tries until away, median and most", "or <= 100", f"{np.median(tries):.0f}, {max(tries):.0f}"),
        (f"{known}: minutes until back, median and most", "<= 15", f"{np.median(back):.0f}, {max(back)}"),
        (f"{known}: lost of what can be", "<= 10%", f"{np.mean(lost):.1%}"),
    ]


def false_alarms(days: int, visits_a_day: int, seed: int) -> int:
    """Return in how many minutes of seasonal days an arm is away."""
    rows = play(days, visits_a_day, seed, MOST_FIRST, 2, broken=False)
    return int(rows[:, [AWAY, OTHERS_AWAY]].any(axis=1).sum())


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    alarms = sum(false_alarms(SEASONAL_DAYS // 2, visits, 100) for visits in (2_000, 20_000))
    return [
        *dead_for_four_hours(0),
        *dead_for_four_hours(2),
        (f"minutes of {SEASONAL_DAYS:,} seasonal days in which an arm is away", "0", f"{alarms}"),
    ]
