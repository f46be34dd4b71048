"""Sign messages as Standard Webhooks 1.0 does: HMAC-SHA256 of id, time and body, in base64."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret, as receivers store it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, *, id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message; `timestamp` is in epoch seconds."""
    key = b64decode(secret.removeprefix(PREFIX))
    return f"v1,{b64encode(hmac.digest(key, f'{id}.{timestamp}.'.encode() + body, 'sha256')).decode()}"


def signed_headers(secrets_in_force: Sequence[str], *, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver checks a message, with a signature of each secret."""
    signatures = (sign(secret, id=id, timestamp=timestamp, body=body) for secret in secrets_in_force)
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}
