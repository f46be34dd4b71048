"""The rules of the ledger: which movements a hold may make, and what it is afterwards. Pure.

A hold is live until it is redeemed, released or expires. Only what is redeemed can be refunded.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.model.errors import Conflict, invalid
from engine.model.offers.code import CodeRequest
from engine.model.offers.hold import Hold, Movement


class Transition(NamedTuple):
    """A hold after a change, the movements that lead to it, and the code that it requests."""

    hold: Hold
    movements: tuple[Movement, ...]
    code: CodeRequest | None = None

    @property
    def entries_before(self) -> int:
        """Return how many movements the hold had made before; 0 for a new one."""
        return self.hold.entries - len(self.movements)


def take(hold: Hold, code: CodeRequest | None = None) -> Transition:
    """Set aside the most that the offer may cost, with a code where one is requested."""
    return _moved(hold, Movement("hold", hold.amount, 1))._replace(code=code)


def requote(hold: Hold, *, amount: int, like: Hold) -> Transition:
    """Keep a live hold for a new answer: it covers `amount`, and lasts as long as the hold `like` would.

    What is held only grows, so that what was shown before is honoured too.
    """
    _require(hold, "live")
    requoted = hold._replace(
        amount=max(hold.amount, amount),
        cart_total=like.cart_total,
        decision_id=like.decision_id,
        plan_version=like.plan_version,
        expires_at=max(hold.expires_at, like.expires_at),
    )
    if amount <= hold.amount:
        return Transition(requoted, ())
    return _moved(requoted, Movement("hold", amount - hold.amount, 0))


def revive(hold: Hold, *, amount: int, expires_at: int, code: CodeRequest | None = None) -> Transition:
    """Hold an offer again whose time had run out; raise `Conflict` unless it expired."""
    _require(hold, "expired")
    revived = hold._replace(state="live", amount=amount, expires_at=expires_at)
    return _moved(revived, Movement("hold", amount, 1))._replace(code=code)


def redeem(hold: Hold, *, discount: int, cart_total: int, order_id: str, redeemed_at: int = 0) -> Transition:
    """Spend `discount` and give back the rest; raise `Conflict` unless the hold is live and covers it."""
    _require(hold, "live")
    if discount > hold.amount:
        raise Conflict(f"the discount is {discount}, but only {hold.amount} is held", field="cart/total")
    movements = [Movement("commit", discount, 1)]
    if hold.amount > discount:
        movements.append(Movement("release", hold.amount - discount, 0))
    redeemed = hold._replace(state="redeemed", spent=discount, cart_total=cart_total, order_id=order_id)
    return _moved(redeemed._replace(redeemed_at=redeemed_at), *movements)


def release(hold: Hold) -> Transition:
    """Give back everything that is held, for a payment that failed or a customer who left."""
    _require(hold, "live")
    return _moved(hold._replace(state="released"), Movement("release", hold.amount, 1))


def expire(hold: Hold) -> Transition:
    """Give back everything that is held, because nobody redeemed it in time."""
    _require(hold, "live")
    return _moved(hold._replace(state="expired"), Movement("release", hold.amount, 1))


def refund(hold: Hold, *, amount: int) -> Transition:
    """Give back the share of the discount that belongs to `amount` of the cart's total; all of it at the end.

    The use comes back when the whole cart is refunded. Raise `Conflict` unless the hold is redeemed, and `Invalid` for
    more than is left of the cart's total.
    """
    _require(hold, "redeemed")
    left = hold.cart_total - hold.refunded
    if left <= 0:
        raise invalid("amount", "nothing is left of the order to refund")
    if not 0 < amount <= left:
        raise invalid("amount", f"must be from 1 to {left}, what is left of the order")
    refunded = hold.refunded + amount
    returned = share_of(hold.spent, refunded, hold.cart_total)
    after = hold._replace(refunded=refunded, returned=returned)
    return _moved(after, Movement("refund", returned - hold.returned, int(after.is_refunded)))


def share_of(discount: int, refunded: int, total: int) -> int:
    """Return the share of a discount that belongs to the refunded part of a total, rounded down."""
    return discount * refunded // total


def _require(hold: Hold, state: str) -> None:
    if hold.state != state:
        raise Conflict(f"hold “{hold.id}” is {hold.state}, not {state}", field="hold_id")


def _moved(hold: Hold, *movements: Movement) -> Transition:
    return Transition(hold._replace(entries=hold.entries + len(movements)), movements)
