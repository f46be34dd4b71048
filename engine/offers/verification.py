"""Compare the ledger, the balances, the holds and the codes of a merchant: all of them must say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.model.offers.code import StoredCode
from engine.model.offers.hold import Balance, BalanceKey, Cap, Hold, leaves_room
from engine.store.connection.database import Database
from engine.store.offers import caps, codes, entries, holds


class BalanceDifference(NamedTuple):
    """A balance on which ledger, stored balance and holds do not agree."""

    key: BalanceKey
    ledger: Balance
    stored: Balance
    holds: Balance


class CodeDifference(NamedTuple):
    """A code whose state and hold (empty where there is none) do not fit each other, and why."""

    code: str
    hold_id: str
    problem: str


class Verification(NamedTuple):
    """The numbers of comparisons and differences."""

    balances: int
    holds: int
    codes: int
    differences: tuple[BalanceDifference, ...]
    over_cap: tuple[BalanceKey, ...]
    """Balances above the cap in force: where a cap was lowered below what was spent or held."""
    code_differences: tuple[CodeDifference, ...]

    @property
    def is_same(self) -> bool:
        """Return whether nothing differs; a balance above a lowered cap is no difference."""
        return not (self.differences or self.code_differences)


async def verify(database: Database, merchant_id: int) -> Verification:
    """Read everything of one moment and compare it."""
    async with database.snapshot() as connection:
        stored = await entries.balances(connection, merchant_id)
        ledger = await entries.sums(connection, merchant_id)
        held = await holds.every(connection, merchant_id)
        in_force = await caps.read(connection, merchant_id)
        taken_codes = await codes.taken(connection, merchant_id)
    differences = differences_of(ledger, stored, totals_of(held))
    over = tuple(key for key, balance in sorted(stored.items()) if is_over(balance, in_force.get(key.budget)))
    code_differences = code_differences_of(taken_codes, held)
    return Verification(len(stored), len(held), len(taken_codes), differences, over, code_differences)


def totals_of(held: Iterable[Hold]) -> dict[BalanceKey, Balance]:
    """Return what holds add up to, by balance."""
    totals: dict[BalanceKey, Balance] = {}
    for hold in held:
        for key in hold.balances:
            totals[key] = totals.get(key, Balance()).plus(hold.standing)
    return totals


def differences_of(
    ledger: Mapping[BalanceKey, Balance], stored: Mapping[BalanceKey, Balance], held: Mapping[BalanceKey, Balance]
) -> tuple[BalanceDifference, ...]:
    """Return the balances on which the three do not agree, by key."""
    keys = sorted({*ledger, *stored, *held})
    rows = (BalanceDifference(key, *(sums.get(key, Balance()) for sums in (ledger, stored, held))) for key in keys)
    return tuple(row for row in rows if not row.ledger == row.stored == row.holds)


def code_differences_of(taken_codes: Iterable[StoredCode], held: Iterable[Hold]) -> tuple[CodeDifference, ...]:
    """Return the codes that a hold and the table of codes do not agree on, by code.

    A live hold whose time is over may have lost its code to a hold that was taken later.
    """
    by_code = {stored.code: stored for stored in taken_codes}
    by_id = {hold.id: hold for hold in held}
    rows = [CodeDifference(code, stored.hold_id, _code_problem(stored, by_id)) for code, stored in by_code.items()]
    for hold in by_id.values():
        if hold.code and hold.state in ("live", "redeemed"):
            other = by_id.get(by_code[hold.code].hold_id) if hold.code in by_code else None
            rows.append(CodeDifference(hold.code, hold.id, _loss_problem(hold, other)))
    return tuple(sorted(row for row in rows if row.problem))


def _code_problem(stored: StoredCode, by_id: Mapping[str, Hold]) -> str:
    hold = by_id.get(stored.hold_id)
    if hold is None:
        return f"is {stored.state} by a hold that does not exist"
    if (hold.code, hold.offer, hold.placement) != (stored.code, stored.offer, stored.placement):
        return f"is {stored.state} by a hold of another code"
    expected = "live" if stored.state == "held" else "redeemed"
    return "" if hold.state == expected else f"is {stored.state}, but its hold is {hold.state}"


def _loss_problem(hold: Hold, other: Hold | None) -> str:
    """Return why a hold is without its code; `other` is the hold that has it."""
    if other is not None and other.id == hold.id:
        return ""
    if other is None:
        return f"belongs to a {hold.state} hold, but nobody has it"
    is_lost = hold.state == "live" and hold.expires_at <= other.created_at
    return "" if is_lost else f"belongs to a {hold.state} hold, but another hold has it"


def is_over(balance: Balance, cap: Cap | None) -> bool:
    """Return whether spent + held exceed a cap."""
    if cap is None:
        return balance.spent + balance.held > 0
    return not leaves_room(cap, balance, 0, 0)
