"""People who log in with an OpenID provider: found by what the provider calls them, at first by their address."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.accounts.accounts import Accounts
from engine.accounts.passwords import Passwords
from engine.clock import now_ms
from engine.model.account import Identity, Invitation, User
from engine.model.actor import Actor
from engine.model.errors import Forbidden
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.team import identities, people

UNKNOWN = "This account is in no team. Ask an admin of your team to invite you."
UNVERIFIED = "Your provider has not verified your e-mail address. Ask your provider to verify it."
ANOTHER = "This e-mail address belongs to another account of your provider. Ask an admin of your team."


class UnknownPerson(Forbidden):
    """A provider vouches for a person who is in no team and not invited."""


class Identities:
    """Leads from an identity to a person, who must exist or be invited."""

    def __init__(self, database: Database, accounts: Accounts, passwords: Passwords) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords

    async def person_of(self, identity: Identity) -> User:
        """Return the person of an identity; `Forbidden` where there is none.

        The first time they are found by their verified e-mail address, or join by an invitation of it. From then on
        the provider's subject counts, so that an address that is given to somebody else lets nobody in.
        """
        async with self._database.read() as connection:
            user = await identities.user_of(connection, identity)
        if user is not None:
            return user
        if not identity.is_verified or "@" not in identity.email:
            raise Forbidden(UNVERIFIED)
        email = identity.email.strip().lower()
        async with self._database.read() as connection:
            user = await people.user_by_email(connection, email)
            invitation = await people.invitation_by_email(connection, email, now=now_ms())
        if user is None and invitation is None:
            raise UnknownPerson(UNKNOWN)
        hashed = "" if user else await self._passwords.hash_unguessable()
        async with self._database.write() as connection:
            if user is None and invitation is not None:
                user = await self._join(connection, identity, invitation, hashed)
            assert user is not None  # noqa: S101
            actor = Actor((await self._accounts.merchant(user.slug)).id, user.email)
            await link_identity(connection, actor, user, identity)
        return user

    async def _join(self, connection: AsyncConnection, identity: Identity, invitation: Invitation, hashed: str) -> User:
        if not await people.take_invitation(connection, invitation.token_hash):
            raise Forbidden(UNKNOWN)
        email, slug, role = invitation.email, invitation.slug, invitation.role
        user = await people.add_user(
            connection, User(0, email, identity.name.strip()[:120] or email, slug, role, hashed, now_ms())
        )
        await self._note(connection, user, "added", after=role)
        return user

    async def _note(self, connection: AsyncConnection, user: User, action: str, *, after: object = None) -> None:
        actor = Actor((await self._accounts.merchant(user.slug)).id, user.email)
        await audit.write(connection, NewEntry(actor, now_ms(), action, f"person {user.email}", after=after))


async def link_identity(connection: AsyncConnection, actor: Actor, user: User, identity: Identity) -> None:
    """Let a person log in with a provider; raise `Forbidden` where either has a link at it already."""
    try:
        await identities.add(connection, identity, user.id, now=now_ms())
    except IntegrityError:
        raise Forbidden(ANOTHER) from None
    entry = NewEntry(actor, now_ms(), "linked the provider's account of", f"person {user.email}")
    await audit.write(connection, entry)
