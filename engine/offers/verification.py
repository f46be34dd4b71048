"""Compare the ledger, the balances and the holds of a merchant: all three must say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.model.offers.hold import Balance, BalanceKey, Cap, Hold, leaves_room
from engine.store.connection.database import Database
from engine.store.offers import caps, entries, holds


class BalanceDifference(NamedTuple):
    """A balance on which ledger, stored balance and holds do not agree."""

    key: BalanceKey
    ledger: Balance
    stored: Balance
    holds: Balance


class Verification(NamedTuple):
    """What was compared, and what differs."""

    balances: int
    holds: int
    differences: tuple[BalanceDifference, ...]
    over_cap: tuple[BalanceKey, ...]
    """Balances above the cap in force: where a cap was lowered below what was spent or held."""


async def verify(database: Database, merchant_id: int) -> Verification:
    """Read everything of one moment and compare it."""
    async with database.snapshot() as connection:
        stored = await entries.balances(connection, merchant_id)
        ledger = await entries.sums(connection, merchant_id)
        held = await holds.every(connection, merchant_id)
        in_force = await caps.read(connection, merchant_id)
    differences = differences_of(ledger, stored, totals_of(held))
    over = tuple(key for key, balance in sorted(stored.items()) if is_over(balance, in_force.get(key.budget)))
    return Verification(len(stored), len(held), differences, over)


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


def is_over(balance: Balance, cap: Cap | None) -> bool:
    """Return whether spent + held exceed a cap."""
    if cap is None:
        return balance.spent + balance.held > 0
    return not leaves_room(cap, balance, 0, 0)
