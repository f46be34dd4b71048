"""Tokens for browsers: short signed texts that prove which decision a browser got.

A browser sends them back. They hold nothing to read: what they prove is in the signature (HMAC-SHA256, RFC 2104).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence

import msgspec

from engine.accounts.data_keys import SigningKeys
from engine.decisions.customers import canonical_id
from engine.model.timestamps import MINUTE

PURPOSE = b"tokens for browsers"
DECISION_TOKEN_MINUTES = 120
LONGEST_CUSTOMER_TOKEN_MINUTES = 24 * 60
SIGNATURE_BYTES = 16


class SnapshotTicket(msgspec.Struct, frozen=True, array_like=True):
    """The versions of a snapshot that a client decides by, and the ids that its decisions may have.

    `beliefs` are versions by bucket; times are epoch milliseconds. Ids contain `suffix` and a number below `most`.
    """

    placement: str
    plan_version: int
    beliefs: dict[str, int]
    issued_at: int
    expires_at: int
    suffix: str
    most: int


_read_ticket = msgspec.json.Decoder(SnapshotTicket).decode


class Tokens:
    """Sign and check tokens with keys that all processes share."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def for_decision(self, merchant_id: int, key_id: str, decision_id: str, *, now: int, closes_at: int) -> str:
        """Return the proof that a key got a decision; it ends with the decision's window or earlier.

        The decision's customer is part of what it proves: a decision never changes its customer.
        """
        expires = min(closes_at, now + DECISION_TOKEN_MINUTES * MINUTE)
        return self._signed("dt", expires, merchant_id, key_id, decision_id)

    def proves_decision(self, token: str, merchant_id: int, key_id: str, decision_id: str, *, now: int) -> bool:
        return self._is_valid("dt", token, now, merchant_id, key_id, decision_id)

    def for_answers(self, merchant_id: int, key_id: str, question: str, *, expires: int) -> str:
        """Return the proof that a question was answered, and that the answers stand until `expires` (epoch ms)."""
        return self._signed("ea", expires, merchant_id, key_id, question)

    def proves_answers(self, token: str, merchant_id: int, key_id: str, question: str, *, now: int) -> bool:
        return self._is_valid("ea", token, now, merchant_id, key_id, question)

    def for_customer(self, merchant_id: int, customer_id: str, *, expires: int) -> str:
        """Return the proof that the merchant's server knows the visitor, until `expires` (epoch ms)."""
        return self._signed("ct", expires, merchant_id, canonical_id(customer_id))

    def proves_customer(self, token: str, merchant_id: int, customer_id: str, *, now: int) -> bool:
        return self._is_valid("ct", token, now, merchant_id, canonical_id(customer_id))

    def for_snapshot(self, merchant_id: int, key_id: str, ticket: SnapshotTicket) -> str:
        """Return a ticket as a signed text, which is valid for the key that got it."""
        content = urlsafe_b64encode(msgspec.json.encode(ticket)).decode().rstrip("=")
        return f"sn_{content}_{self._signature('sn', merchant_id, key_id, content)}"

    def snapshot(self, token: str, merchant_id: int, key_id: str) -> SnapshotTicket | None:
        """Return the ticket that a key sends back, also after its end; None if it was never given to this key."""
        content, _, signature = token.removeprefix("sn_").rpartition("_")
        accepted = self._signatures("sn", merchant_id, key_id, content)
        if not token.startswith("sn_") or not _is_any(signature, accepted):
            return None
        return _read_ticket(urlsafe_b64decode(content + "=" * (-len(content) % 4)))

    def _signed(self, kind: str, expires: int, *parts: int | str) -> str:
        return f"{kind}_{expires:x}_{self._signature(kind, expires, *parts)}"

    def _signature(self, *parts: int | str) -> str:
        return _signature_with(self._keys.secrets(PURPOSE)[0], parts)

    def _signatures(self, *parts: int | str) -> list[str]:
        """Return the signatures of parts that are accepted."""
        return [_signature_with(secret, parts) for secret in self._keys.secrets(PURPOSE)]

    def _is_valid(self, kind: str, token: str, now: int, *parts: int | str) -> bool:
        try:
            expires = int(token.split("_")[1], 16)
        except (IndexError, ValueError):
            return False
        accepted = self._signatures(kind, expires, *parts)
        return _is_any(token, [f"{kind}_{expires:x}_{signature}" for signature in accepted]) and now < expires


def _signature_with(secret: bytes, parts: Sequence[int | str]) -> str:
    # Every part but the last is a number or an id without line breaks, so no two lists of parts read alike.
    text = "\n".join(map(str, parts))
    return hmac.digest(secret, text.encode(), "sha256")[:SIGNATURE_BYTES].hex()


def _is_any(text: str, accepted: Iterable[str]) -> bool:
    """Return whether a text is any of some, in a time that does not say how much of it is right."""
    return any(hmac.compare_digest(each.encode(), text.encode()) for each in accepted)
