"""Second factors: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import NamedTuple

import pyotp
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.accounts.accounts import Accounts, hash_of
from engine.accounts.data_keys import DataKeys, StoredSealer
from engine.accounts.login_limits import LoginLimits, code_counters
from engine.clock import now_ms
from engine.model.account import SecondFactor, User
from engine.model.actor import Actor
from engine.model.errors import Conflict, Forbidden, invalid
from engine.model.timestamps import MINUTE
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.team import people, second_factors

log = structlog.get_logger()

ISSUER = "Tap2 Personalize"
STEP_SECONDS = 30
DRIFT_STEPS = (0, -1, 1)
"""A code counts for 30 seconds before and after its own 30, because clocks differ."""
SETUP_MS = 15 * MINUTE
PURPOSE = b"secrets of second factors"
CHALLENGE_MS = 5 * MINUTE
RECOVERY_CODES = 10
RECOVERY_BYTES = 15
"""120 bits: enough to be stored as a plain SHA-256 (ASVS 6.5.2 asks for 112)."""
WRONG = "This code is wrong or was used before."
_CHALLENGE = re.compile(r"(?P<id>[0-9]{1,9})\.(?P<expires>[0-9]{1,15})\.")
_BLANKS = re.compile(r"[\s-]+")


class Setup(NamedTuple):
    """A secret for an authenticator app, as text and as an `otpauth:` address."""

    secret: str
    uri: str


class SecondFactorState(NamedTuple):
    """The state of a person's second factor, and the number of recovery codes left."""

    is_on: bool
    codes_left: int


class SecondFactors:
    """Sets second factors up, checks codes, each of which counts once, and remembers who is half logged in."""

    def __init__(self, database: Database, accounts: Accounts, keys: DataKeys, customer_key: bytes) -> None:
        self._database = database
        self._accounts = accounts
        self._limits = LoginLimits(database)
        self._sealer = StoredSealer(keys, customer_key, PURPOSE)
        self._keys = keys.signing

    async def state(self, user: User) -> SecondFactorState:
        """Return whether a person has a second factor."""
        async with self._database.read() as connection:
            factor = await second_factors.get(connection, user.id)
            left = await second_factors.codes_left(connection, user.id)
        return SecondFactorState(factor is not None and factor.confirmed_at is not None, left)

    async def owners(self, slug: str) -> frozenset[int]:
        """Return the ids of a merchant's people who have a second factor."""
        async with self._database.read() as connection:
            return await second_factors.owners(connection, slug)

    async def begin(self, user: User) -> Setup:
        """Make a secret, which counts once `confirm` has seen a code of it; `Conflict` where there is one."""
        secret = pyotp.random_base32()
        factor = SecondFactor(user.id, self._sealer.seal(secret, user.id), now_ms())
        async with self._database.write() as connection:
            current = await second_factors.get(connection, user.id)
            if current is not None and current.confirmed_at is not None:
                raise Conflict("there is a second factor already; remove it first")
            await second_factors.put(connection, factor)
        return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER))

    async def confirm(self, user: User, code: str, *, address: str, keep_hash: str) -> list[str]:
        """Turn the second factor on and end the other sessions; return the recovery codes, which are not kept."""
        counters = code_counters(address, user.id)
        await self._limits.count(counters)
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        async with self._database.write() as connection:
            factor = await second_factors.get(connection, user.id)
            if factor is None or factor.confirmed_at is not None or now_ms() - factor.created_at > SETUP_MS:
                raise Conflict("this setup has ended; start it again")
            if not await self._use_totp(connection, factor, _plain(code)):
                raise invalid("code", WRONG)
            await second_factors.confirm(connection, user.id, now=now_ms())
            await second_factors.add_codes(connection, user.id, [hash_of(_plain(each)) for each in codes])
            await people.end_sessions(connection, user.id, except_hash=keep_hash)
            await self._note(connection, user, user.email, "turned on the second factor of")
        await self._limits.uncount(counters)
        return codes

    async def remove(self, user: User, *, actor_name: str) -> None:
        """Turn the second factor off; `Conflict` where there is none."""
        async with self._database.write() as connection:
            if not await second_factors.remove(connection, user.id):
                raise Conflict("there is no second factor")
            await self._note(connection, user, actor_name, "removed the second factor of")

    def challenge(self, user: User) -> str:
        """Return the proof, for 5 minutes, that somebody knows a person's password; it ends with the password."""
        return self._signed(user, now_ms() + CHALLENGE_MS)[0]

    async def challenged(self, challenge: str) -> User:
        """Return the person of a challenge; `Forbidden` where it is over or invented."""
        match = _CHALLENGE.match(challenge)
        if match and (expires := int(match["expires"])) > now_ms():
            async with self._database.read() as connection:
                user = await people.user_by_id(connection, int(match["id"]))
            accepted = self._signed(user, expires) if user else []
            if user and any(hmac.compare_digest(each.encode(), challenge.encode()) for each in accepted):
                return user
        raise Forbidden("The log-in took too long. Start again.")

    async def check(self, user: User, code: str, *, address: str) -> None:
        """Use a code up; `Forbidden` for a wrong one, `TooMany` as for passwords."""
        counters = code_counters(address, user.id)
        await self._limits.count(counters)
        async with self._database.write() as connection:
            is_right = await self._use(connection, user, _plain(code))
            if not is_right:
                await self._note(connection, user, user.email, "failed to log in")
        if not is_right:
            raise Forbidden(WRONG)
        await self._limits.uncount(counters)

    async def _use(self, connection: AsyncConnection, user: User, code: str) -> bool:
        factor = await second_factors.get(connection, user.id)
        if factor is None or factor.confirmed_at is None:
            return False
        if code.isdigit():
            return await self._use_totp(connection, factor, code)
        if not await second_factors.use_code(connection, user.id, hash_of(code)):
            return False
        await self._note(connection, user, user.email, "used a recovery code of")
        return True

    async def _use_totp(self, connection: AsyncConnection, factor: SecondFactor, code: str) -> bool:
        secret = self._sealer.open(factor.secret, factor.user_id)
        if secret is None:
            log.error("second factor cannot be read: the customer key has changed")
            return False
        totp, now = pyotp.TOTP(secret), now_ms() // 1000 // STEP_SECONDS
        for step in (now + drift for drift in DRIFT_STEPS):
            if hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.encode()):
                return await second_factors.use_step(connection, factor.user_id, step)
        return False

    def _signed(self, user: User, expires: int) -> list[str]:
        """Return a challenge, and after it those that older keys would have signed."""
        text = f"{user.id}.{expires}"
        secrets = self._keys.secrets(b"log-ins that wait for a code")
        return [
            f"{text}.{hmac.digest(key, f'{text}.{user.password_hash}'.encode(), 'sha256').hex()}" for key in secrets
        ]

    async def _note(self, connection: AsyncConnection, user: User, actor_name: str, action: str) -> None:
        actor = Actor((await self._accounts.merchant(user.slug)).id, actor_name)
        await audit.write(connection, NewEntry(actor, now_ms(), action, f"person {user.email}"))


def _recovery_code() -> str:
    """Return six groups of four letters and digits, without those that look alike."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _plain(code: str) -> str:
    return _BLANKS.sub("", code[:200]).lower()
