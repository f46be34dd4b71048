"""Compare candidates over the customers who could have been shown both. Pure.

Candidates are compared inside a stratum: decisions of the same customer group, with the same candidates left by rules
and limits, the same fired rules, and the same favourite of the customer, which decide who is shown what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.discovery import discoveries
from bandits.evaluation.stratified import StratifiedDifference, clustered_mean, stratified_difference
from engine.model.timestamps import DAY

Numbers = NDArray[np.intp]
Flags = NDArray[np.bool_]
T = TypeVar("T")

LEAST_SEEN = 50
"""Candidates that were seen less often in a group are not compared."""
LEAST_CHOSEN = 10
"""Fewer choices in a group do not tell how much they vary."""
CONTENDS = 0.5
"""Who could be shown to no more than this share of a group cannot be the best of the group."""
LEAST_DAYS = 3
"""The days before and since a turn that are needed to call it so."""
ERROR = 0.05


class SampledDecision(NamedTuple):
    """A complete decision: whom it `offered`, and `impressions`: by candidate that was seen, whether it was chosen.

    `decided_at` is in epoch milliseconds; `customer` is the decision's own id for a guest; `favourite` is the candidate
    that the customer had chosen most, or empty. `bought` is whether the checkout ended in a purchase, `revenue` in
    minor units of the merchant's currency. `held_back` is None where nobody was held back. `greedy` is the inverse of
    the chance of what came first, if that was the likeliest; 0 if it was not, and 1 where it was not drawn.
    """

    decided_at: int
    bucket: str
    customer: str
    offered: frozenset[str]
    rules: frozenset[str]
    favourite: str
    impressions: Mapping[str, bool]
    bought: bool
    revenue: int
    held_back: bool | None
    greedy: float = 1.0

    @property
    def day(self) -> int:
        """Return the epoch day."""
        return self.decided_at // DAY

    @property
    def stratum(self) -> tuple[str, frozenset[str], frozenset[str], str]:
        """Return what decides who is shown to this customer."""
        return self.bucket, self.offered, self.rules, self.favourite


class ChoiceRate(NamedTuple):
    """The rate at which a candidate is chosen: a share of its `impressions`, with its 95% interval.

    `offered` is the share of the group's decisions in which it could be shown.
    """

    candidate: str
    rate: float
    low: float
    high: float
    impressions: int
    offered: float


class Lead(NamedTuple):
    """The leader of a group beside its closest rival; the p-value is that of being ahead of all rivals.

    `share` of the group's decisions could show both. `since` is the epoch day since which the leader is ahead, if it
    was surely behind before; then `difference` is that since then. `sure` is whether the leader may be called the
    best, among all groups of the page.
    """

    leader: str
    rival: str
    difference: StratifiedDifference
    share: float
    since: int | None = None
    sure: bool = False


class GroupComparison(NamedTuple):
    """The comparison of a group's candidates, since the lead's turn if there was one.

    `lead` is None where no two candidates can be compared.
    `beside` are differences of other candidates from the leader, None where nobody could be shown both.
    """

    bucket: str | None
    decisions: int
    rates: dict[str, ChoiceRate]
    lead: Lead | None
    beside: dict[str, StratifiedDifference | None]


@dataclass(frozen=True, eq=False)
class SampleTable:
    """Decisions as arrays: `days`, `strata`, `customers` and `buckets` (n,) as numbers, the others (n, K)."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    days: Numbers
    strata: Numbers
    customers: Numbers
    buckets: Numbers
    offered: Flags
    impressions: Flags
    chosen: Flags

    @classmethod
    def of(cls, decisions: Sequence[SampledDecision], names: Collection[str]) -> SampleTable:
        """Return the table of decisions, with a column for each of the candidates `names` (K,)."""
        columns = tuple(names)
        groups, buckets = _numbered([each.bucket for each in decisions])
        cells = [
            [(name in each.offered, name in each.impressions, each.impressions.get(name, False)) for name in columns]
            for each in decisions
        ]
        flags = np.array(cells, np.bool_).reshape(len(decisions), len(columns), 3)
        return cls(
            columns,
            groups,
            np.array([each.day for each in decisions], np.intp),
            _numbered([each.stratum for each in decisions])[1],
            _numbered([each.customer for each in decisions])[1],
            buckets,
            flags[:, :, 0],
            flags[:, :, 1],
            flags[:, :, 2],
        )

    def where(self, rows: Flags) -> SampleTable:
        """Return the table of some rows (n,)."""
        parts = ("days", "strata", "customers", "buckets", "offered", "impressions", "chosen")
        return replace(self, **{name: getattr(self, name)[rows] for name in parts})

    def of_group(self, bucket: str) -> SampleTable:
        """Return the table of a customer group."""
        return self.where(self.buckets == (self.groups.index(bucket) if bucket in self.groups else -1))

    def rates(self) -> dict[str, ChoiceRate]:
        """Return the rate of each candidate that was seen."""
        rates = {}
        for column, name in enumerate(self.names):
            rows = self.impressions[:, column]
            if rows.any():
                mean, low, high = clustered_mean(self.chosen[rows, column], self.customers[rows])
                offered = float(self.offered[:, column].mean())
                rates[name] = ChoiceRate(name, mean, max(0.0, low), min(1.0, high), int(rows.sum()), offered)
        return rates

    def both(self, first: str, second: str) -> Flags:
        """Return which decisions (n,) could show both candidates."""
        both: Flags = self.offered[:, self.names.index(first)] & self.offered[:, self.names.index(second)]
        return both

    def difference(self, first: str, second: str) -> StratifiedDifference | None:
        """Return how much more often `first` is chosen when seen than `second`; None if nobody could be shown both."""
        both, columns = self.both(first, second), [self.names.index(name) for name in (first, second)]
        rows = [both & self.impressions[:, column] for column in columns]
        values = np.concatenate([self.chosen[part, column] for part, column in zip(rows, columns, strict=True)])
        is_first = np.repeat([True, False], [int(part.sum()) for part in rows])
        strata, customers = (
            np.concatenate([numbers[part] for part in rows]) for numbers in (self.strata, self.customers)
        )
        return stratified_difference(values, is_first, strata, customers)


