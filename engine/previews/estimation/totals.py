"""The counts of a preview while it runs. The counts of the log's pieces add up in any order."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from engine.previews.estimation.comparison import Case
from engine.previews.estimation.offer_cost import Discounts
from engine.previews.estimation.weighing import Weighed

EXAMPLES_A_KIND = 6
TOP = 3
Order = tuple[str, ...]


class Example(msgspec.Struct, frozen=True):
    """A logged decision that the draft answers otherwise; `kind` says what is most striking about it."""

    decision_id: str
    kind: str
    before: Order
    after: Order


@dataclass(slots=True)
class Rows:
    """A row for each decision that may count for the effect and that the draft's rules treat otherwise."""

    weight: array[float] = field(default_factory=lambda: array("d"))
    logged: array[float] = field(default_factory=lambda: array("d"))
    least: array[float] = field(default_factory=lambda: array("d"))
    most: array[float] = field(default_factory=lambda: array("d"))
    open: array[float] = field(default_factory=lambda: array("d"))
    unseen: array[float] = field(default_factory=lambda: array("d"))
    customer: array[int] = field(default_factory=lambda: array("Q"))

    def append(self, weighed: Weighed, customers: Iterable[int]) -> None:
        for name in Weighed._fields:
            getattr(self, name).frombytes(getattr(weighed, name).tobytes())
        self.customer.extend(customers)

    def extend(self, other: Rows) -> None:
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


def customer_number(case: Case) -> int:
    """Return the same number for all decisions of a customer; a decision without a customer has its own."""
    return number_of(case.facts.customer or case.id)


def number_of(label: str) -> int:
    """Return a number for a customer's keyed hash, or for a decision."""
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest())


@dataclass(slots=True)
class Totals:
    """`orders` are logged answers as they stay, `moved` (before, after) those that change.

    `lost`: decisions whose plan or beliefs are no longer kept. `counted`: those whose window is over. `revalued`: those
    of them with other values in the answer. `withdrawn`: those by the candidate that the customer chose and that the
    draft would not have offered.
    """

    read: int = 0
    fallback: int = 0
    lost: int = 0
    counted: int = 0
    emptied: int = 0
    changed: int = 0
    revalued: int = 0
    versions: Counter[int] = field(default_factory=Counter)
    orders: Counter[Order] = field(default_factory=Counter)
    moved: Counter[tuple[Order, Order]] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    fired_before: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    withdrawn: Counter[str] = field(default_factory=Counter)
    rows: Rows = field(default_factory=Rows)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    discounts: Discounts = field(default_factory=Discounts)

    def add_matches(self, fired: Iterable[str], skipped: Iterable[str], fired_before: Iterable[str]) -> None:
        """Count the draft's rules that fired and that were skipped in one decision, and the logged ones that fired."""
        # A loop is faster than `Counter.update` for so few.
        for counts, ids in ((self.fired, fired), (self.skipped, skipped), (self.fired_before, fired_before)):
            for id in ids:
                counts[id] += 1

    def add_unchanged(self, order: Order) -> None:
        self.orders[order] += 1

    def add_answer(self, case: Case, after: Order, instead_of: Order | None = None) -> None:
        """Count an answer of the draft, beside the logged one or beside `instead_of` of another plan."""
        before = case.logged.order if instead_of is None else instead_of
        values = case.logged.values if case.other is None else case.other.draft.limits.bounds.values
        revalued = values != case.bounded.draft.limits.bounds.values
        if before == after and not revalued:
            return self.add_unchanged(before)
        self.changed += 1
        self.moved[before, after] += 1
        self.emptied += bool(before) and not after
        kind = _kind(before, after)
        self.examples[kind] = [*self.examples.get(kind, ()), Example(case.id, kind, before, after)][-EXAMPLES_A_KIND:]
        return None

    def add_withdrawn(self, chosen: Iterable[str], before: Order, after: Order) -> None:
        """Count what customers chose from the answer `before` and would not find in the draft's."""
        self.withdrawn.update(set(chosen) & set(before) - set(after))

    def add_weighed(self, cases: Sequence[Case], shares: Weighed, *, revalued: bool) -> None:
        """Add weighed decisions. Where an answer's values changed, their effect stays open."""
        self.revalued += revalued * len(shares.weight)
        self.rows.append(shares._replace(open=shares.most) if revalued else shares, map(customer_number, cases))

    def add(self, other: Totals) -> None:
        for name in ("read", "fallback", "lost", "counted", "emptied", "changed", "revalued"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("versions", "orders", "moved", "fired", "fired_before", "skipped", "withdrawn"):
            getattr(self, name).update(getattr(other, name))
        self.rows.extend(other.rows)
        self.discounts.extend(other.discounts)
        for kind, examples in other.examples.items():
            both = sorted(self.examples.get(kind, []) + examples, key=lambda example: example.decision_id)
            self.examples[kind] = both[-EXAMPLES_A_KIND:]


def _kind(before: Order, after: Order) -> str:
    if not after:
        return "emptied"
    if before[:1] != after[:1]:
        return "first"
    if set(before) != set(after):
        return "shown"
    return "order" if before != after else "values"


class Places(msgspec.Struct, frozen=True):
    """In how many answers a candidate is first, among the first three, and shown: as logged, and under the draft."""

    id: str
    label: str
    first: tuple[int, int]
    top: tuple[int, int]
    shown: tuple[int, int]


def position_counts(totals: Totals, labels: dict[str, str]) -> list[Places]:
    """Return the counts of each candidate in the order of `labels`, then those no longer among them."""
    unchanged = Counter(totals.orders)
    before, after = Counter(unchanged), Counter(unchanged)
    for (old, new), count in totals.moved.items():
        before[old] += count
        after[new] += count
    counts = [(_position_counts(before, depth), _position_counts(after, depth)) for depth in (1, TOP, None)]
    candidates = dict.fromkeys(chain(labels, *(sorted(old.keys() | new.keys()) for old, new in counts)))
    return [
        Places(name, labels.get(name, name), *((old[name], new[name]) for old, new in counts)) for name in candidates
    ]


def _position_counts(orders: Counter[Order], depth: int | None) -> Counter[str]:
    counts: Counter[str] = Counter()
    for order, count in orders.items():
        for name in order[:depth]:
            counts[name] += count
    return counts
