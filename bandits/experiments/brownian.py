"""Chances that a Brownian motion crosses bounds at a number of looks, by the recursion of Armitage, McPherson and Rowe
(1969), integrated on a grid by Simpson's rule. A sum of many units behaves like it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.experiments.normal import normal_distribution

Floats = NDArray[np.float64]
_POINTS = 801


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The paths that have crossed no bound until `time`: masses (n,) at points (n,); all move with `drift`."""

    time: float
    points: Floats
    masses: Floats
    drift: float

    @classmethod
    def begin(cls, *, drift: float = 0.0) -> Paths:
        return cls(0.0, np.zeros(1), np.ones(1), drift)

    def crossing(self, time: float, edge: float) -> tuple[float, float]:
        """Return the chances to stand below -edge, and above edge, at the next look."""
        spread, centres = math.sqrt(time - self.time), self.points + self.drift * (time - self.time)
        below = np.array([normal_distribution((-edge - centre) / spread) for centre in centres])
        above = np.array([normal_distribution((centre - edge) / spread) for centre in centres])
        return float(self.masses @ below), float(self.masses @ above)

    def until(self, time: float, edge: float) -> Paths:
        """Return the paths that stand between -edge and edge at the next look."""
        step = time - self.time
        points = np.linspace(-edge, edge, _POINTS)
        rule = np.where(np.arange(_POINTS) % 2, 4.0, 2.0)
        rule[[0, -1]] = 1.0
        distances = points[:, None] - self.points - self.drift * step
        density = np.exp(-(distances**2) / (2 * step)) / math.sqrt(2 * math.pi * step) @ self.masses
        return Paths(time, points, density * rule * (points[1] - points[0]) / 3, self.drift)
