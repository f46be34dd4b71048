"""Keys that encrypt what is stored, a new one each day, and keys that sign: all wrapped with a master key.

A new master key needs to encrypt these keys anew, and nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Table

from engine.accounts.customer_key import UnusableKey
from engine.accounts.master_keys import DATA, SIGNING, MasterKeys
from engine.accounts.sealing import Sealer, open_with, seal_with
from engine.clock import now_ms
from engine.model.errors import Conflict
from engine.model.timestamps import DAY, MINUTE
from engine.store.connection.database import Database
from engine.store.customers import data_keys
from engine.store.customers.data_keys import TABLES, SigningKey, WrappedKey

KEY_BITS = 256
LOADED_AFTER_MS = MINUTE
"""Other processes have loaded a key by then, so that they can read what it encrypts."""
AT_ONCE = 50
OLDER_VALID_MS = DAY
"""What was signed before a new signing key stays valid so long: no token or link of a customer is valid for longer."""
KINDS = tuple(zip(TABLES, (DATA, SIGNING), strict=True))


class Rotation(NamedTuple):
    """The result of a rotation: whether there is a new master key, how many keys are under it, how many were rewrapped.

    `older_texts` from before data keys were encrypted with one.
    """

    new_master_key: bool
    keys: int
    rewrapped: int
    older_texts: int = 0


class SigningKeys:
    """The keys that sign what customers and browsers send back. Without any, it is the customer key."""

    def __init__(self, customer_key: bytes) -> None:
        self._keys = [(customer_key, 0, 0)]
        self._derived: dict[bytes, list[bytes]] = {}

    @property
    def count(self) -> int:
        """Return how many keys there are beside the customer key."""
        return len(self._keys) - 1

    def add(self, row: SigningKey, key: bytes) -> None:
        """Take a key in after the ones before it."""
        self._keys.append((key, row.created_at, row.older_until))
        self._derived.clear()

    def secrets(self, purpose: bytes) -> list[bytes]:
        """Return the secrets for a purpose: the first one signs, what any of them signed is accepted.

        A key signs when all processes have loaded it. Older ones are accepted until the end that each newer key set.
        """
        derived = self._derived.get(purpose)
        if derived is None:
            derived = [hmac.digest(key, purpose, "sha256") for key, _, _ in self._keys]
            self._derived[purpose] = derived
        return derived if len(derived) == 1 else [derived[index] for index in self._order()]

    def _order(self) -> list[int]:
        """Return the positions of the key that signs, of newer ones, and of older ones that are still accepted."""
        now = now_ms()
        signing = max(index for index, (_, made, _) in enumerate(self._keys) if made <= now - LOADED_AFTER_MS)
        last_ended = max((index for index, (_, _, until) in enumerate(self._keys) if until <= now), default=0)
        return [signing, *range(signing + 1, len(self._keys)), *range(signing - 1, last_ended - 1, -1)]


class DataKeys:
    """Holds the data keys in memory, and those that sign. `follow` loads those that other processes made."""

    def __init__(self, database: Database, masters: MasterKeys, customer_key: bytes) -> None:
        self.signing = SigningKeys(customer_key)
        self.database = database
        self._masters = masters
        self._keys: dict[int, bytes] = {}
        self._made: dict[int, int] = {}

    async def follow(self) -> None:
        """Load new keys; raise `UnusableKey` if a master key is missing."""
        async with self.database.read() as connection:
            rows = await data_keys.after(connection, max(self._keys, default=-1))
            signing = await data_keys.signing(connection, after=self.signing.count)
        for row, key in zip(rows, await self._unwrapped(rows, DATA), strict=True):
            self._keys[row.id], self._made[row.id] = key, row.created_at
        wrapped = [row.wrapped_key for row in signing]
        for new, key in zip(signing, await self._unwrapped(wrapped, SIGNING), strict=True):
            self.signing.add(new, key)

    async def make_due(self, *, now: int) -> None:
        """Make the keys of today and tomorrow if there are none, and load them."""
        await self.follow()
        days = [day for day in (now // DAY, now // DAY + 1) if day not in self._keys]
        if not days:
            return
        await self._reload()
        rows = [self._masters.wrap(day, now, AESGCM.generate_key(KEY_BITS)) for day in days]
        async with self.database.write() as connection:
            await data_keys.add(connection, rows)
        await self.follow()

    def get(self, id: int) -> bytes | None:
        """Return a key; None if there is none of this day."""
        return self._keys.get(id)

    def current(self) -> int:
        """Return the day of the key to encrypt with: the latest that all processes have loaded.

        With a clock that was set back before all keys, it is the first one.
        """
        if not self._keys:
            raise UnusableKey("there is no data key yet; start the server once")
        now = now_ms()
        days = [day for day in self._keys if day <= now // DAY]
        loaded = [day for day in days if self._made[day] <= now - LOADED_AFTER_MS]
        return max(loaded or days or [min(self._keys)])

    async def rotate(self, add_master: Callable[[], None] | None = None) -> Rotation:
        """Wrap all keys with the first master key, which `add_master` writes unless a rotation is unfinished.

        May be stopped at any moment and run again. Nobody waits: processes hold the keys in memory.
        """
        is_new = add_master is not None and not [row for table, _ in KINDS for row in await self._left(table)]
        if add_master and is_new:
            add_master()
            await self._reload()
        count = 0
        for table, kind in KINDS:
            while rows := await self._left(table):
                keys = await self._unwrapped(rows, kind)
                async with self.database.write() as connection:
                    for row, key in zip(rows, keys, strict=True):
                        anew = self._masters.wrap(row.id, row.created_at, key, kind=kind)
                        await data_keys.rewrap(connection, row, anew, table=table)
                count += len(rows)
        async with self.database.read() as connection:
            return Rotation(is_new, await data_keys.count(connection), count)

    def check_master_key(self) -> None:
        """Raise `Conflict` if the master key comes from the customer key: who has this could unwrap all others."""
        if self._masters.are_of_the_customer_key:
            raise Conflict(
                "the master key comes from the customer key, so a new key would protect nothing: run "
                "`tap2 keys rotate` first, or set TAP2_MASTER_KEY or TAP2_MASTER_KEY_COMMAND"
            )

    async def renew_signing(self, *, at_once: bool = False) -> SigningKey:
        """Make a new key that signs; with `at_once`, what older keys signed is soon refused.

        Raise `Conflict` if the master key comes from the customer key: whoever has this could unwrap the new key.
        """
        self.check_master_key()
        await self.follow()
        now, key = now_ms(), AESGCM.generate_key(KEY_BITS)
        wrapped = self._masters.wrap(self.signing.count + 1, now, key, kind=SIGNING)
        older_until = now + LOADED_AFTER_MS + (0 if at_once else OLDER_VALID_MS)
        row = SigningKey(*wrapped, older_until)
        async with self.database.write() as connection:
            if not await data_keys.add_signing(connection, row):
                raise Conflict("another process has just made a new key; try again")
        await self.follow()
        return row

    async def give_up(self) -> None:
        """Delete keys whose master key is missing; what they encrypted stays unreadable."""
        async with self.database.write() as connection:
            await data_keys.give_up(connection, self._masters.fingerprints)

    async def _unwrapped(self, rows: Sequence[WrappedKey], kind: str) -> list[bytes]:
        if not {row.master for row in rows} <= set(self._masters.fingerprints):
            # Another process may have written a new master key since.
            await self._reload()
        return [self._masters.unwrap(row, kind=kind) for row in rows]

    async def _reload(self) -> None:
        """Read the master keys again, in a thread: a command may take seconds, and no decision should wait."""
        await asyncio.to_thread(self._masters.reload)

    async def _left(self, table: Table) -> list[WrappedKey]:
        """Return some keys of a table that are wrapped with another master key than the first."""
        async with self.database.read() as connection:
            return await data_keys.under_others(connection, self._masters.fingerprints[:1], limit=AT_ONCE, table=table)


class StoredSealer:
    """Encrypts texts to be stored, for one purpose, with the key of the day.

    Texts from before data keys are opened with a key that comes from the customer key.
    """

    def __init__(self, keys: DataKeys, customer_key: bytes, purpose: bytes) -> None:
        self._keys = keys
        self._purpose = purpose
        self._older = Sealer(customer_key, purpose)
        self._ciphers: dict[int, AESGCM] = {}

    def seal(self, text: str, owner: int | str) -> str:
        """Return a text encrypted for an owner, after the day of its key and a dot."""
        day = self._keys.current()
        cipher = self._cipher(day)
        assert cipher is not None  # noqa: S101
        return f"{day}.{seal_with(cipher, text, owner)}"

    def open(self, sealed: str, owner: int | str) -> str | None:
        """Return the text, or None where it was sealed with another key or for another owner."""
        day, dot, rest = sealed.partition(".")
        if not dot:
            return self._older.open(sealed, owner)
        cipher = self._cipher(int(day))
        return open_with(cipher, rest, owner) if cipher else None

    def _cipher(self, day: int) -> AESGCM | None:
        if day not in self._ciphers:
            key = self._keys.get(day)
            if key is None:
                return None
            self._ciphers[day] = AESGCM(hmac.digest(key, self._purpose, "sha256"))
        return self._ciphers[day]
