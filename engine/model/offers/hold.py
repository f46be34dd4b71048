"""Holds and movements: what is set aside for an offer that was shown, and how money moves. Pure.

Amounts are whole minor units of the budget's currency; a use is one grant of an offer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.model.documents.offer import OfferBudget

HoldState = Literal["live", "redeemed", "released", "expired"]
MovementKind = Literal["hold", "commit", "release", "refund"]
Account = Literal["available", "held", "spent"]

ACCOUNTS: dict[MovementKind, tuple[Account, Account]] = {
    "hold": ("available", "held"),
    "commit": ("held", "spent"),
    "release": ("held", "available"),
    "refund": ("spent", "available"),
}
"""The account that a movement debits, and the one that it credits."""

TOTAL = 0
"""The period of a budget that is not counted by day."""


class BalanceKey(NamedTuple):
    """A balance of a budget: `period` is an epoch day or `TOTAL`, `customer` a keyed hash or empty for everybody."""

    merchant_id: int
    budget: str
    period: int
    customer: str


class HoldOwner(NamedTuple):
    """A customer, by keyed hash, in a placement of a merchant."""

    merchant_id: int
    customer: str
    placement: str


class Cap(NamedTuple):
    """The most that a budget may spend, as an amount and as uses; None is no limit."""

    merchant_id: int
    budget: str
    amount: int | None
    uses: int | None


class Balance(NamedTuple):
    """The amounts of a budget that are held and spent."""

    held: int = 0
    spent: int = 0
    held_uses: int = 0
    spent_uses: int = 0

    def plus(self, other: Balance) -> Balance:
        """Return the sum of two balances, or of a balance and a change."""
        held, spent, held_uses, spent_uses = other
        return Balance(self.held + held, self.spent + spent, self.held_uses + held_uses, self.spent_uses + spent_uses)


def leaves_room(cap: Cap | OfferBudget, balance: Balance, amount: int, uses: int) -> bool:
    """Return whether a balance stays at or below a cap with so much more."""
    total, total_uses = balance.spent + balance.held + amount, balance.spent_uses + balance.held_uses + uses
    return (cap.amount is None or total <= cap.amount) and (cap.uses is None or total_uses <= cap.uses)


class Movement(NamedTuple):
    """An amount and uses that move between two accounts of every balance of a hold."""

    kind: MovementKind
    amount: int
    uses: int

    @property
    def change(self) -> Balance:
        """Return what the movement adds to a balance."""
        debit, credit = ACCOUNTS[self.kind]
        held = (credit == "held") - (debit == "held")
        spent = (credit == "spent") - (debit == "spent")
        return Balance(held * self.amount, spent * self.amount, held * self.uses, spent * self.uses)


class Hold(NamedTuple):
    """An offer that was shown, with the most that it may cost.

    `amount` is held or was held; `spent` is what redeeming took, `returned` what refunds gave back of it. `cart_total`
    is the total that `amount`, later `spent`, was quoted for, `refunded` how much of it was refunded. `entries` counts
    the movements so far. `customer` is a keyed hash, empty for a guest. `code` was given to this hold alone.
    `redeemed_at` is 0 until it is redeemed.
    """

    id: str
    merchant_id: int
    placement: str
    offer: str
    plan_version: int
    decision_id: str
    customer: str
    currency: str
    amount: int
    cart_total: int
    balances: tuple[BalanceKey, ...]
    created_at: int
    expires_at: int
    state: HoldState = "live"
    spent: int = 0
    refunded: int = 0
    returned: int = 0
    order_id: str = ""
    entries: int = 0
    code: str = ""
    redeemed_at: int = 0

    @property
    def standing(self) -> Balance:
        """Return what the hold contributes to each of its balances."""
        if self.state == "live":
            return Balance(held=self.amount, held_uses=1)
        if self.state != "redeemed":
            return Balance()
        return Balance(spent=self.spent - self.returned, spent_uses=0 if self.is_refunded else 1)

    @property
    def is_refunded(self) -> bool:
        """Return whether the whole cart was refunded."""
        return 0 < self.cart_total == self.refunded


class LedgerEntry(NamedTuple):
    """An amount and uses that moved from the account `debit` to `credit` of one balance."""

    id: str
    merchant_id: int
    hold_id: str
    budget: str
    period: int
    customer: str
    kind: str
    debit: str
    credit: str
    amount: int
    uses: int
    recorded_at: int


class OfferEntry(NamedTuple):
    """An entry of the ledger with the offer, the customer (a keyed hash) and the currency of its hold."""

    offer: str
    customer: str
    currency: str
    entry: LedgerEntry


class OfferKey(NamedTuple):
    """An offer of a merchant."""

    placement: str
    offer: str


class OfferUses(NamedTuple):
    """The numbers of holds and redemptions of an offer, and their cost less refunds, in minor units."""

    held: int = 0
    redeemed: int = 0
    cost: int = 0


class LedgerFilter(NamedTuple):
    """A filter of ledger entries; an empty text is all. `customer` is a keyed hash."""

    budget: str = ""
    kind: str = ""
    offer: str = ""
    customer: str = ""


EVERY_ENTRY = LedgerFilter()
