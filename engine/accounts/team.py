"""The people of a merchant: sign up, invite, change roles and passwords, remove.

Each change ends the sessions it concerns.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.accounts.accounts import Accounts, add_sides, hash_of
from engine.accounts.identities import link_identity
from engine.accounts.passwords import Passwords
from engine.accounts.tiers import assign_tier
from engine.clock import now_ms
from engine.model.account import (
    LONGEST_NAME,
    NO_TEAM,
    Identity,
    Invitation,
    MerchantDetails,
    Role,
    User,
    checked_name,
)
from engine.model.actor import Actor
from engine.model.documents.field_types import MailAddress
from engine.model.errors import Conflict, Forbidden, NotFound, invalid
from engine.model.timestamps import DAY, HOUR
from engine.store import accounts, audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.team import people
from rules import timezones

INVITATION_MS = 7 * DAY
CONFIRMATION_MS = HOUR
LONGEST_SLUG = 40
MOST_SLUGS_TRIED = 10
RESERVED_SLUGS = frozenset({"demo"})
"""The demo's shoppers would come to a merchant of this name."""
ROLES: tuple[Role, ...] = ("viewer", "editor", "publisher", "admin")


class Application(NamedTuple):
    """A merchant that somebody signs up for; `tier` is empty for none."""

    name: str
    details: MerchantDetails
    tier: str = ""


