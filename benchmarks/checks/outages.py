"""Check outages by the minute: how soon a dead method is away and back, and that seasons raise no false alarm.

`python -m benchmarks.verify outages`, about ten minutes. tests/bandits/ and tests/engine/ run small versions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits.evidence.outage import PROBES, SUSPEND_AT, Watch

Floats = NDArray[np.float64]
Figure = tuple[str, str, str]
SEEDS, DAY, SEASONAL_DAYS = range(100, 120), 1_440, 1_000
USUAL = np.array([0.30, 0.28, 0.25, 0.20, 0.15, 0.10])
MOST_FIRST = np.array([0.9, *[0.02] * 5])
BROKEN_FROM, BROKEN_UNTIL, DEAD = DAY + 600, DAY + 840, 0.01
AWAY, OTHERS_AWAY, LOST, LOSABLE, TRIES = range(5)
LOOKS = 6
"""The engine looks every ten seconds."""


def play(
    days: int, visits_a_day: int, seed: int, shares: Floats, delay: int, *, broken: bool, looks: int = 1
) -> Floats:
    """Return a row a look, (minutes * looks, 5): the columns are AWAY to TRIES, of the first arm.

    Nights, weekends and sales move all rates. Outcomes are known `delay` minutes later.
    """
    rng, watch, pending, rows = np.random.default_rng([seed, 11]), Watch.begin(len(USUAL)), [], []
    clock = np.arange(days * DAY * looks) / looks
    visits, factors = rng.poisson(_visits(clock, visits_a_day) / looks), _factors(clock)
    for look, minute in enumerate(clock):
        shown, rates = rng.multinomial(visits[look], _chances(shares, watch.suspended)), USUAL * factors[look]
        row = [0.0] * 5
        if broken and BROKEN_FROM <= minute < BROKEN_UNTIL:
            rates[0] = DEAD
            row[LOST:] = shown[0] * (rates[1] - DEAD), visits[look] * shares[0] * (rates[1] - DEAD), shown[0]
        pending.append((shown, rng.binomial(shown, rates)))
        if len(pending) > delay * looks:
            watch = watch.after(*pending.pop(0), USUAL, minutes=1 / looks)
        row[AWAY], row[OTHERS_AWAY] = watch.suspended[0], watch.suspended[1:].any()
        rows.append(row)
    return np.array(rows)


def _visits(clock: Floats, visits_a_day: int) -> Floats:
    """Return the expected visits a minute at each minute."""
    by_hour = np.maximum(0.05, 1 + 0.8 * np.sin(2 * np.pi * (clock / DAY - 0.3)))
    visits: Floats = visits_a_day / DAY * by_hour
    return visits


def _factors(clock: Floats) -> Floats:
    """Return the factor of all rates at each minute."""
    days = clock // DAY
    by_hour = 1 + 0.3 * np.sin(2 * np.pi * (clock / DAY - 0.1))
    factors: Floats = by_hour * np.where(days % 7 >= 5, 1.25, 1.0) * np.where(days % 90 >= 80, 1.5, 1.0)
    return factors


def least_tries(delay: int, visits_a_day: int) -> tuple[float, float]:
    """Return the tries before an outcome can be known, and the least mean tries of any test with as few false alarms.

    The latter adds the threshold over the information of a try (Lorden, 1971).
    """
    clock = BROKEN_FROM + np.arange(delay, dtype=np.float64)
    before = float(_visits(clock, visits_a_day).sum() * MOST_FIRST[0])
    usual = float(USUAL[0] * _factors(np.array([BROKEN_FROM], np.float64))[0])
    information = DEAD * np.log(DEAD / usual) + (1 - DEAD) * np.log((1 - DEAD) / (1 - usual))
    return before, before + SUSPEND_AT / float(information)


def _chances(shares: Floats, away: NDArray[np.bool_]) -> Floats:
    if not away.any() or away.all():
        return shares
    chances: Floats = np.where(away, PROBES / away.sum(), shares * ((1 - PROBES) / shares[~away].sum()))
    return chances


def dead_for_four_hours(delay: int) -> list[Figure]:
    """Return how soon the first arm is away and back, at 20,000 visits a day."""
    away, tries, back, lost = [], [], [], []
    for seed in SEEDS:
        rows = play(2, 20_000, seed, MOST_FIRST, delay, broken=True, looks=LOOKS)
        dead, alive = rows[BROKEN_FROM * LOOKS :], rows[BROKEN_UNTIL * LOOKS :]
        looks = int(dead[:, AWAY].argmax()) + 1
        away.append(looks / LOOKS)
        tries.append(dead[:looks, TRIES].sum())
        back.append((int((alive[:, AWAY] == 0).argmax()) + 1) / LOOKS)
        lost.append(rows[:, LOST].sum() / rows[:, LOSABLE].sum())
    title = f"outcomes known {delay} minutes later"
    before, least = least_tries(delay, 20_000)
    soon = sum(minutes <= 5 or count <= 100 for minutes, count in zip(away, tries, strict=True))
    return [
        (f"{title}: tries before any outcome; least mean tries of any such test", "", f"{before:.0f}, {least:.0f}"),
        (f"{title}: minutes until away, median and most", "<= 5", f"{np.median(away):.1f}, {max(away):.1f}"),
        (f"{title}: tries until away, median and most", "or <= 100", f"{np.median(tries):.0f}, {max(tries):.0f}"),
        (f"{title}: runs away within 5 minutes or 100 tries", f"{len(SEEDS)}", f"{soon}"),
        (f"{title}: minutes until back, median and most", "<= 15", f"{np.median(back):.1f}, {max(back):.1f}"),
        (f"{title}: lost of what can be", "<= 10%", f"{np.mean(lost):.1%}"),
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
