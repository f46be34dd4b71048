"""Show what the layers of a placement hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from engine.experiments.checks import OPEN, SMALLEST_SHARE
from engine.model.experiment import Experiment, State


class LayerPart(msgspec.Struct, frozen=True):
    """The part of a layer that an experiment takes up: from `begins` on, both as shares of the units."""

    experiment: str
    state: State
    begins: float
    share: float


class LayerUse(msgspec.Struct, frozen=True):
    """A layer with its running and paused experiments, and the share of units that is free."""

    layer: str
    free: float
    parts: list[LayerPart]


def layers_of(experiments: Sequence[Experiment]) -> list[LayerUse]:
    """Return the layers that experiments name, by name; those that are archived name none."""
    named = sorted({each.layer for each in experiments if each.status.state != "archived"})
    return [_layer(name, [each for each in experiments if each.layer == name]) for name in named]


def _layer(name: str, experiments: Sequence[Experiment]) -> LayerUse:
    parts = [
        LayerPart(each.id, each.status.state, each.status.offset, each.share)
        for each in experiments
        if each.status.state in OPEN
    ]
    free = max(0.0, 1.0 - sum(part.share for part in parts))
    return LayerUse(name, round(free, 9), sorted(parts, key=lambda part: (part.begins, part.experiment)))


def free_parts(use: LayerUse) -> list[float]:
    """Return the sizes of the free parts of a layer, as shares of its units."""
    ends = [(0.0, 0.0), *((part.begins, part.begins + part.share) for part in use.parts), (1.0, 1.0)]
    return [after[0] - before[1] for before, after in pairwise(ends) if after[0] - before[1] > SMALLEST_SHARE]
