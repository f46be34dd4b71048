"""Second factors of people, and their recovery codes. Secrets stand here encrypted, codes as hashes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.account import SecondFactor
from engine.store.tables.people import recovery_codes, second_factors, users


async def get(connection: AsyncConnection, user_id: int) -> SecondFactor | None:
    """Return the second factor of a person, which may not be confirmed yet, or None."""
    row = (await connection.execute(select(second_factors).where(second_factors.c.user_id == user_id))).first()
    return SecondFactor(*row) if row else None


async def put(connection: AsyncConnection, factor: SecondFactor) -> None:
    """Store a second factor in place of the one that the person had."""
    await remove(connection, factor.user_id)
    await connection.execute(insert(second_factors).values(msgspec.structs.asdict(factor)))


async def confirm(connection: AsyncConnection, user_id: int, *, now: int) -> None:
    """Note that a person has proved to have the secret."""
    await connection.execute(update(second_factors).where(second_factors.c.user_id == user_id).values(confirmed_at=now))


async def use_step(connection: AsyncConnection, user_id: int, step: int) -> bool:
    """Note the time step of a code; False where it or a later one was used before."""
    query = update(second_factors).where(second_factors.c.user_id == user_id, second_factors.c.last_step < step)
    return (await connection.execute(query.values(last_step=step))).rowcount == 1


async def remove(connection: AsyncConnection, user_id: int) -> bool:
    """Delete a second factor and its recovery codes; False where there is none."""
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    query = delete(second_factors).where(second_factors.c.user_id == user_id)
    return (await connection.execute(query)).rowcount == 1


async def add_codes(connection: AsyncConnection, user_id: int, hashes: Sequence[str]) -> None:
    """Store recovery codes."""
    await connection.execute(insert(recovery_codes), [{"code_hash": each, "user_id": user_id} for each in hashes])


async def use_code(connection: AsyncConnection, user_id: int, code_hash: str) -> bool:
    """Delete a recovery code; False where the person has no such code, or used it."""
    query = delete(recovery_codes).where(recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == code_hash)
    return (await connection.execute(query)).rowcount == 1


async def codes_left(connection: AsyncConnection, user_id: int) -> int:
    """Return how many recovery codes a person has not used."""
    query = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.user_id == user_id)
    return int((await connection.execute(query)).scalar_one())


async def owners(connection: AsyncConnection, slug: str) -> frozenset[int]:
    """Return the people of a merchant who have a confirmed second factor, by id."""
    query = (
        select(second_factors.c.user_id)
        .join(users, users.c.id == second_factors.c.user_id)
        .where(users.c.slug == slug, second_factors.c.confirmed_at.is_not(None))
    )
    return frozenset((await connection.execute(query)).scalars())
