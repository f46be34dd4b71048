"""A queue that serves merchants in turn, so that a busy merchant does not delay the others."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Overloaded(Exception):
    """The queue is full: too many items wait, in total or from one merchant."""


class FairQueue(Generic[T]):
    """Items by merchant, each with a cost (rows, and more for long ones).

    All together cost at most `most`, those of one merchant at most `most_of_one`.
    """

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self.most = most
        self.most_of_one = most_of_one
        self.cost = 0
        self._items: dict[int, dict[Hashable, tuple[T, int]]] = {}
        self._costs: dict[int, int] = {}

    def __len__(self) -> int:
        return sum(len(items) for items in self._items.values())

    def put(self, merchant_id: int, key: Hashable, item: T, *, cost: int = 1) -> None:
        """Add an item under a key; raise `Overloaded` if there is no room for it."""
        costs = self._costs.get(merchant_id, 0)
        if self.cost + cost > self.most or costs + cost > self.most_of_one:
            raise Overloaded
        self._items.setdefault(merchant_id, {})[key] = item, cost
        self._costs[merchant_id] = costs + cost
        self.cost += cost

    def pop(self, merchant_id: int, key: Hashable) -> T | None:
        """Remove and return the item of a key, or return None."""
        items = self._items.get(merchant_id, {})
        if key not in items:
            return None
        item, cost = items.pop(key)
        self.cost -= cost
        self._costs[merchant_id] -= cost
        if not items:
            del self._items[merchant_id], self._costs[merchant_id]
        return item

    def take(self, most: int) -> list[T]:
        """Remove and return items that together cost about `most`: one per merchant in turn, oldest first."""
        taken: list[T] = []
        limit = self.cost - most
        while self._items and self.cost > limit:
            # The first merchant goes to the end, so that the next group begins with another.
            merchant_id = next(iter(self._items))
            items = self._items.pop(merchant_id)
            self._items[merchant_id] = items
            item = self.pop(merchant_id, next(iter(items)))
            if item is not None:
                taken.append(item)
        return taken
