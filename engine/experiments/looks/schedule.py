"""When the looks of an experiment are, and which exposures each may read. Pure.

A group-sequential experiment has five looks, at fifths of its longest run, when the outcomes of all exposures until
then are in. Others may be looked at at any time.
"""

from __future__ import annotations

from functools import lru_cache

from bandits.experiments.group_sequential import bounds
from engine.model.experiment import LOOKS, Experiment
from engine.model.timestamps import DAY, HOUR, MINUTE
from engine.store.experiments.sums import HOURS_A_DAY


def last_hour(experiment: Experiment, window_minutes: int, now: int) -> int:
    """Return the last hour (epoch hours) of exposures that a look may read: their outcomes are in."""
    over = (now - window_minutes * MINUTE) // HOUR - 1
    if experiment.method != "group_sequential":
        return over
    done = looks_done(experiment, over)
    return last_hour_of_look(experiment, done) if done else -1


def looks_done(experiment: Experiment, over: int) -> int:
    """Return how many looks may read exposures until the hour `over`; all where looks are not counted."""
    if experiment.method != "group_sequential":
        return LOOKS
    return sum(last_hour_of_look(experiment, look) <= over for look in range(1, LOOKS + 1))


def last_hour_of_look(experiment: Experiment, look: int) -> int:
    """Return the last hour of a look, 1 to `LOOKS`: that of a whole day, because segments are kept by day."""
    began = experiment.status.phase_started_at or 0
    day = (began + experiment.maximum_days * DAY * look // LOOKS) // DAY
    return day * HOURS_A_DAY - 1


def next_look(experiment: Experiment, window_minutes: int, now: int) -> int | None:
    """Return when the next look may be read (epoch ms); None where looks are not counted, or after the last."""
    over = (now - window_minutes * MINUTE) // HOUR - 1
    done = looks_done(experiment, over)
    if done == LOOKS:
        return None
    return (last_hour_of_look(experiment, done + 1) + 1) * HOUR + window_minutes * MINUTE


@lru_cache
def bound_of(look: int, share: float) -> float:
    """Return the |z| that a look, 1 to `LOOKS`, must exceed; units are taken to arrive evenly."""
    return bounds([(each + 1) / LOOKS for each in range(LOOKS)], share=share)[look - 1]
