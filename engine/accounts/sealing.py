"""Encrypt what must be read again: secrets of second factors, what customers said. AES-256-GCM (NIST SP 800-38D)."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Sealer:
    """Encrypts texts for one purpose. The key comes from the customer key, so that all processes share it."""

    def __init__(self, customer_key: bytes, purpose: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(customer_key, purpose, "sha256"))

    def seal(self, text: str, owner: int | str) -> str:
        """Return a text encrypted for an owner; what is sealed for another owner cannot be opened."""
        return seal_with(self._cipher, text, owner)

    def open(self, sealed: str, owner: int | str) -> str | None:
        """Return the text, or None where it was sealed with another key or for another owner."""
        return open_with(self._cipher, sealed, owner)


def seal_with(cipher: AESGCM, text: str, owner: int | str) -> str:
    """Return a text encrypted for an owner, as base64 of nonce and ciphertext."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return b64encode(nonce + cipher.encrypt(nonce, text.encode(), _owner(owner))).decode()


def open_with(cipher: AESGCM, sealed: str, owner: int | str) -> str | None:
    """Return a text that `seal_with` made, or None for another key or owner."""
    raw = b64decode(sealed)
    try:
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _owner(owner)).decode()
    except InvalidTag:
        return None


def _owner(owner: int | str) -> bytes:
    return str(owner).encode()
