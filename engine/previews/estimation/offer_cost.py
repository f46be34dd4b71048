"""What an offer would have cost in a part of the log: its discounts, and an interval of their sum. Pure."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import sqrt

import msgspec
import numpy as np

from bandits.evaluation.intervals import Z95

FEWEST_CUSTOMERS = 20
"""With fewer, an interval would promise more than it holds."""


class OfferCost(msgspec.Struct, frozen=True):
    """In how many decisions an offer would have been shown, to how many customers, and what all of it takes off.

    Amounts are minor units. `low` and `high` are the ends of a 95% interval of `most` for a period like this one; null
    below 20 customers.
    """

    decisions: int
    customers: int
    most: int
    low: int | None
    high: int | None


@dataclass(slots=True)
class Discounts:
    """A row for each decision in which the offer would have been shown."""

    amount: array[int] = field(default_factory=lambda: array("q"))
    customer: array[int] = field(default_factory=lambda: array("Q"))
    day: array[int] = field(default_factory=lambda: array("Q"))

    def append(self, amount: int, customer: int, day: int) -> None:
        self.amount.append(amount)
        self.customer.append(customer)
        self.day.append(day)

    def extend(self, other: Discounts) -> None:
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


def cost_of(discounts: Discounts) -> OfferCost:
    """Return the cost of all discounts. Of a customer's decisions on one day, the one with the largest discount counts.

    Customers come as a Poisson process, so the variance of the sum is the sum of the squares of customers' discounts.
    """
    uses = np.stack([np.array(discounts.customer, np.uint64), np.array(discounts.day, np.uint64)], axis=1)
    days, rows = np.unique(uses, axis=0, return_inverse=True)
    largest = np.zeros(len(days), np.int64)
    np.maximum.at(largest, rows.ravel(), np.array(discounts.amount, np.int64))
    customers, owners = np.unique(days[:, 0], return_inverse=True)
    spent = np.bincount(owners.ravel(), weights=largest, minlength=len(customers))
    most, spread = int(largest.sum()), Z95 * sqrt(float((spent**2).sum()))
    if len(customers) < FEWEST_CUSTOMERS:
        return OfferCost(len(uses), len(customers), most, None, None)
    return OfferCost(len(uses), len(customers), most, max(0, round(most - spread)), round(most + spread))
