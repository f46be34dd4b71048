"""Show what the layers of a placement hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from engine.experiments.checks import SMALLEST_SHARE
from engine.model.experiment import OPEN, Experiment, State


class LayerPart(msgspec.Struct, frozen=True):
    """The part of a layer that an experiment takes up: from `begins` on, both as shares of the units."""

    experiment: str
    state: State
    begins: float
    share: float


class LayerUse(msgspec.Struct, frozen=True):
    """A layer with its running and paused experiments. `free` is the share of units that none of them takes up.

    `largest_free` is the largest share that an experiment can still take up, because it needs one piece.
    """

    layer: str
    free: float
    largest_free: float
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
    parts.sort(key=lambda part: (part.begins, part.experiment))
    gaps = _gaps(parts)
    return LayerUse(name, round(sum(gaps), 9), round(max(gaps, default=0.0), 9), parts)


def _gaps(parts: Sequence[LayerPart]) -> list[float]:
    """Return the sizes of the free pieces of a layer, as shares of its units."""
    ends = [(0.0, 0.0), *((part.begins, part.begins + part.share) for part in parts), (1.0, 1.0)]
    return [after[0] - before[1] for before, after in pairwise(ends) if after[0] - before[1] > SMALLEST_SHARE]
