"""Every order of the steps of three writers, in a small model of the database: no cap is exceeded, nothing is lost.

The model has what the protocol relies on: rows that a transaction locks until it ends, updates that see what was
committed, and a crash that undoes what was not. Movements and caps are the product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from engine.kernel.offers import ledger
from engine.model.errors import EngineError
from engine.model.offers.hold import Balance, Cap, Hold, leaves_room
from tests.offers import make_hold

WORKERS, CODES = 3, 2
CAP = Cap(1, "spring", 150, None)
AMOUNT = 100

Condition = Callable[[Balance, int], bool]


class Stored(NamedTuple):
    """The committed state: the balance, the sum of the ledger, the holds, and by code the hold that has it."""

    balance: Balance
    entries: Balance
    holds: tuple[Hold | None, ...]
    codes: tuple[str, ...]


class Writer(NamedTuple):
    """A worker: what it does, how far it is, what it has read, and the code whose row it has."""

    action: str = "take"
    step: str = "idle"
    read: Balance | None = None
    code: int | None = None


class World(NamedTuple):
    """A state of the model; `lock` is the worker that holds the balance's row."""

    stored: Stored
    writers: tuple[Writer, ...]
    lock: int | None = None


class Protocol(NamedTuple):
    """The variants that are tried: the product's, and weaker ones."""

    locks: bool = True
    is_conditional: bool = True
    reads_first: bool = False
    """Whether the new balance is computed from what was read before, rather than by the update itself."""
    locks_codes: bool = True
    """Whether a code that another transaction is giving away is passed over."""


FIRST = World(Stored(Balance(), Balance(), (None,) * WORKERS, ("",) * CODES), (Writer(),) * WORKERS)


def fits(balance: Balance, amount: int) -> bool:
    return leaves_room(CAP, balance, amount, 1)


def change_of(world: World, number: int) -> ledger.Transition | None:
    """Return what a worker's action does to its hold; None where the hold does not permit it."""
    hold = world.stored.holds[number]
    try:
        match world.writers[number].action, hold:
            case "take", None:
                return ledger.take(make_hold(f"h{number}", amount=AMOUNT))
            case "redeem", Hold():
                return ledger.redeem(hold, discount=AMOUNT - 10, cart_total=1_000, order_id="")
            case "release", Hold():
                return ledger.release(hold)
            case "refund", Hold():
                return ledger.refund(hold, amount=500)
    except EngineError:
        return None
    return None


def with_writer(world: World, number: int, writer: Writer, **changes: object) -> World:
    writers = tuple(writer if index == number else each for index, each in enumerate(world.writers))
    return world._replace(writers=writers, **changes)  # type: ignore[arg-type]


def begin(world: World, number: int, protocol: Protocol) -> Iterator[World]:
    """Begin a transaction: choose what to do, and for a new hold a free code."""
    for action in ("take", "redeem", "release", "refund"):
        chosen = Writer(action, "locking", code=free_code(world, protocol) if action == "take" else None)
        if change_of(with_writer(world, number, chosen), number) is None or (action == "take" and chosen.code is None):
            continue
        yield with_writer(world, number, chosen)


def free_code(world: World, protocol: Protocol) -> int | None:
    given = {writer.code for writer in world.writers} if protocol.locks_codes else set()
    free = (code for code, owner in enumerate(world.stored.codes) if not owner and code not in given)
    return next(free, None)


def lock(world: World, number: int, protocol: Protocol) -> Iterator[World]:
    """Wait for the lock of the balance, or go on without."""
    read = world.stored.balance if protocol.reads_first else None
    locked = world.writers[number]._replace(step="updating", read=read)
    if not protocol.locks:
        yield with_writer(world, number, locked)
    elif world.lock is None:
        yield with_writer(world, number, locked, lock=number)


def update(world: World, number: int, protocol: Protocol) -> Iterator[World]:
    """Update the balance and commit with hold and ledger: with the lock these are one step to everybody else."""
    writer, stored = world.writers[number], world.stored
    free = {"lock": None} if world.lock == number else {}
    idle = Writer()
    transition = change_of(world, number)
    if transition is None:
        yield with_writer(world, number, idle, **free)
        return
    change = Balance()
    for movement in transition.movements:
        change = change.plus(movement.change)
    base = writer.read if writer.read is not None else stored.balance
    if protocol.is_conditional and writer.action == "take" and not fits(base, AMOUNT):
        yield with_writer(world, number, idle, **free)
        return
    hold = transition.hold if writer.code is None else transition.hold._replace(code=str(writer.code))
    holds = tuple(hold if index == number else each for index, each in enumerate(stored.holds))
    after = Stored(base.plus(change), stored.entries.plus(change), holds, codes_after(stored, hold))
    yield with_writer(world, number, idle, stored=after, **free)


def codes_after(stored: Stored, hold: Hold) -> tuple[str, ...]:
    """Give a hold its code, or free that of one that was released."""
    owner = "" if hold.state == "released" else hold.id
    return tuple(owner if str(code) == hold.code else other for code, other in enumerate(stored.codes))


def crash(world: World, number: int) -> World:
    """Lose everything that the worker has not committed; its lock is free again."""
    return with_writer(world, number, Writer(), **({"lock": None} if world.lock == number else {}))


def following(world: World, protocol: Protocol) -> Iterator[World]:
    for number, writer in enumerate(world.writers):
        if writer.step == "idle":
            yield from begin(world, number, protocol)
            continue
        yield from (lock if writer.step == "locking" else update)(world, number, protocol)
        yield crash(world, number)


def fault(world: World) -> str:
    """Return what is wrong with a state; empty if nothing is."""
    stored = world.stored
    standing = Balance()
    for hold in stored.holds:
        standing = standing.plus(hold.standing) if hold is not None else standing
    if stored.balance.held + stored.balance.spent > (CAP.amount or 0):
        return "over the cap"
    if not stored.balance == stored.entries == standing:
        return "accounts differ"
    owners = {code: hold.id for hold in stored.holds if hold and hold.state != "released" for code in (hold.code,)}
    if {str(code): owner for code, owner in enumerate(stored.codes) if owner} != owners:
        return "codes differ"
    if len(owners) < sum(hold is not None and hold.state != "released" for hold in stored.holds):
        return "a code was given twice"
    return "negative" if min(stored.balance) < 0 else ""


def explore(protocol: Protocol) -> tuple[int, set[str]]:
    """Visit every state that can be reached; return how many there are, and the faults among them."""
    seen, pending, faults = {FIRST}, [FIRST], set[str]()
    while pending:
        world = pending.pop()
        if problem := fault(world):
            faults.add(problem)
            continue
        for other in following(world, protocol):
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return len(seen), faults


def test_no_order_of_steps_and_crashes_breaks_the_protocol():
    states, faults = explore(Protocol())
    assert faults == set()
    assert states > 2_000


def test_conditional_update_is_enough_to_keep_the_cap():
    assert explore(Protocol(locks=False))[1] == set()


@pytest.mark.parametrize(
    ("protocol", "problem"),
    [
        (Protocol(is_conditional=False), "over the cap"),
        (Protocol(locks=False, reads_first=True), "accounts differ"),
        (Protocol(locks_codes=False), "a code was given twice"),
    ],
)
def test_weaker_protocol_violates_the_cap(protocol: Protocol, problem: str):
    assert problem in explore(protocol)[1]
