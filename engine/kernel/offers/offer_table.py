"""A plan's offers as arrays: all that their availability depends on and no request changes. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernel.offers.quote import Cart
from engine.model.documents.offer import FixedAmount, FreeShipping, Offer, OfferBudget, Percentage
from engine.model.offers.hold import TOTAL, BalanceKey
from engine.model.timestamps import HOUR, ms_of

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

UNLIMITED = 2**62
"""More than any amount, and any moment."""
WHOLE = 10_000
"""Hundredths of a percent in all of an amount."""


class OfferTable:
    """The N offers of a plan, in the order of `ids`, with positions of `budgets` for those that each is paid from."""

    def __init__(self, offers: Mapping[str, Offer], budgets: Mapping[str, OfferBudget]) -> None:
        self.ids = tuple(offers)
        self._own_budgets = budgets
        self._of_customers = [id for id, budget in budgets.items() if budget.scope == "customer"]
        self._shared_keys: dict[tuple[int, int], dict[str, BalanceKey]] = {}
        # A request asks for the same keys, amounts and factors several times in a row; other threads may ask too.
        self._last_keys: tuple[tuple[int, str, int], Mapping[str, BalanceKey]] = ((0, "", 0), {})
        self._last_amounts: tuple[Cart | None, Integers] = (None, np.zeros(0, np.int64))
        self._unpriced: Floats = np.ones(len(self.ids))
        self._last_factors: tuple[Mapping[str, float], Floats] = ({}, self._unpriced)
        self.index = {id: number for number, id in enumerate(self.ids)}
        all_offers = tuple(offers.values())
        self.budgets = _positions(all_offers, tuple(budgets))
        """(N, M): fewer than M budgets are filled up by the position behind the last one."""
        self._terms = np.array([_terms(offer) for offer in all_offers], np.int64).reshape(-1, 3)
        self.most = int(self._terms[:, 1].max(initial=0))
        """The most that any of the offers takes off."""
        self._of_shipping = np.array([isinstance(offer.benefit, FreeShipping) for offer in all_offers], bool)
        currencies = [offer.currency for offer in all_offers]
        self._currencies = set(currencies)
        self._other_currency = {
            currency: np.array([other != currency for other in currencies], bool) for currency in self._currencies
        }
        self.currency_reasons = _texts(f"is a discount in {currency}" for currency in currencies)
        self._windows = np.array([window_of(offer) for offer in all_offers], np.int64).reshape(-1, 2)
        self._steps = np.unique(self._windows).tolist()
        self._window_reasons: dict[int, tuple[Booleans, Texts]] = {}
        self._start_reasons = _texts(f"starts at {offer.starts_at}" for offer in all_offers)
        self._end_reasons = _texts(f"ended at {offer.ends_at}" for offer in all_offers)
        self.pools = [id for id, offer in offers.items() if offer.codes == "pool"]
        self.cooldowns = {id: offer.cooldown_hours * HOUR for id, offer in offers.items() if offer.cooldown_hours}
        self.own_codes = [id for id, offer in offers.items() if offer.codes == "customer"]

    def keys(self, merchant_id: int, customer: str, day: int) -> Mapping[str, BalanceKey]:
        """Return the balance of each budget, by its id, on an epoch day; `customer` is empty for a guest."""
        shared = self._shared_keys.get((merchant_id, day))
        if shared is None:
            shared = {
                id: BalanceKey(merchant_id, id, day if budget.period == "day" else TOTAL, "")
                for id, budget in self._own_budgets.items()
            }
            self._shared_keys = {(merchant_id, day): shared}
        if not (customer and self._of_customers):
            return shared
        key, last = (merchant_id, customer, day), self._last_keys
        if last[0] != key:
            own = {id: BalanceKey(merchant_id, id, shared[id].period, customer) for id in self._of_customers}
            last = self._last_keys = (key, shared | own)
        return last[1]

    def amounts(self, cart: Cart) -> Integers:
        """Return what each offer takes off (N,), as `quote.discount` does; not to be changed."""
        last = self._last_amounts
        if last[0] != cart:
            last = self._last_amounts = (cart, self._amounts(cart))
        return last[1]

    def _amounts(self, cart: Cart) -> Integers:
        share, most, enough = self._terms.T
        amounts = most.copy()
        for base, rows in ((cart.total, ~self._of_shipping), (cart.shipping, self._of_shipping)):
            if base is not None:
                # From `enough` on, the offer's maximum is reached; without this limit the product could overflow.
                uncapped = np.minimum(min(max(base, 0), UNLIMITED), enough) * share // WHOLE
                np.minimum(uncapped, most, out=amounts, where=rows)
        return amounts

    def factors(self, prices: Mapping[str, float]) -> Floats:
        """Return what a minor unit of each offer's discount costs (N,), itself included, at prices of budgets."""
        if not prices:
            return self._unpriced
        last = self._last_factors
        if last[0] is not prices:
            by_budget = np.array([*(prices.get(id, 0.0) for id in self._own_budgets), 0.0])
            last = self._last_factors = (prices, 1.0 + by_budget[self.budgets].sum(axis=1))
        return last[1]

    def is_in_other_currency(self, currency: str | None) -> Booleans | None:
        """Return which offers (N,) are in another currency than a cart's, or None if none is; None is no other."""
        if currency is None or self._currencies == {currency}:
            return None
        other = self._other_currency.get(currency)
        return np.ones(len(self.ids), bool) if other is None else other

    def window_reasons(self, now: int) -> tuple[Booleans, Texts]:
        """Return which offers (N,) are over or have not begun, and the reasons."""
        step = bisect_right(self._steps, now)
        if step not in self._window_reasons:
            starts, ends = self._windows.T
            reasons = np.where(now < starts, self._start_reasons, self._end_reasons)
            self._window_reasons[step] = ((now < starts) | (now >= ends), reasons)
        return self._window_reasons[step]


def _terms(offer: Offer) -> tuple[int, int, int]:
    """Return the share in hundredths of a percent, the maximum, and an amount whose share is at least the maximum."""
    match offer.benefit:
        case Percentage(percent, maximum):
            share = round(percent * 100)
            return share, maximum, -(-maximum * WHOLE // max(share, 1))
        case FixedAmount(most) | FreeShipping(most):
            return WHOLE, most, most


def window_of(offer: Offer) -> tuple[int, int]:
    """Return the first millisecond of an offer, and the first after its end."""
    starts = ms_of(offer.starts_at) if offer.starts_at else None
    ends = ms_of(offer.ends_at) if offer.ends_at else None
    return -UNLIMITED if starts is None else starts, UNLIMITED if ends is None else ends


def _positions(offers: Sequence[Offer], budgets: Sequence[str]) -> Integers:
    position = {id: number for number, id in enumerate(budgets)}
    widest = max((len(offer.budgets) for offer in offers), default=0)
    rows: list[list[int]] = [[position[id] for id in offer.budgets] for offer in offers]
    return np.array([row + [len(budgets)] * (widest - len(row)) for row in rows], np.int64).reshape(len(rows), widest)


def _texts(values: Iterable[Any]) -> Texts:
    return np.array(list(values), object)
