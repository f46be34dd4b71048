"""Weigh logged answers for a draft: how much each counts in the estimate, and what it leaves open.

A customer's choice is assumed to depend on the candidates in its slot and above (the cascade of reward-interaction IPS,
McInerney et al., 2020), so only the slots down to the choice are weighed. Below a slot
that the log never filled as the draft does, an answer counts no further. docs/preview.md has formulas and reasons.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.previews.estimation.drawing import Drawing, Floats, Positions

Flags = NDArray[np.bool_]
LARGEST_WEIGHT = 100.0
"""An answer that was given less than a hundredth as often as the draft would give it counts as never given: otherwise
single customers would decide the estimate."""


class LoggedSlots(NamedTuple):
    """N logged answers slot by slot, (N, L): the candidate's position among those of the logged plan and among those of
    the draft (-1 if it is not among them), its logged chance, and what it earned."""

    logged_positions: Positions
    draft_positions: Positions
    chances: Floats
    rewards: Floats


class Weighed(NamedTuple):
    """The shares of N decisions in the estimate, (N,) each; rewards in the unit of the placement's reward.

    `weight`: the draft's chance of what was logged over the logged one, of mean 1. `logged`: what was earned.
    `least` and `most`: what counts for the draft, already weighted. They differ where a customer chose what the draft
    no longer shows, and the log cannot say whether they would choose something else: none do, or all do. `open`: the
    part of `most` of such customers. `unseen`: the chance of a candidate that was never offered, where no customer
    chose anything.
    """

    weight: Floats
    logged: Floats
    least: Floats
    most: Floats
    open: Floats
    unseen: Floats


def between(changed: Weighed, base: Weighed) -> Weighed:
    """Return the shares in the estimate of one plan's result less another's, where the log was made by a third.

    What the base would have earned replaces what was earned. The weights keep the mean 1.
    """
    middle, half = (base.least + base.most) / 2, (base.most - base.least) / 2
    return Weighed(
        1.0 + changed.weight - base.weight,
        middle,
        changed.least - half,
        changed.most + half,
        changed.open + base.open,
        changed.unseen + base.unseen,
    )


def weigh(logged: LoggedSlots, before: Drawing | None, draft: Drawing | None) -> Weighed:
    """Return the shares of logged answers in the estimate; a drawing is None where its plan leaves no candidate."""
    reward_sums, nothing = logged.rewards.sum(axis=1), np.zeros(len(logged.rewards))
    if before is None or draft is None:
        unseen = np.full(len(reward_sums), float(before is None and draft is not None))
        return Weighed(nothing + 1.0, reward_sums, nothing, nothing, nothing, unseen)
    weights = _CascadeWeights(logged, before, draft)
    weights.run()
    return Weighed(weights.mass, reward_sums, weights.least, weights.most, weights.open, weights.unseen)


class _CascadeWeights:
    """Accumulate importance weights down the logged rankings, slot by slot.

    After slot t, `_weight` is w_t = product over s <= t of new_s / old_s: the draft's chance of the candidate logged
    in slot s over the logged chance, both given the slots above. `_unsupported` sums the weight that the draft moved
    to candidates which the past (almost) never showed there. E[w_t + unsupported_t] = 1 at every slot, also at the
    one where the customer chooses. `_is_followed` marks the answers whose lower slots still count.
    """

    def __init__(self, logged: LoggedSlots, before: Drawing, draft: Drawing) -> None:
        self._logged, self._before, self._draft = logged, before, draft
        columns = {name: column for column, name in enumerate(before.offered)}
        self._column_before = [columns.get(name, -1) for name in draft.offered]
        self._new_candidates = [position for position, column in enumerate(self._column_before) if column < 0]
        count, slots = logged.draft_positions.shape
        self._rows = np.arange(count)
        self._shows_more_slots = draft.length > slots
        # Where the draft's answer is shorter than its candidates, it is open which ones it leaves out.
        shows_all = draft.length == len(draft.offered)
        self._sure_rewards = logged.rewards * ((logged.draft_positions >= 0) & shows_all)
        self._later, self._later_sure_rewards = logged.rewards.sum(axis=1), self._sure_rewards.sum(axis=1)
        self._weight, self._unsupported = np.ones(count), np.zeros(count)
        self._is_followed = np.ones(count, np.bool_)
        self._mass_at_choice = np.full(count, np.nan)
        self.least, self.most, self.open, self.unseen = (np.zeros(count) for _ in range(4))

    @property
    def mass(self) -> Floats:
        return np.where(self._has_not_chosen, self._weight + self._unsupported, self._mass_at_choice)

    @property
    def _has_not_chosen(self) -> Flags:
        """Return which customers have chosen nothing so far."""
        waits: Flags = np.isnan(self._mass_at_choice)
        return waits

    def run(self) -> None:
        both = zip(
            self._before.along(self._logged.logged_positions),
            self._draft.along(self._logged.draft_positions),
            strict=False,
        )
        # The logged answer may be longer than the draft's: then there is nothing more to compare.
        for slot, (old, new) in enumerate(both):
            rare = self._set_aside_unsupported(old, new)
            self._multiply_by_ratio(slot, new, rare)
            self._add_reward(slot)
            self._is_followed &= self._is_informative(slot, old)
            if not self._is_followed.any():
                return
        if self._shows_more_slots:
            self.unseen += self._weight * (self._is_followed & self._has_not_chosen)

    def _set_aside_unsupported(self, old: Floats, new: Floats) -> Flags:
        """Return which candidates fill this slot in the draft but hardly ever did in the log; bound what they earn."""
        # Column -1 holds the chance of candidates that were not offered before: 0.
        chances_before = np.column_stack((old, np.zeros(len(old))))[:, self._column_before]
        weight = self._weight * self._is_followed
        rare: Flags = weight[:, None] * new > LARGEST_WEIGHT * chances_before
        unsupported = weight * np.where(rare, new, 0.0).sum(axis=1)
        self._unsupported += unsupported
        self.least += unsupported * self._later_sure_rewards
        self.most += unsupported * self._later
        self.open += unsupported * self._later
        if self._new_candidates:
            self.unseen += weight * new[:, self._new_candidates].sum(axis=1) * (rare.any(axis=1) & self._has_not_chosen)
        return rare

    def _multiply_by_ratio(self, slot: int, new: Floats, rare: Flags) -> None:
        position = self._logged.draft_positions[:, slot]
        is_supported = (position >= 0) & ~rare[self._rows, position]
        ratio = np.where(is_supported, new[self._rows, position], 0.0) / self._logged.chances[:, slot]
        self._weight = np.where(self._is_followed, self._weight * ratio, self._weight)

    def _add_reward(self, slot: int) -> None:
        reward = self._logged.rewards[:, slot] * self._is_followed
        self.least += self._weight * reward
        self.most += self._weight * reward
        self._later -= reward
        self._later_sure_rewards -= self._sure_rewards[:, slot] * self._is_followed
        self._mass_at_choice = np.where(
            (reward != 0) & self._has_not_chosen, self._weight + self._unsupported, self._mass_at_choice
        )

    def _is_informative(self, slot: int, old: Floats) -> Flags:
        """Return the answers whose lower slots still carry information: a reward to come, or no choice yet."""
        position = self._logged.logged_positions[:, slot]
        has_more_slots = self._shows_more_slots or slot + 1 < self._before.drawn or bool(self._new_candidates)
        has_more = (self._later != 0) | (self._has_not_chosen & has_more_slots)
        # An answer that the logged plan could not have given has no chances to compare with.
        has_chances = (position >= 0) & (old[self._rows, position] > 0)
        informative: Flags = (self._weight != 0) & has_more & has_chances
        return informative
