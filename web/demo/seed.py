"""Writing the demo merchant into an engine, once."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from engine.service import Engine
from engine.store.accounts import Merchant
from web.demo import catalogue

WHO = "demo"
KEY_NAME = "Simulated shoppers"


class Welcome(NamedTuple):
    """Who may log in; the password is known only when it has just been made."""

    email: str
    password: str | None


async def seed(engine: Engine) -> Welcome:
    """Make the demo merchant, its catalogue on both sides and its user, unless they are there already."""
    if await engine.accounts.merchants(catalogue.SLUG):
        return Welcome(catalogue.USER_EMAIL, None)
    sides = await engine.accounts.add_merchant(
        catalogue.SLUG,
        catalogue.NAME,
        country=catalogue.COUNTRY,
        currency=catalogue.CURRENCY,
        locale=catalogue.LOCALE,
        timezone=catalogue.TIMEZONE,
        who=WHO,
    )
    for side in sides:
        await _fill(engine, side)
    password = secrets.token_urlsafe(12)
    await engine.accounts.add_user(catalogue.USER_EMAIL, "Demo user", catalogue.SLUG, "admin", password)
    return Welcome(catalogue.USER_EMAIL, password)


async def shoppers_key(engine: Engine) -> str:
    """A key for this run; a plain key is not kept, so the one of the last run ends here."""
    merchant = await engine.accounts.merchant(catalogue.SLUG)
    for old in await engine.accounts.keys(merchant.id):
        if old.name == KEY_NAME and old.expires_at is None:
            _, plain = await engine.accounts.rotate_key(merchant, old.id, overlap_hours=0, who=WHO)
            return plain
    _, plain = await engine.accounts.create_key(merchant, "secret", KEY_NAME, who=WHO)
    return plain


async def _fill(engine: Engine, side: Merchant) -> None:
    place = catalogue.PLACEMENT.key
    await engine.catalogue.create(side.id, WHO, "placement", "", [catalogue.PLACEMENT])
    await engine.catalogue.create(side.id, WHO, "candidate", place, catalogue.METHODS)
    await engine.catalogue.create(side.id, WHO, "rule", place, catalogue.RULES)