class Team:
    """Changes people. The audit log of the live side names who did it and to whom."""

    def __init__(self, database: Database, accounts: Accounts, passwords: Passwords) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords

    async def add_user(
        self, email: str, name: str, slug: str, role: Role, password: str, *, actor_name: str = "tap2"
    ) -> User:
        """Add a person; `Invalid` for a weak password or an unknown role, `NotFound` for an unknown merchant."""
        _check(email, role)
        name = _name(name, email)
        actor = await self._actor(slug, actor_name)
        hashed = await self._passwords.hash(password, owner=(email, name, slug))
        async with self._database.write() as connection:
            return await _add(connection, actor, User(0, _plain(email), name, slug, role, hashed, now_ms()))

    async def has_user(self, email: str) -> bool:
        """Return whether somebody may log in with this e-mail address."""
        async with self._database.read() as connection:
            return await people.user_by_email(connection, _plain(email)) is not None

    async def user(self, email: str) -> User:
        """Return the person with an address; raise `NotFound`."""
        async with self._database.read() as connection:
            return await _user(connection, email)

    async def people(self, slug: str) -> list[User]:
        """Return a merchant's people by their address."""
        async with self._database.read() as connection:
            return await people.team(connection, slug)

    async def set_password(self, email: str, password: str, *, actor_name: str = "tap2", keep_hash: str = "") -> None:
        """Set a password and end the person's sessions, but the one whose token has `keep_hash`."""
        user = await self.user(email)
        hashed = await self._passwords.hash(password, owner=(user.email, user.name, user.slug))
        actor = await self._actor(user.slug, actor_name)
        async with self._database.write() as connection:
            await people.change_user(connection, user.id, password_hash=hashed)
            await people.end_sessions(connection, user.id, except_hash=keep_hash)
            await _note(connection, actor, "changed the password of", user.email)

    async def set_profile(self, user: User, *, name: str, locale: str, timezone: str) -> None:
        """Set how a person is called and reads times and figures; empty texts are the defaults."""
        if timezone and timezone not in timezones():
            raise invalid("timezone", "must be a time zone such as Europe/Berlin")
        name = checked_name(name)
        actor = await self._actor(user.slug, user.email)
        before = {"name": user.name, "locale": user.locale, "timezone": user.timezone}
        after = {"name": name, "locale": locale, "timezone": timezone}
        async with self._database.write() as connection:
            await people.change_user(connection, user.id, **after)
            await _note(connection, actor, "changed the profile of", user.email, before=before, after=after)

    async def set_role(self, slug: str, email: str, role: Role, *, actor_name: str) -> None:
        """Change a role and end the person's sessions; `Conflict` for the last admin."""
        _check_role(role)
        actor = await self._actor(slug, actor_name)
        async with self._database.write() as connection:
            user = await _member(connection, slug, email, stays_admin=role == "admin")
            await people.change_user(connection, user.id, role=role)
            await people.end_sessions(connection, user.id)
            await _note(connection, actor, "changed the role of", user.email, before=user.role, after=role)

    async def remove(self, slug: str, email: str, *, actor_name: str) -> None:
        """Remove a person, who is out at once; `Conflict` for the last admin."""
        actor = await self._actor(slug, actor_name)
        async with self._database.write() as connection:
            user = await _member(connection, slug, email, stays_admin=False)
            await people.remove_user(connection, user.id)
            await _note(connection, actor, "removed", user.email, before=user.role)

    async def end_sessions(self, slug: str, email: str, *, actor_name: str, keep_hash: str = "") -> int:
        """End the sessions of a person; return how many."""
        actor = await self._actor(slug, actor_name)
        async with self._database.write() as connection:
            user = await _member(connection, slug, email, stays_admin=True)
            ended = await people.end_sessions(connection, user.id, except_hash=keep_hash)
            await _note(connection, actor, "ended the sessions of", user.email, after=ended)
        return ended

    async def invite(self, slug: str, email: str, role: Role, *, actor_name: str) -> str:
        """Return the token of a link by which somebody joins once, within 7 days; an older one ends."""
        _check(email, role)
        actor, now, token = await self._actor(slug, actor_name), now_ms(), secrets.token_urlsafe(32)
        if await self.has_user(email):
            raise Conflict("an account with this e-mail address exists already", field="email")
        async with self._database.write() as connection:
            await people.add_invitation(
                connection,
                Invitation(hash_of(token), slug, _plain(email), role, actor_name, now, now + INVITATION_MS),
            )
            await _note(connection, actor, "invited", _plain(email), after=role)
        return token

    async def invitations(self, slug: str) -> list[Invitation]:
        """Return the open invitations to a team."""
        async with self._database.read() as connection:
            return await people.invitations_of(connection, slug, now=now_ms())

    async def withdraw(self, slug: str, email: str, *, actor_name: str) -> None:
        """End an invitation; raise `NotFound` where there is none."""
        actor = await self._actor(slug, actor_name)
        async with self._database.write() as connection:
            if not await people.withdraw_invitation(connection, slug, email):
                raise NotFound(f"there is no invitation of “{email}”", field="email")
            await _note(connection, actor, "withdrew the invitation of", email)

    async def invitation(self, token: str) -> Invitation:
        """Return the invitation of a link; raise `Forbidden` where it was used or has expired."""
        invitation = await self._invitation(token)
        if invitation is None or invitation.slug == NO_TEAM:
            raise Forbidden("This invitation has been used, has expired, or was withdrawn. Ask for a new one.")
        return invitation

    async def _invitation(self, token: str) -> Invitation | None:
        async with self._database.read() as connection:
            return await people.invitation(connection, hash_of(token), now=now_ms())

    async def join(self, token: str, name: str, password: str) -> User:
        """Add the invited person; raise `Forbidden` as `invitation` does, also where two join at once."""
        invitation = await self.invitation(token)
        email, slug = invitation.email, invitation.slug
        name = _name(name, email)
        actor = await self._actor(slug, email)
        hashed = await self._passwords.hash(password, owner=(email, name, slug))
        async with self._database.write() as connection:
            if not await people.take_invitation(connection, invitation.token_hash):
                raise Forbidden("This invitation has been used.")
            user = User(0, email, name, slug, invitation.role, hashed, now_ms())
            return await _add(connection, actor, user)

    async def confirm(self, email: str, identity: Identity | None = None) -> str:
        """Return the token of a link by which the owner of an address opens an account within an hour.

        If a provider vouches for the owner, its `identity` logs them in afterwards, instead of a password. Raise
        `Conflict` where somebody has an account with the address.
        """
        _check(email, "admin")
        if await self.has_user(email):
            raise Conflict("an account with this e-mail address exists already", field="email")
        now, token = now_ms(), secrets.token_urlsafe(32)
        async with self._database.write() as connection:
            confirmation = Invitation(hash_of(token), NO_TEAM, _plain(email), "admin", "", now, now + CONFIRMATION_MS)
            if identity is not None:
                own = {"issuer": identity.issuer, "subject": identity.subject, "name": identity.name[:LONGEST_NAME]}
                confirmation = msgspec.structs.replace(confirmation, **own)
            await people.add_invitation(connection, confirmation)
        return token

    async def confirmed(self, token: str) -> Invitation:
        """Return the confirmation of an address; raise `Forbidden` where it was used or has expired."""
        confirmation = await self._invitation(token)
        if confirmation is None or confirmation.slug != NO_TEAM:
            raise Forbidden("This link has been used or has expired.")
        return confirmation

    async def sign_up(self, email: str, name: str, password: str, merchant: Application, *, token: str = "") -> User:
        """Add a merchant and its first admin, both or neither; `token` is that of the link, which is used up.

        The password does not count where a provider vouches for the admin. Raise `Invalid`, `Conflict` where the
        address is taken, `NotFound` without the tier, and `Forbidden` as `confirmed` does.
        """
        _check(email, "admin")
        name, merchant = checked_name(name), merchant._replace(name=checked_name(merchant.name, "merchant"))
        confirmation = await self.confirmed(token) if token else None
        if confirmation is not None and confirmation.identity is not None:
            hashed = await self._passwords.hash_unguessable()
        else:
            hashed = await self._passwords.hash(password, owner=(_plain(email), name, merchant.name))
        user = User(0, _plain(email), name, "", "admin", hashed, now_ms())
        for _ in range(MOST_SLUGS_TRIED):
            try:
                return await self._open(user, merchant, confirmation)
            except Conflict as error:
                # Somebody else took the id of the merchant meanwhile.
                if error.field != "slug":
                    raise
        raise Conflict("many merchants of this name sign up at once; try again", field="merchant")

    async def _open(self, user: User, merchant: Application, confirmation: Invitation | None) -> User:
        slug = await self._free_slug(merchant.name)
        async with self._database.write() as connection:
            if confirmation is not None and not await people.take_invitation(connection, confirmation.token_hash):
                raise Forbidden("This link has been used.")
            live, _ = await add_sides(connection, slug, merchant.name, merchant.details, actor_name=user.email)
            if merchant.tier:
                await assign_tier(connection, slug, merchant.tier, actor_name=user.email)
            actor = Actor(live.id, user.email)
            added = await _add(connection, actor, msgspec.structs.replace(user, slug=slug))
            if confirmation is not None and confirmation.identity is not None:
                await link_identity(connection, actor, added, confirmation.identity)
            return added

    async def _free_slug(self, name: str) -> str:
        """Return the name as an id that no merchant has."""
        async with self._database.read() as connection:
            taken = {merchant.slug for merchant in await accounts.all_merchants(connection)} | RESERVED_SLUGS
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        slug = re.sub("[^a-z0-9]+", "-", ascii_name)[:LONGEST_SLUG].strip("-") or "merchant"
        numbers = (f"{slug}-{number}" for number in range(2, len(taken) + 3))
        return slug if slug not in taken else next(each for each in numbers if each not in taken)

    async def _actor(self, slug: str, name: str) -> Actor:
        return Actor((await self._accounts.merchant(slug)).id, name)


