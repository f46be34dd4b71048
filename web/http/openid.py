"""Log-in with an OpenID provider: authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0).

Errors of the provider and of the network end as `Forbidden`, with their kind in the log and nothing that was sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from engine.model.account import Identity
from engine.model.errors import Forbidden
from engine.settings import Settings
from web.http.sessions import same_token

log = structlog.get_logger()

SCOPE = "openid email profile"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a key that only the provider has: never `none`, and no shared secret."""
METADATA_SECONDS = 3600
TIMEOUT_SECONDS = 10
LEEWAY_SECONDS = 60
FAILED = "The log-in with your provider did not work. Try again."
ENDED = "This log-in has ended or was begun in another browser. Try again."


class LoginAttempt(msgspec.Struct, frozen=True):
    """A log-in on its way: kept in a cookie while the person is at the provider."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next: str


class OpenIDProvider:
    """The provider that the settings name. Its metadata and keys are kept for an hour."""

    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._metadata: dict[str, Any] = {}
        self._read_at = 0.0
        self._keys: KeySet | None = None

    async def begin(self, redirect_uri: str, address: str) -> tuple[str, LoginAttempt]:
        """Return the provider's address to go to, and what `finish` needs."""
        attempt = LoginAttempt(generate_token(43), generate_token(43), generate_token(64), redirect_uri, address)
        async with self._client(attempt) as client:
            try:
                metadata = await self._read_metadata(client)
            except (httpx2.HTTPError, ValueError) as error:
                raise _failed(error) from None
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
            )
        return url, attempt

    async def finish(self, attempt: LoginAttempt, query: Mapping[str, str]) -> Identity:
        """Return whom the provider vouches for, from the query that it sent the browser back with."""
        if not same_token(query.get("state"), attempt.state) or query.get("iss", self._issuer) != self._issuer:
            raise Forbidden(ENDED)
        async with self._client(attempt) as client:
            try:
                metadata = await self._read_metadata(client)
                token = await client.fetch_token(
                    metadata["token_endpoint"], code=query.get("code", ""), code_verifier=attempt.verifier
                )
                claims = await self._claims(client, token, attempt.nonce)
            except (httpx2.HTTPError, AuthlibBaseError, JoseError, ValueError, KeyError) as error:
                raise _failed(error) from None
        return Identity(
            issuer=self._issuer,
            subject=str(claims["sub"]),
            email=str(claims.get("email", "")),
            is_verified=claims.get("email_verified") is True,
            name=str(claims.get("name", "")),
        )

    def _client(self, attempt: LoginAttempt) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret or None,
            scope=SCOPE,
            redirect_uri=attempt.redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self._client_secret else "none",
            timeout=TIMEOUT_SECONDS,
        )

    async def _read_metadata(self, client: AsyncOAuth2Client) -> dict[str, Any]:
        if self._metadata and time.monotonic() - self._read_at < METADATA_SECONDS:
            return self._metadata
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata: dict[str, Any] = await _json_of(client, address)
        if metadata.get("issuer") != self._issuer:
            raise ValueError("the provider's metadata name another issuer")
        self._metadata, self._read_at, self._keys = metadata, time.monotonic(), None
        return metadata

    async def _claims(self, client: AsyncOAuth2Client, token: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Return the claims of the ID token, with those of the user info where it holds no address."""
        try:
            claims = self.check_id_token(token, nonce, await self._read_keys(client))
        except InvalidKeyIdError:
            # The provider may have changed its keys since they were read.
            self._keys = None
            claims = self.check_id_token(token, nonce, await self._read_keys(client))
        if "email" not in claims and "userinfo_endpoint" in self._metadata:
            more = await _json_of(client, self._metadata["userinfo_endpoint"], with_token=True)
            if more.get("sub") != claims["sub"]:
                raise ValueError("the user info describes another person")
            claims = {**more, **claims}
        return claims

    def check_id_token(self, token: Mapping[str, Any], nonce: str, keys: KeySet) -> dict[str, Any]:
        """Return the claims of an ID token; raise `JoseError` where signature or claims are wrong (Core, 3.1.3.7)."""
        decoded = jwt.decode(
            token["id_token"], keys, registry=JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        )
        options = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
        params = {"nonce": nonce, "client_id": self._client_id, "access_token": token.get("access_token")}
        CodeIDToken(decoded.claims, decoded.header, options, params).validate(leeway=LEEWAY_SECONDS)
        return dict(decoded.claims)

    async def _read_keys(self, client: AsyncOAuth2Client) -> KeySet:
        if self._keys is None:
            self._keys = KeySet.import_key_set(await _json_of(client, self._metadata["jwks_uri"]))
        return self._keys


def provider_of(settings: Settings) -> OpenIDProvider | None:
    """Return the provider that the settings name, or None."""
    if not settings.oidc_issuer:
        return None
    return OpenIDProvider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)


async def _json_of(client: AsyncOAuth2Client, address: str, *, with_token: bool = False) -> Any:
    """Return a document of the provider; redirects are not followed."""
    response = await client.request("GET", address, withhold_token=not with_token)
    response.raise_for_status()
    return response.json()


def _failed(error: Exception) -> Forbidden:
    log.warning("log-in with the provider failed", fault=type(error).__name__)
    return Forbidden(FAILED)
