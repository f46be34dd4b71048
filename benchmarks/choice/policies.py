"""The policies that the worlds of `choice_worlds` compare: trials by candidate, as before, and a choice among all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bandits.choice.model import DEFAULT_PRIOR, ChoiceModel, ChoicePrior
from bandits.choice.observations import ChoiceTable, Layout
from bandits.choice.utilities import WIDTH, make_utilities
from benchmarks.choice.worlds import Floats, Orders, World


class ByTrials:
    """Beta beliefs from the cascade's credit: all down to the one that was chosen were tried, or all."""

    def __init__(self, world: World, seed: int, count: int = 1024) -> None:
        self._rng, self._count = np.random.default_rng([seed, 8]), count
        self._trials, self._won = np.zeros(world.candidates), np.zeros(world.candidates)

    def scores(self, group: int) -> tuple[NDArray[np.float32], Floats]:
        a, b = 1 + self._won, 1 + self._trials - self._won
        draws = self._rng.beta(a[:, None], b[:, None], (len(a), self._count))
        return np.log(np.maximum(draws, 1e-30)).astype(np.float32), np.log(a / (a + b))

    def learn(self, batch: Sequence[tuple[int, Orders, Orders]]) -> None:
        for _, orders, chosen in batch:
            slots = np.arange(orders.shape[1])
            seen = (orders >= 0) & ((chosen < 0)[:, None] | (slots <= chosen[:, None]))
            self._trials += np.bincount(orders[seen], minlength=len(self._trials))
            won = chosen >= 0
            self._won += np.bincount(orders[won, chosen[won]], minlength=len(self._won))


class ByChoice:
    """The conditional logit, a stratum for each group."""

    expected: ChoicePrior = DEFAULT_PRIOR
    width = WIDTH
    pooled = False

    def __init__(self, world: World, seed: int) -> None:
        self._seed, self._batch, self.learned = seed, 0, ChoiceModel.nothing()
        self.ids = tuple(f"c{number:02}" for number in range(world.candidates))

    def scores(self, group: int) -> tuple[NDArray[np.float32], Floats]:
        belief = self.learned.belief(self.expected, self.ids)
        self._batch += 1
        stratum = f"s{0 if self.pooled else group:03}"
        utilities = make_utilities(self.ids, belief, stratum, seed=self._seed * 100_003 + self._batch, width=self.width)
        return utilities.draws, utilities.means

    def learn(self, batch: Sequence[tuple[int, Orders, Orders]]) -> None:
        self.learned = self.learned.after(choices_of(self.ids, batch, self.pooled), expected=self.expected)


def choices_of(ids: tuple[str, ...], batch: Sequence[tuple[int, Orders, Orders]], pooled: bool = False) -> ChoiceTable:
    width = batch[0][1].shape[1]
    strata = [np.full(len(orders), 0 if pooled else group) for group, orders, _ in batch]
    parts = [np.column_stack((batch[row][1], stratum, batch[row][2])) for row, stratum in enumerate(strata)]
    rows = np.concatenate(parts)
    seen, inverse = np.unique(rows[:, :-1], axis=0, return_inverse=True)
    slots = np.where(rows[:, -1] < 0, width, rows[:, -1])
    picked = np.bincount(inverse.ravel() * (width + 1) + slots, minlength=len(seen) * (width + 1))
    names = tuple(f"s{number:03}" for number in range(int(seen[:, -1].max()) + 1))
    layout = Layout(ids, names)
    return ChoiceTable.of(layout, seen[:, :-1], seen[:, -1], picked.reshape(len(seen), width + 1).astype(float))
