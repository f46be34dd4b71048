"""Links to the customer center: encrypted texts that say for whom the center opens, and until when.

The customer's id is inside, so the text is encrypted: nobody reads it in an address or a message.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.accounts.data_keys import SigningKeys
from engine.accounts.sealing import open_with, seal_with
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.timestamps import MINUTE

PURPOSE = b"links to the customer center"
LINK_MINUTES = 60
LONGEST_LINK_MINUTES = 24 * 60
SESSION_MS = 30 * MINUTE
"""How long the center stays open after a link was followed."""

Kind = Literal["link", "session"]
CenterLanguage = Literal["en", "de", "ar"]


class CenterVisit(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """For whom the center opens: `made_by` says who vouches for the customer, `expires_at` is epoch ms."""

    merchant_id: int
    customer_id: str
    language: str
    made_by: str
    expires_at: int


class IssuedLink(NamedTuple):
    """The secret part of a link, and until when it opens the center (epoch ms)."""

    secret: str
    expires_at: int


_decode = msgspec.json.Decoder(CenterVisit).decode
_PLAIN, _SAFE = "+/=", "-_."


class CenterLinks:
    """Makes and reads links and sessions, with keys that all processes share."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def issue(self, actor: Actor, customer_id: str, *, minutes: int = LINK_MINUTES, language: str = "") -> IssuedLink:
        """Return a link for a customer; an expired one still says in which language to tell so."""
        expires_at = now_ms() + minutes * MINUTE
        visit = CenterVisit(
            merchant_id=actor.merchant_id,
            customer_id=customer_id,
            language=language,
            made_by=actor.name,
            expires_at=expires_at,
        )
        return IssuedLink(self.seal("link", visit), expires_at)

    def follow(self, visit: CenterVisit) -> str:
        """Return the session that begins when a link is followed."""
        return self.seal("session", msgspec.structs.replace(visit, expires_at=now_ms() + SESSION_MS))

    def seal(self, kind: Kind, visit: CenterVisit) -> str:
        """Return a visit as a text for addresses and cookies; a link is no session, nor the other way round."""
        cipher = AESGCM(self._keys.secrets(PURPOSE)[0])
        sealed = seal_with(cipher, msgspec.json.encode(visit).decode(), kind)
        return sealed.translate(str.maketrans(_PLAIN, _SAFE))

    def open(self, kind: Kind, text: str) -> CenterVisit | None:
        """Return the visit of a text, also of one that has expired; None for a text that is not of this server."""
        sealed = text.translate(str.maketrans(_SAFE, _PLAIN))
        try:
            plain = [open_with(AESGCM(secret), sealed, kind) for secret in self._keys.secrets(PURPOSE)]
        except ValueError:
            return None
        return next((_decode(each) for each in plain if each is not None), None)
