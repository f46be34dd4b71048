"""Write the demo merchant into an engine, once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from engine.clock import now_ms
from engine.model.account import Merchant, MerchantDetails
from engine.model.actor import Actor
from engine.model.resource_kinds import Document, Kind, id_of
from engine.service import Engine
from web.demo import catalogue, offer_catalogue

ACTOR_NAME = "demo"
KEY_NAME = "Simulated shoppers"


class Login(NamedTuple):
    """The demo's log-in; the password is None unless it was just made."""

    email: str
    password: str | None


async def seed(engine: Engine) -> Login:
    """Add the demo merchant, its catalogue on both sides and its user, unless they exist.

    The user comes last: while it is missing, an interrupted start is completed.
    """
    if await engine.team.has_user(catalogue.USER_EMAIL):
        return Login(catalogue.USER_EMAIL, None)
    for side in await engine.accounts.merchants(catalogue.SLUG) or await _merchant(engine):
        await _fill(engine, side)
    password = secrets.token_urlsafe(12)
    await engine.team.add_user(catalogue.USER_EMAIL, "Demo user", catalogue.SLUG, "admin", password)
    return Login(catalogue.USER_EMAIL, password)


async def add_colleague(engine: Engine) -> None:
    """Add a second person, who cannot log in until somebody sets a password for them."""
    password = secrets.token_urlsafe(24)
    await engine.team.add_user(catalogue.COLLEAGUE_EMAIL, catalogue.COLLEAGUE_NAME, catalogue.SLUG, "editor", password)


async def shoppers_key(engine: Engine) -> str:
    """Return a new key. Secrets are not stored, so the key of the last run is rotated out."""
    merchant = await engine.accounts.merchant(catalogue.SLUG)
    for old in await engine.accounts.keys(merchant.id):
        if old.name == KEY_NAME and old.expires_at is None:
            _, secret = await engine.accounts.rotate_key(merchant, old.id, overlap_hours=0, actor_name=ACTOR_NAME)
            return secret
    _, secret = await engine.accounts.create_key(merchant, "secret", KEY_NAME, actor_name=ACTOR_NAME)
    return secret


async def _merchant(engine: Engine) -> Sequence[Merchant]:
    return await engine.accounts.add_merchant(
        catalogue.SLUG,
        catalogue.NAME,
        MerchantDetails(
            country=catalogue.COUNTRY,
            currency=catalogue.CURRENCY,
            locale=catalogue.LOCALE,
            timezone=catalogue.TIMEZONE,
        ),
        actor_name=ACTOR_NAME,
    )


async def _fill(engine: Engine, side: Merchant) -> None:
    configuration, actor = await engine.catalogue.configuration(side.id), Actor(side.id, ACTOR_NAME)
    methods, offers = catalogue.PLACEMENT.key, offer_catalogue.PLACEMENT.key
    contents: tuple[tuple[Kind, str, Sequence[Document]], ...] = (
        ("field", "", [offer_catalogue.SHIPPING]),
        ("budget", "", offer_catalogue.budgets(now_ms())),
        ("placement", "", [catalogue.PLACEMENT, offer_catalogue.PLACEMENT]),
        ("candidate", methods, catalogue.METHODS),
        ("rule", methods, catalogue.RULES),
        ("candidate", offers, offer_catalogue.OFFERS),
        ("rule", offers, offer_catalogue.RULES),
    )
    for kind, placement, documents in contents:
        stored = {id_of(document) for document in configuration.documents(kind, placement)}
        missing = [document for document in documents if id_of(document) not in stored]
        if missing:
            await engine.catalogue.create(actor, kind, placement, missing)
    pool = offers, offer_catalogue.POOL
    if not (await engine.codes.counts(side.id, *pool)).free:
        await engine.codes.generate(actor, *pool, offer_catalogue.POOL_SIZE, offer_catalogue.POOL_PREFIX)
