"""What OpenID providers call people."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.account import Identity, User
from engine.store.tables.people import identities, users


async def user_of(connection: AsyncConnection, identity: Identity) -> User | None:
    """Return the person whom a provider means by a subject, or None."""
    query = (
        select(*users.c)
        .join(identities, identities.c.user_id == users.c.id)
        .where(identities.c.issuer == identity.issuer, identities.c.subject == identity.subject)
    )
    row = (await connection.execute(query)).first()
    return User(*row) if row else None


async def add(connection: AsyncConnection, identity: Identity, user_id: int, *, now: int) -> None:
    """Link a subject to a person; `IntegrityError` where either has a link at this provider already."""
    await connection.execute(
        insert(identities).values(issuer=identity.issuer, subject=identity.subject, user_id=user_id, created_at=now)
    )
