"""What is known of a choice among what was offered: a Bayesian conditional logit, learned batch by batch.

A candidate's merit is its utility: what it adds given who else stood there, where, and for whom. Who is offered
(limits, exclusions), who stands where (pins, boosts) and how much is bought of all (strata, weekdays) is no merit. What
all choices say is kept as one Gaussian factor (Laplace's approximation) that adds, fades and can be written down; the
prior is not part of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bandits.choice.fit import Normal, most_likely, tabulate, touching
from bandits.choice.observations import EFFECTS, NOTHING, ChoiceTable, Floats, Layout, Numbers


class Spreads(NamedTuple):
    """Standard deviations of the parameters around their expectations: utilities, effects of slots, the
    outside option that strata have in common, the deviation of each stratum, and those of utilities in it."""

    utility: float = 1.0
    effect: float = 1.5
    outside: float = 3.0
    stratum: float = 1.5
    own: float = 0.35


SPREADS = Spreads()

CERTAIN = 1e8
"""The precision of an identified effect while choices are learned: they say nothing about it."""


class IdentifiedEffect(NamedTuple):
    """The effect of a slot, by its number among EFFECTS, as exact chances say it: `mean` and `variance`."""

    number: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True, eq=False)
class ChoicePrior:
    """The prior of the parameters, before a choice was seen: independent normals.

    Whoever is not listed has the utility `typical`, so that a newcomer begins where its siblings are; `effects`
    (EFFECTS,) are those of slots, `outside` the common outside option, `strata` the deviations from it, 0 where not
    listed. Effects that are `identified` are not learned from choices.
    """

    utilities: Mapping[str, float] = field(default_factory=dict)
    typical: float = 0.0
    effects: tuple[float, ...] = (0.0,) * EFFECTS
    outside: float = 1.0
    strata: Mapping[str, float] = field(default_factory=dict)
    spreads: Spreads = SPREADS
    identified: tuple["IdentifiedEffect", ...] = ()

    def of(self, layout: Layout) -> Normal:
        """Return it for the parameters of a layout."""
        mean = np.zeros(layout.size)
        mean[: EFFECTS + 1] = *self.effects, self.outside
        mean[layout.utilities] = [self.utilities.get(name, self.typical) for name in layout.candidates]
        mean[layout.deviations] = [self.strata.get(name, 0.0) for name in layout.strata]
        utility, effect, outside, stratum, own = self.spreads
        counts = (EFFECTS, 1, len(layout.candidates), len(layout.strata), layout.size - layout.first_own)
        precision = np.diag(np.repeat([effect, outside, utility, stratum, own], counts) ** -2.0)
        for number, value, _ in self.identified:
            mean[number], precision[number, number] = value, CERTAIN
        return Normal(mean, precision)


DEFAULT_PRIOR = ChoicePrior()


@dataclass(frozen=True, slots=True, eq=False)
class GaussianEvidence:
    """The likelihood of parameters w, given choices: `exp(information @ w - w @ precision @ w / 2)`, scaled."""

    information: Floats
    precision: Floats

    @classmethod
    def nothing(cls, size: int) -> "GaussianEvidence":
        """Return no evidence of `size` parameters."""
        return cls(np.zeros(size), np.zeros((size, size)))

    def __add__(self, other: "GaussianEvidence") -> "GaussianEvidence":
        return GaussianEvidence(self.information + other.information, self.precision + other.precision)

    def times(self, share: float) -> "GaussianEvidence":
        """Return the same evidence with `share`, 0 to 1, of its weight."""
        return GaussianEvidence(self.information * share, self.precision * share)

    def moved(self, before: Layout, after: Layout) -> "GaussianEvidence":
        """Return the same evidence in the numbers of a layout that has more."""
        if before == after:
            return self
        positions, new = before.positions_in(after), GaussianEvidence.nothing(after.size)
        new.information[positions] = self.information
        new.precision[np.ix_(positions, positions)] = self.precision
        return new


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceModel:
    """All that was learned of choices: from those that are known, `settled`, and, for as long as it is so, from
    decisions of which no choice is known yet, `waiting`. Layouts grow as names come; evidence of different layouts
    adds."""

    layout: Layout
    settled: GaussianEvidence
    pending: GaussianEvidence

    @classmethod
    def nothing(cls) -> "ChoiceModel":
        """Return what is known before the first choice."""
        layout = Layout()
        return cls(layout, GaussianEvidence.nothing(layout.size), GaussianEvidence.nothing(layout.size))

    def after(
        self, observed: ChoiceTable, pending: ChoiceTable = NOTHING, expected: ChoicePrior = DEFAULT_PRIOR
    ) -> "ChoiceModel":
        """Return what is known with a batch of choices more, and with what waits now in the place of what waited.

        New choices are approximated where the posterior with them, and with what waits, is highest (Laplace).
        Choices that are taken back are approximated where it was highest before: near there they were added.
        """
        layout = self.layout.with_more(observed.layout).with_more(pending.layout)
        settled = self.settled.moved(self.layout, layout)
        prior, observed_table, pending_table = (
            expected.of(layout),
            tabulate(observed, layout),
            tabulate(pending, layout),
        )
        before = Normal(_mean(prior, settled), prior.precision + settled.precision)
        is_retraction = observed_table.totals < 0
        new = observed_table.where(~is_retraction)
        about, pending_evidence = touching(most_likely(before, new, pending_table), new, pending_table)
        settled += GaussianEvidence(about.mean, about.precision)
        if is_retraction.any():
            taken, _ = touching(before.mean, observed_table.where(is_retraction), tabulate(NOTHING, layout))
            settled = _nonnegative(settled + GaussianEvidence(taken.mean, taken.precision))
        return ChoiceModel(layout, settled, GaussianEvidence(pending_evidence.mean, pending_evidence.precision))

    def belief(self, expected: ChoicePrior = DEFAULT_PRIOR, candidates: Iterable[str] = ()) -> "ChoiceBelief":
        """Return the posterior of all parameters, also of candidates that were never offered."""
        layout = self.layout.with_more(Layout(tuple(candidates)))
        prior, about = expected.of(layout), (self.settled + self.pending).moved(self.layout, layout)
        precision = prior.precision + about.precision
        return ChoiceBelief(layout, _mean(prior, about), _cut(precision, expected.identified))

    def faded(self, share: float) -> "ChoiceModel":
        """Return what is settled with `share`, 0 to 1, of its weight: with 0 all is as expected."""
        return ChoiceModel(self.layout, self.settled.times(share), self.pending)

    def without(
        self, candidates: Iterable[str], strata: Iterable[str] = (), expected: ChoicePrior = DEFAULT_PRIOR
    ) -> "ChoiceModel":
        """Return what is known of all others, once these are forgotten: exactly what their part of the posterior says.

        Who comes back begins anew. What waits is forgotten.
        """
        layout, removed, over = self.layout, {*candidates}, {*strata}
        left = Layout(
            tuple(name for name in layout.candidates if name not in removed),
            tuple(name for name in layout.strata if name not in over),
            tuple(name for name in layout.own if name not in over),
        )
        settled = _marginal(self.settled, expected.of(layout), left.positions_in(layout))
        return ChoiceModel(left, settled, GaussianEvidence.nothing(left.size))

    def __add__(self, other: "ChoiceModel") -> "ChoiceModel":
        layout = self.layout.with_more(other.layout)
        settled = self.settled.moved(self.layout, layout) + other.settled.moved(other.layout, layout)
        pending = self.pending.moved(self.layout, layout) + other.pending.moved(other.layout, layout)
        return ChoiceModel(layout, settled, pending)


@dataclass(frozen=True, eq=False)
class ChoiceBelief:
    """The posterior of all parameters of a layout: `mean` (p,), `precision` (p, p)."""

    layout: Layout
    mean: Floats
    precision: Floats

    @cached_property
    def root(self) -> Floats:
        """The lower triangular R (p, p) for which R' R is the covariance. By plain sums in a fixed order: a library's
        last digits depend on the processor, and frozen draws must not."""
        return inverse_of_root(root_of(self.precision))

    def numbers(self, candidates: Iterable[str], stratum: str) -> list[tuple[int, ...]]:
        """Return for each candidate the parameters that its utility in a stratum is the sum of."""
        candidate_numbers = {name: number for number, name in enumerate(self.layout.candidates)}
        start = self.layout.own_start(stratum)
        return [
            (
                self.layout.utilities.start + candidate_numbers[name],
                *(() if start is None else (start + candidate_numbers[name],)),
            )
            for name in candidates
        ]

    def utilities(self, candidates: Iterable[str], stratum: str) -> Floats:
        """Return the posterior means of the utilities of candidates in a stratum; where it is new, of the common
        ones."""
        return np.array([sum(self.mean[number] for number in own) for own in self.numbers(candidates, stratum)])

    def outside(self, stratum: str) -> float:
        """Return the posterior mean of the outside option of a stratum; where it is new, of the common one."""
        if stratum not in self.layout.strata:
            return float(self.mean[EFFECTS])
        number = self.layout.deviations.start + self.layout.strata.index(stratum)
        return float(self.mean[EFFECTS] + self.mean[number])


def root_of(matrix: Floats) -> Floats:
    """Return the lower triangular root of a positive definite matrix (Cholesky)."""
    left, root = matrix.copy(), np.zeros_like(matrix)
    for column in range(len(matrix)):
        root[column:, column] = left[column:, column] / np.sqrt(left[column, column])
        left[column + 1 :, column + 1 :] -= root[column + 1 :, column, None] * root[column + 1 :, column]
    return root


def inverse_of_root(root: Floats) -> Floats:
    """Return the inverse of a lower triangular matrix, row by row."""
    inverse = np.zeros_like(root)
    for row in range(len(root)):
        inverse[row, row] = 1.0
        inverse[row, :row] -= (root[row, :row, None] * inverse[:row, :row]).sum(axis=0)
        inverse[row] /= root[row, row]
    return inverse


def _mean(prior: Normal, about: GaussianEvidence) -> Floats:
    information = prior.precision @ prior.mean + about.information
    return np.linalg.solve(prior.precision + about.precision, information).astype(np.float64)


def _cut(precision: Floats, identified: tuple[IdentifiedEffect, ...]) -> Floats:
    """Return the precision in which identified effects have their own variances, whatever choices say of them.

    The others keep their distribution given these effects (a cut posterior: Plummer, 2015).
    """
    if not identified:
        return precision
    numbers = np.array([effect.number for effect in identified], np.intp)
    others = np.setdiff1d(np.arange(len(precision)), numbers)
    across = precision[np.ix_(others, numbers)]
    through = np.linalg.solve(precision[np.ix_(others, others)], across)
    result = precision.copy()
    own = np.diag([1 / max(effect.variance, 1 / CERTAIN) for effect in identified])
    result[np.ix_(numbers, numbers)] = own + across.T @ through
    return result


def _nonnegative(evidence: GaussianEvidence) -> GaussianEvidence:
    """Return the evidence after a retraction, with negative precision (less than nothing left) set to 0."""
    values, vectors = np.linalg.eigh(evidence.precision)
    return GaussianEvidence(evidence.information, (vectors * np.maximum(values, 0.0)) @ vectors.T)


def _marginal(evidence: GaussianEvidence, prior: Normal, own: Numbers) -> GaussianEvidence:
    """Return the evidence about the `own` parameters, the others integrated out (the Schur complement)."""
    others = np.setdiff1d(np.arange(len(prior.mean)), own)
    precision = evidence.precision + prior.precision
    information = evidence.information + prior.precision @ prior.mean
    through = np.linalg.solve(precision[np.ix_(others, others)], precision[np.ix_(others, own)]).astype(np.float64).T
    bend = np.subtract(evidence.precision[np.ix_(own, own)], through @ precision[np.ix_(others, own)])
    return GaussianEvidence(evidence.information[own] - through @ information[others], (bend + bend.T) / 2)
