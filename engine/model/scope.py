"""The scope of statistics: the merchant, the placement and the track that they belong to. Pure.

A track is the reward, followed by the groups of experiments whose outcomes are counted apart: `converted` or
`converted|ordering=paypal`. A decision outside a running experiment has the empty group: `converted|ordering=`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

Groups = tuple[tuple[str, str], ...]
"""(experiment, variant), the variant empty for a decision outside the experiment."""


class Scope(NamedTuple):
    """The leading columns of every table of statistics; `reward` is a track."""

    merchant_id: int
    placement: str
    reward: str


def track_of(reward: str, groups: Groups) -> str:
    """Return the track of a reward and groups. Ids hold neither `|` nor `=`."""
    return "|".join((reward, *(f"{experiment}={variant}" for experiment, variant in groups)))


@lru_cache(maxsize=4096)
def counts_for(track: str, learner: str) -> bool:
    """Return whether what is counted in a track teaches a learner: no group of it differs from the learner's.

    A learner is written as a track; one without groups learns from all tracks of its reward.
    """
    reward, *groups = track.split("|")
    own_reward, *own_groups = learner.split("|")
    own = dict(group.split("=") for group in own_groups)
    return reward == own_reward and all(
        own.get(experiment, variant) == variant for experiment, variant in (group.split("=") for group in groups)
    )
