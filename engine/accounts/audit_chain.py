"""Check that a merchant's audit log is as it was written: nothing deleted, changed, inserted or moved."""

from __future__ import annotations

import re

import msgspec
import structlog

from engine.model.errors import invalid
from engine.model.history import NO_ENTRIES, ChainHead, commitment_of, digest_of
from engine.store import audit
from engine.store.audit import StoredLink
from engine.store.connection.database import Database

log = structlog.get_logger()

_END = re.compile(r"[0-9]{1,15}:[0-9a-f]{64}")


class ChainCheck(msgspec.Struct, frozen=True):
    """The result of a check. `problem` is empty where all is well; else it says what differs first, at entry `number`.

    `entries` that are right, the `last` of them by number and digest, and how many of them lost what they said of a
    customer because the customer was erased.
    """

    entries: int
    erased: int
    last: str
    number: int | None = None
    entry_id: int | None = None
    problem: str = ""


class AuditChain:
    """Reads the chain of entries, in which each digest covers the entry and the digest before it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logged: dict[int, ChainHead] = {}

    async def check(self, merchant_id: int, *, end: ChainHead = NO_ENTRIES) -> ChainCheck:
        """Check all entries. `end`: of the chain as somebody noted it elsewhere; it must still be in it."""
        walk = _ChainWalk(end)
        async with self._database.snapshot() as connection:
            head = (await audit.heads(connection)).get(merchant_id, NO_ENTRIES)
            async for link in audit.chain(connection, merchant_id):
                if difference := walk.step(link):
                    return difference
        return walk.end(head)

    async def log_ends(self) -> None:
        """Write the ends of chains that have moved to the server's log, which is kept elsewhere."""
        async with self._database.read() as connection:
            heads = await audit.heads(connection)
        for merchant_id, head in heads.items():
            if head != self._logged.get(merchant_id):
                log.info("end of the audit log", merchant_id=merchant_id, last=written(head))
        self._logged = heads


class _ChainWalk:
    """Goes along a chain, and stops at the first entry that differs."""

    def __init__(self, noted: ChainHead) -> None:
        self._noted = noted
        self._passed_noted = noted == NO_ENTRIES
        self._last, self._last_id = NO_ENTRIES, 0
        self._erased = 0

    def step(self, link: StoredLink) -> ChainCheck | None:
        """Go to the next entry; return what differs, None if nothing does."""
        entry = link.entry
        if entry.number > self._last.number + 1:
            return self._difference(self._last.number + 1, None, "is missing")
        if problem := _problem(link, self._last, self._last_id):
            return self._difference(entry.number, link.id, problem)
        self._last, self._last_id = ChainHead(entry.number, link.digest), link.id
        self._passed_noted = self._passed_noted or self._last == self._noted
        self._erased += bool(entry.commitment and link.part is None)
        return None

    def end(self, head: ChainHead) -> ChainCheck:
        """Return the result after the last entry; `head` is the end that the database notes."""
        last = self._last
        if last.number < head.number:
            return self._difference(last.number + 1, None, "is missing")
        if last != head:
            return self._difference(last.number, self._last_id, "is not the last entry that the database notes")
        if not self._passed_noted:
            return self._difference(self._noted.number, None, "is missing, or not as you noted it")
        return ChainCheck(last.number, self._erased, written(last))

    def _difference(self, number: int, entry_id: int | None, problem: str) -> ChainCheck:
        return ChainCheck(self._last.number, self._erased, written(self._last), number, entry_id, problem)


def _problem(link: StoredLink, last: ChainHead, last_id: int) -> str:
    """Return what is wrong with an entry that should follow the last one; empty if nothing is."""
    entry, part = link.entry, link.part
    if link.digest != digest_of(entry, last.digest):
        return "was changed, or does not belong here"
    if link.id <= last_id:
        return "was moved before an earlier one"
    if part and commitment_of(*part) != entry.commitment:
        return "says something else about a customer than when it was written"
    return ""


def written(head: ChainHead) -> str:
    """Return the end of a chain as people note it."""
    return f"{head.number}:{head.digest}"


def read_end(text: str) -> ChainHead:
    """Return an end of a chain as `written` gives it; raise `Invalid` for another text."""
    if not _END.fullmatch(text):
        raise invalid("end", "must be the number and the digest of an entry, as in 12:9f86d0…")
    number, _, digest = text.partition(":")
    return ChainHead(int(number), digest)
