"""Return what a choice model expected of choices before it learned from them."""

import numpy as np

from bandits.choice.fit import shares_of, tabulate
from bandits.choice.model import ChoiceBelief
from bandits.choice.observations import ChoiceTable
from bandits.evidence.residuals import ExpectedSuccesses


def choice_expectations(belief: ChoiceBelief, observed: ChoiceTable) -> dict[str, ExpectedSuccesses]:
    """Return by candidate how often it was offered and chosen, and how often the belief expected it to be.

    Candidates that the belief does not have are left out.
    """
    table = tabulate(observed, belief.layout)
    shares, totals = shares_of(table.utilities(belief.mean)), table.totals
    parts = table.expected(shares)
    names = [name for name in observed.layout.candidates if name in belief.layout.candidates]
    offered = [observed.order == observed.layout.candidates.index(name) for name in names]
    chances = [np.where(held, shares[:, :-1], 0.0) for held in offered]
    slopes = np.array([
        table.expected(totals[:, None] * np.pad(own, ((0, 0), (0, 1)))).sum(axis=0) - (totals * own.sum(axis=1)) @ parts
        for own in chances
    ]).reshape(len(names), belief.layout.size)  # fmt: skip
    doubts = np.sqrt(np.maximum(0.0, (slopes * np.linalg.solve(belief.precision, slopes.T).T).sum(axis=1)))
    expectations = {}
    for name, held, own, doubt in zip(names, offered, chances, doubts.tolist(), strict=True):
        share = own.sum(axis=1)
        expectations[name] = ExpectedSuccesses(
            float(totals[held.any(axis=1)].sum()),
            float(observed.picked[:, :-1][held].sum()),
            float(totals @ share),
            float(totals @ (share * (1 - share))),
            doubt,
        )
    return expectations
