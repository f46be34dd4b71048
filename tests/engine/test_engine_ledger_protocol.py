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
from tests.offers import a_hold

WORKERS = 3
CAP = Cap(1, "spring", 250, None)
AMOUNT = 100

Condition = Callable[[Balance, int], bool]


class Stored(NamedTuple):
    """What is committed: the balance, the sum of the ledger, and the holds."""

    balance: Balance
    entries: Balance
    holds: tuple[Hold | None, ...]


class Writer(NamedTuple):
    """A worker: what it does, how far it is, what it has read, and whether it may crash."""

    action: str = "take"
    step: str = "idle"
    read: Balance | None = None


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


FIRST = World(Stored(Balance(), Balance(), (None,) * WORKERS), (Writer(),) * WORKERS)


def fits(balance: Balance, amount: int) -> bool:
    return leaves_room(CAP, balance, amount, 1)


def change_of(world: World, number: int) -> ledger.Transition | None:
    """Return what a worker's action does to its hold; None where the hold does not permit it."""
    hold = world.stored.holds[number]
    try:
        match world.writers[number].action, hold:
            case "take", None:
                return ledger.take(a_hold(f"h{number}", amount=AMOUNT))
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
    """Begin a transaction: wait for the lock, or go on without."""
    writer = world.writers[number]
    for action in ("take", "redeem", "release", "refund"):
        chosen = writer._replace(action=action)
        if change_of(with_writer(world, number, chosen), number) is None:
            continue
        started = chosen._replace(step="updating", read=world.stored.balance if protocol.reads_first else None)
        if not protocol.locks:
            yield with_writer(world, number, started)
        elif world.lock is None:
            yield with_writer(world, number, started, lock=number)


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
    holds = tuple(transition.hold if index == number else hold for index, hold in enumerate(stored.holds))
    after = Stored(base.plus(change), stored.entries.plus(change), holds)
    yield with_writer(world, number, idle, stored=after, **free)


def crash(world: World, number: int) -> World:
    """Lose everything that the worker has not committed; its lock is free again."""
    return with_writer(world, number, Writer(), **({"lock": None} if world.lock == number else {}))


def following(world: World, protocol: Protocol) -> Iterator[World]:
    for number, writer in enumerate(world.writers):
        if writer.step == "idle":
            yield from begin(world, number, protocol)
        else:
            yield from update(world, number, protocol)
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
    return "negative" if min(stored.balance) < 0 else ""


def explore(protocol: Protocol) -> tuple[int, set[str]]:
    """Visit every state that can be reached; return how many there are, and the faults among them."""
    seen, waiting, faults = {FIRST}, [FIRST], set[str]()
    while waiting:
        world = waiting.pop()
        if problem := fault(world):
            faults.add(problem)
            continue
        for other in following(world, protocol):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return len(seen), faults


def test_no_order_of_steps_and_crashes_breaks_the_protocol():
    states, faults = explore(Protocol())
    assert faults == set()
    assert states > 500


def test_the_conditional_update_alone_keeps_the_cap():
    assert explore(Protocol(locks=False))[1] == set()


@pytest.mark.parametrize(
    ("protocol", "problem"),
    [
        (Protocol(is_conditional=False), "over the cap"),
        (Protocol(locks=False, reads_first=True), "accounts differ"),
    ],
)
def test_a_weaker_protocol_is_found_out(protocol: Protocol, problem: str):
    assert problem in explore(protocol)[1]