def compare_groups(table: SampleTable, buckets: Sequence[str | None]) -> list[GroupComparison]:
    """Compare candidates in each group, None for all customers.

    Of all leads that are called sure, the expected share of false ones is at most 5%, so that none has an interval that
    includes 0.
    """
    compared = [_compare(bucket, table if bucket is None else table.of_group(bucket)) for bucket in buckets]
    leads = [group.lead for group in compared if group.lead is not None]
    sure = iter(discoveries([lead.difference.p_value for lead in leads], share=ERROR).tolist())
    return [
        group
        if group.lead is None
        else group._replace(lead=group.lead._replace(sure=next(sure) and group.lead.difference.low > 0))
        for group in compared
    ]


def _compare(bucket: str | None, table: SampleTable) -> GroupComparison:
    rates = table.rates()
    ready = [name for name, rate in rates.items() if rate.impressions >= LEAST_SEEN]
    contenders = [name for name in ready if rates[name].offered > CONTENDS]
    alone = GroupComparison(bucket, len(table.days), rates, None, {})
    if len(contenders) < 2 or table.chosen.sum() < LEAST_CHOSEN:
        return alone
    leader = _leader(table, contenders, max(contenders, key=lambda name: rates[name].rate))
    lead = _lead(table, leader, contenders)
    if lead is None:
        return alone
    later = table if lead.since is None else table.where(table.days >= lead.since)
    beside = {name: later.difference(name, lead.leader) for name in ready if name != lead.leader}
    return GroupComparison(bucket, len(later.days), later.rates(), lead, beside)


def _leader(table: SampleTable, contenders: Sequence[str], leader: str) -> str:
    """Return who is ahead of all contenders over common customers, as far as there is such a candidate."""
    for _ in contenders:
        beside = {name: table.difference(leader, name) for name in contenders if name != leader}
        behind = {name: each.value for name, each in beside.items() if each is not None and each.value < 0}
        if not behind:
            break
        leader = min(behind, key=behind.__getitem__)
    return leader


def _lead(table: SampleTable, leader: str, contenders: Sequence[str]) -> Lead | None:
    """Return the lead over the contender that may be closest, by the lower end of the difference."""
    beside = {name: table.difference(leader, name) for name in contenders if name != leader}
    clear = {name: each for name, each in beside.items() if each is not None and not each.refused}
    if not clear:
        return None
    rival = min(clear, key=lambda name: clear[name].low)
    both = table.where(table.both(leader, rival))
    share = len(both.days) / len(table.days)
    turn = _turn(both, leader, rival)
    if turn is None:
        # The leader must be ahead of each rival.
        return Lead(leader, rival, replace(clear[rival], p_value=max(each.p_value for each in clear.values())), share)
    day, since = turn
    if since.value < 0:
        leader, rival = rival, leader
        since = replace(since, value=-since.value, low=-since.high, high=-since.low)
    return Lead(leader, rival, since, share, day)


def _turn(table: SampleTable, first: str, second: str) -> tuple[int, StratifiedDifference] | None:
    """Return the day since which the other one of two candidates is ahead, and the difference since then; None if none.

    It is where the summed difference is furthest from its straight course (CUSUM; Page, 1954). The differences before
    and since must be sure and opposite, at 5% divided by the number of days; so is the p-value that is returned.
    """
    days = np.unique(table.days)
    if len(days) < 2 * LEAST_DAYS:
        return None
    daily = [table.where(table.days == day).difference(first, second) for day in days]
    rows = np.cumsum([0 if each is None else each.rows for each in daily])
    sums = np.cumsum([0.0 if each is None else each.value * each.rows for each in daily])
    off_course = np.abs(sums - rows * sums[-1] / max(rows[-1], 1))[LEAST_DAYS - 1 : -LEAST_DAYS]
    start = int(days[int(np.argmax(off_course)) + LEAST_DAYS])
    before, since = (table.where(part).difference(first, second) for part in (table.days < start, table.days >= start))
    if before is None or since is None or before.refused or since.refused:
        return None
    is_sure = max(before.p_value, since.p_value) < ERROR / len(days)
    if not is_sure or before.value * since.value > 0:
        return None
    return start, replace(since, p_value=since.p_value * len(days))


def _numbered(values: Sequence[T]) -> tuple[tuple[T, ...], Numbers]:
    """Return the different values, and the number of each value (n,)."""
    numbers: dict[T, int] = {}
    rows = [numbers.setdefault(value, len(numbers)) for value in values]
    return tuple(numbers), np.array(rows, np.intp)
