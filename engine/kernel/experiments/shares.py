"""The shares of an experiment's variants hour by hour, where a bandit moves them. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from engine.model.experiment import Experiment
from engine.model.timestamps import HOUR, moment_of

LENGTH_OF_AN_ID = 36


class HourlyShares:
    """Shares by the epoch hour from which on they hold, in the order of the variants.

    `moved` are by hour and variant; before the first hour, the variants' weights hold.
    """

    def __init__(self, experiment: Experiment, moved: Mapping[int, Mapping[str, float]]) -> None:
        total = sum(variant.weight for variant in experiment.variants)
        self._first = tuple(variant.weight / total for variant in experiment.variants)
        self._hours = sorted(moved)
        names = [variant.id for variant in experiment.variants]
        self._shares = [tuple(moved[hour][name] for name in names) for hour in self._hours]

    def during(self, hour: int | None) -> tuple[float, ...]:
        """Return the shares of an hour."""
        index = 0 if hour is None else bisect_right(self._hours, hour)
        return self._shares[index - 1] if index else self._first


def hour_of(key: str) -> int | None:
    """Return the epoch hour of a decision by its id; None for a key that is no decision's."""
    return moment_of(key) // HOUR if key.startswith("dec_") and len(key) == LENGTH_OF_AN_ID else None
