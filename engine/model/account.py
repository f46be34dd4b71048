"""Merchants, people, sessions and API keys. Secrets are stored only as hashes. Pure."""

from __future__ import annotations

import unicodedata
from typing import Literal

import msgspec

from engine.model.documents.names import BREAKS, ONE_LINE
from engine.model.errors import invalid

Mode = Literal["live", "test"]
Kind = Literal["secret", "publishable"]
Role = Literal["viewer", "editor", "publisher", "admin"]
LONGEST_NAME = 120
VISIBLE = "LNPS"
"""Letters, numbers, punctuation and symbols, by the first letter of their Unicode category."""


def checked_name(name: str, field: str = "name") -> str:
    """Return the name of a person or a merchant without outer blanks; raise `Invalid` unless it is one visible line.

    Names stand in subjects of mails, in tables and on command lines.
    """
    name = name.strip()
    categories = {unicodedata.category(letter) for letter in name}
    if not any(category[0] in VISIBLE for category in categories):
        raise invalid(field, "must have a letter or a number")
    if not categories.isdisjoint(BREAKS):
        raise invalid(field, ONE_LINE)
    if len(name) > LONGEST_NAME:
        raise invalid(field, f"must have at most {LONGEST_NAME} characters")
    return name


class MerchantDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's region: country and currency by their ISO codes, the locale of pages, an IANA timezone."""

    country: str = "DE"
    currency: str = "EUR"
    locale: str = "en"
    timezone: str = "Europe/Berlin"


class Merchant(msgspec.Struct, frozen=True):
    """The live or the test side of a tenant. The two sides share only the name and the people.

    `browser_purchase_limit` is the largest purchase that a browser may report, in minor units; 0: none. `tier` is the
    name of its tier, empty without one.
    """

    id: int
    slug: str
    mode: Mode
    name: str
    country: str
    currency: str
    locale: str
    timezone: str
    created_at: int
    review: bool = False
    browser_purchase_limit: int = 0
    tier: str = ""


class User(msgspec.Struct, frozen=True):
    """A person who logs in. Times are epoch milliseconds."""

    id: int
    email: str
    name: str
    slug: str
    role: Role
    password_hash: str
    created_at: int
    last_seen_at: int | None = None
    locale: str = ""
    timezone: str = ""


class Session(msgspec.Struct, frozen=True):
    """A logged-in browser; its token is stored only as a hash."""

    token_hash: str
    user_id: int
    csrf: str
    created_at: int
    expires_at: int
    last_seen_at: int = 0
    browser: str = ""


class SecondFactor(msgspec.Struct, frozen=True):
    """An authenticator app of a person; its secret is encrypted.

    `last_step` is the time step of the last code that was used. It counts once `confirmed_at` is set.
    """

    user_id: int
    secret: str
    created_at: int
    last_step: int = 0
    confirmed_at: int | None = None


class Identity(msgspec.Struct, frozen=True):
    """Whom an OpenID provider vouches for; `is_verified`: also that the e-mail address is theirs."""

    issuer: str
    subject: str
    email: str
    is_verified: bool
    name: str


NO_TEAM = ""
"""The slug of an invitation to open an account for a new merchant."""


class Invitation(msgspec.Struct, frozen=True):
    """A link by which a person joins a team once, or opens an account; its token is stored only as a hash.

    `issuer`, `subject` and `name` are those of the person whom an OpenID provider vouches for, who opens an account;
    empty for all others.
    """

    token_hash: str
    slug: str
    email: str
    role: Role
    invited_by: str
    created_at: int
    expires_at: int
    issuer: str = ""
    subject: str = ""
    name: str = ""

    @property
    def identity(self) -> Identity | None:
        """Return whom a provider vouches for, or None."""
        return Identity(self.issuer, self.subject, self.email, True, self.name) if self.subject else None


class Key(msgspec.Struct, frozen=True):
    """An API key; `hint` is its beginning and end, `hash` the SHA-256 of the whole.

    It acts for `created_by`, the person who made it; empty where nobody knows who that was.
    """

    id: str
    merchant_id: int
    kind: Kind
    name: str
    hint: str
    hash: str
    created_at: int
    expires_at: int | None
    created_by: str = ""
