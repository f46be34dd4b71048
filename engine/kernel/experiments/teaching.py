"""Which outcomes teach which beliefs while experiments run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.model.experiment import Experiment, LearningMode
from engine.model.scope import Groups


class Teaching(NamedTuple):
    """The way in which an experiment that does not share everything separates outcomes, `since` epoch milliseconds."""

    experiment: str
    mode: LearningMode
    control: str
    since: int


def teaching_of(experiments: Iterable[Experiment]) -> tuple[Teaching, ...]:
    """Return how experiments separate outcomes; those that share them all are left out."""
    return tuple(
        Teaching(experiment.id, experiment.learning, experiment.control.id, experiment.status.started_at or 0)
        for experiment in experiments
        if experiment.learning != "shared"
    )


def groups_of(teaching: Sequence[Teaching], enrolled: Mapping[str, str]) -> Groups:
    """Return the groups of a decision that is enrolled in variants by experiment: they name its track."""
    groups = []
    for experiment, mode, control, _ in teaching:
        variant = enrolled.get(experiment, "")
        if mode == "apart" or (variant and variant != control):
            groups.append((experiment, variant))
    return tuple(groups)


def learner_of(teaching: Sequence[Teaching], groups: Groups) -> Groups:
    """Return the groups that decisions of some groups learn from, as a learner's.

    `apart`: those of the own variant, or all for a decision outside. `control_only`: the control's and those outside.
    """
    own = dict(groups)
    variants = [
        (each.experiment, own.get(each.experiment, "") if each.mode == "apart" else each.control) for each in teaching
    ]
    return tuple(pair for pair in variants if pair[1])
