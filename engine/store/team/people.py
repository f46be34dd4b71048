"""People who log in, their sessions, attempts and invitations. Secrets stand here only as hashes."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.account import NO_TEAM, Invitation, Session, User
from engine.model.errors import Conflict
from engine.store.tables.people import invitations, login_attempts, sessions, users


async def add_user(connection: AsyncConnection, user: User) -> User:
    """Store a person; `Conflict` where the address is taken."""
    values = {name: getattr(user, name) for name in User.__struct_fields__ if name != "id"}
    try:
        result = await connection.execute(insert(users).values(values).returning(users.c.id))
    except IntegrityError:
        raise Conflict(f"there is already a user “{user.email}”", field="email") from None
    return msgspec.structs.replace(user, id=result.scalar_one())


async def user_by_email(connection: AsyncConnection, email: str) -> User | None:
    """Return the person with an address, or None."""
    row = (await connection.execute(select(users).where(users.c.email == email))).first()
    return User(*row) if row else None


async def user_by_id(connection: AsyncConnection, user_id: int) -> User | None:
    """Return a person, or None."""
    row = (await connection.execute(select(users).where(users.c.id == user_id))).first()
    return User(*row) if row else None


async def team(connection: AsyncConnection, slug: str, *, lock: bool = False) -> list[User]:
    """Return a merchant's people; `lock` keeps others from changing them in this transaction."""
    query = select(users).where(users.c.slug == slug).order_by(users.c.email)
    return [User(*row) for row in await connection.execute(query.with_for_update() if lock else query)]


async def change_user(connection: AsyncConnection, user_id: int, **values: Any) -> None:
    """Set columns of a person."""
    await connection.execute(update(users).where(users.c.id == user_id).values(values))


async def remove_user(connection: AsyncConnection, user_id: int) -> None:
    """Delete a person and their sessions."""
    await end_sessions(connection, user_id)
    await connection.execute(delete(users).where(users.c.id == user_id))


async def add_session(connection: AsyncConnection, session: Session) -> None:
    """Store a session."""
    await connection.execute(insert(sessions).values(msgspec.structs.asdict(session)))


async def session_with_user(
    connection: AsyncConnection, token_hash: str, *, now: int, seen_after: int
) -> tuple[Session, User] | None:
    """Return a session that is neither over nor idle since `seen_after`, and its person."""
    query = (
        select(*sessions.c, *users.c)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now, sessions.c.last_seen_at > seen_after)
    )
    row = (await connection.execute(query)).first()
    width = len(sessions.c)
    return (Session(*row[:width]), User(*row[width:])) if row else None


async def touch_session(connection: AsyncConnection, session: Session, now: int) -> None:
    """Note that a session and its person were seen."""
    await connection.execute(
        update(sessions).where(sessions.c.token_hash == session.token_hash).values(last_seen_at=now)
    )
    await change_user(connection, session.user_id, last_seen_at=now)


async def sessions_of(connection: AsyncConnection, user_id: int, *, now: int, seen_after: int) -> list[Session]:
    """Return the sessions of a person that are in force, the newest first."""
    query = (
        select(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.expires_at > now, sessions.c.last_seen_at > seen_after)
        .order_by(sessions.c.created_at.desc())
    )
    return [Session(*row) for row in await connection.execute(query)]


async def end_session(connection: AsyncConnection, token_hash: str) -> None:
    """Delete a session."""
    await connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


async def end_sessions(connection: AsyncConnection, user_id: int, *, except_hash: str = "") -> int:
    """Delete the sessions of a person but one; return how many."""
    query = delete(sessions).where(sessions.c.user_id == user_id, sessions.c.token_hash != except_hash)
    return (await connection.execute(query)).rowcount


async def purge(connection: AsyncConnection, *, now: int, seen_after: int, began_before: int) -> None:
    """Delete sessions that are over, invitations that have expired and attempts that count no more."""
    over = (sessions.c.expires_at <= now) | (sessions.c.last_seen_at <= seen_after)
    await connection.execute(delete(sessions).where(over))
    await connection.execute(delete(invitations).where(invitations.c.expires_at <= now))
    await connection.execute(delete(login_attempts).where(login_attempts.c.began_at <= began_before))


async def attempts(connection: AsyncConnection, key: str, *, began_after: int) -> tuple[int, int]:
    """Return how many attempts of a key are counted and when the first was; zeros where there are none."""
    query = select(login_attempts.c.count, login_attempts.c.began_at).where(
        login_attempts.c.key == key, login_attempts.c.began_at > began_after
    )
    row = (await connection.execute(query)).first()
    return (row[0], row[1]) if row else (0, 0)


async def count_attempt(connection: AsyncConnection, key: str, *, now: int, began_after: int) -> int:
    """Count an attempt in one statement, so that attempts at the same time see each other; return the count."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(login_attempts).values(key=key, began_at=now, count=1)
    is_over = login_attempts.c.began_at <= began_after
    query = query.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "count": case((is_over, 1), else_=login_attempts.c.count + 1),
            "began_at": case((is_over, now), else_=login_attempts.c.began_at),
        },
    )
    return int((await connection.execute(query.returning(login_attempts.c.count))).scalar_one())


async def uncount_attempt(connection: AsyncConnection, key: str) -> None:
    """Take back one attempt, which succeeded."""
    await connection.execute(
        update(login_attempts)
        .where(login_attempts.c.key == key, login_attempts.c.count > 0)
        .values(count=login_attempts.c.count - 1)
    )


async def add_invitation(connection: AsyncConnection, invitation: Invitation) -> None:
    """Store an invitation; an older one of the same address ends, but a confirmation of it ends no invitation."""
    query = delete(invitations).where(invitations.c.email == invitation.email)
    if invitation.slug == NO_TEAM:
        query = query.where(invitations.c.slug == NO_TEAM)
    await connection.execute(query)
    await connection.execute(insert(invitations).values(msgspec.structs.asdict(invitation)))


async def invitation(connection: AsyncConnection, token_hash: str, *, now: int) -> Invitation | None:
    """Return the invitation of a token that has not expired, or None."""
    query = select(invitations).where(invitations.c.token_hash == token_hash, invitations.c.expires_at > now)
    row = (await connection.execute(query)).first()
    return Invitation(*row) if row else None


async def invitation_by_email(connection: AsyncConnection, email: str, *, now: int) -> Invitation | None:
    """Return the open invitation of an address to a team, or None."""
    query = select(invitations).where(
        invitations.c.email == email, invitations.c.slug != NO_TEAM, invitations.c.expires_at > now
    )
    row = (await connection.execute(query)).first()
    return Invitation(*row) if row else None


async def take_invitation(connection: AsyncConnection, token_hash: str) -> bool:
    """Delete an invitation; False where somebody else used it first."""
    query = delete(invitations).where(invitations.c.token_hash == token_hash)
    return (await connection.execute(query)).rowcount == 1


async def invitations_of(connection: AsyncConnection, slug: str, *, now: int) -> list[Invitation]:
    """Return the open invitations to a team."""
    query = select(invitations).where(invitations.c.slug == slug, invitations.c.expires_at > now)
    return [Invitation(*row) for row in await connection.execute(query.order_by(invitations.c.email))]


async def withdraw_invitation(connection: AsyncConnection, slug: str, email: str) -> bool:
    """Delete a team's invitation of an address; False where there is none."""
    query = delete(invitations).where(invitations.c.slug == slug, invitations.c.email == email)
    return (await connection.execute(query)).rowcount > 0