def _plain(email: str) -> str:
    return email.strip().lower()


def _name(name: str, email: str) -> str:
    """Return how somebody is called: by their address where they say nothing else."""
    return checked_name(name) if name.strip() else _plain(email)


def _check(email: str, role: str) -> None:
    try:
        msgspec.convert(_plain(email), MailAddress)
    except msgspec.ValidationError:
        raise invalid("email", "must be an e-mail address, such as ann@example.com") from None
    _check_role(role)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise invalid("role", f"must be one of {', '.join(ROLES)}")


async def _add(connection: AsyncConnection, actor: Actor, user: User) -> User:
    added = await people.add_user(connection, user)
    await _note(connection, actor, "added", added.email, after=added.role)
    return added


async def _user(connection: AsyncConnection, email: str) -> User:
    user = await people.user_by_email(connection, _plain(email))
    if user is None:
        raise NotFound(f"there is no user “{email}”", field="email")
    return user


async def _member(connection: AsyncConnection, slug: str, email: str, *, stays_admin: bool) -> User:
    """Return a person of a team, which is locked, so that two admins cannot remove each other at once."""
    team = await people.team(connection, slug, lock=True)
    user = next((user for user in team if user.email == _plain(email)), None)
    if user is None:
        raise NotFound(f"there is no user “{email}”", field="email")
    if user.role == "admin" and not stays_admin and sum(member.role == "admin" for member in team) == 1:
        raise Conflict("this is the last admin; a team needs at least one", field="role")
    return user


async def _note(
    connection: AsyncConnection, actor: Actor, action: str, email: str, *, before: object = None, after: object = None
) -> None:
    await audit.write(connection, NewEntry(actor, now_ms(), action, f"person {email}", before, after))
