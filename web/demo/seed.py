"""Writing the demo merchant into an engine, once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from engine.model.actor import Actor
from engine.service import Engine
from engine.store import accounts
from engine.store.accounts import Merchant
from engine.store.resources import Document, Kind
from web.demo import catalogue

WHO = "demo"
KEY_NAME = "Simulated shoppers"


class Welcome(NamedTuple):
    """Who may log in; the password is known only when it has just been made."""

    email: str
    password: str | None


async def seed(engine: Engine) -> Welcome:
    """Make the demo merchant, its catalogue on both sides and its user, unless they are there already.

    The user comes last: without it the last start was cut off half-way, and the rest is made up for.
    """
    async with engine.database.read() as connection:
        if await accounts.user_by_email(connection, catalogue.USER_EMAIL) is not None:
            return Welcome(catalogue.USER_EMAIL, None)
    for side in await engine.accounts.merchants(catalogue.SLUG) or await _merchant(engine):
        await _fill(engine, side)
    password = secrets.token_urlsafe(12)
    await engine.accounts.add_user(catalogue.USER_EMAIL, "Demo user", catalogue.SLUG, "admin", password)
    return Welcome(catalogue.USER_EMAIL, password)


async def shoppers_key(engine: Engine) -> str:
    """A key for this run; a plain key is not kept, so the one of the last run ends here."""
    merchant = await engine.accounts.merchant(catalogue.SLUG)
    for old in await engine.accounts.keys(merchant.id):
        if old.name == KEY_NAME and old.expires_at is None:
            _, plain = await engine.accounts.rotate_key(merchant, old.id, overlap_hours=0, actor_name=WHO)
            return plain
    _, plain = await engine.accounts.create_key(merchant, "secret", KEY_NAME, actor_name=WHO)
    return plain


async def _merchant(engine: Engine) -> Sequence[Merchant]:
    return await engine.accounts.add_merchant(
        catalogue.SLUG,
        catalogue.NAME,
        country=catalogue.COUNTRY,
        currency=catalogue.CURRENCY,
        locale=catalogue.LOCALE,
        timezone=catalogue.TIMEZONE,
        actor_name=WHO,
    )


async def _fill(engine: Engine, side: Merchant) -> None:
    configuration, place = await engine.catalogue.configuration(side.id), catalogue.PLACEMENT.key
    wanted: tuple[tuple[Kind, str, Sequence[Document]], ...] = (
        ("placement", "", [catalogue.PLACEMENT]),
        ("candidate", place, catalogue.METHODS),
        ("rule", place, catalogue.RULES),
    )
    for kind, inside, documents in wanted:
        if not configuration.documents(kind, inside):
            await engine.catalogue.create(Actor(side.id, WHO), kind, inside, documents)
