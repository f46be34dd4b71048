"""Client of Tap2 Personalize: decisions in time, feedback that arrives once."""

from .async_client import AsyncClient
from .client import Client
from .errors import (
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    KeyReused,
    NotFound,
    RequestTimeout,
    ServerError,
    Tap2Error,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)

__all__ = [
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "InvalidRequest",
    "KeyReused",
    "NotFound",
    "RequestTimeout",
    "ServerError",
    "Tap2Error",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
]
__version__ = "0.1.0"
