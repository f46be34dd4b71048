"""Train the dictionaries that compress the log, beside the decisions' path."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import structlog

from engine.decisions.recorder import Recorder
from engine.learning.live import Live
from engine.model.timestamps import DAY, HOUR
from engine.store import decisions
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow, record_texts
from engine.store.log import dictionaries
from engine.store.log.dictionaries import DictionaryHead, PlacementKey
from engine.store.log.records import WITHOUT, Dictionary, compressed, trained

log = structlog.get_logger()

SAMPLES = 1_000
FEWEST_SAMPLES = 200
MOST_LOOKED_THROUGH = 20_000
"""The merchant's latest decisions that are looked through: a placement may have few of them."""
DICTIONARY_BYTES = 16_384
COMMON = 10
"""Customers who share a fact's value before the value may stand in a dictionary, which outlives their decisions."""
MUST_SAVE = 0.05
"""The share of the bytes that a new dictionary must save to replace one."""


class DictionaryTrainer:
    """Trains a dictionary for the records of each placement, and lets the recorder use it."""

    def __init__(self, database: Database, live: Live, recorder: Recorder) -> None:
        self._database = database
        self._live = live
        self._recorder = recorder
        self._in_use: dict[PlacementKey, DictionaryHead] = {}
        self._tried_at: dict[PlacementKey, int] = {}

    async def follow(self) -> None:
        """Use the newest dictionaries, also of other processes."""
        async with self._database.read() as connection:
            self._in_use = await dictionaries.newest(connection)
            loaded = await dictionaries.load(connection, {head.id for head in self._in_use.values()})
        self._recorder.dictionaries = {key: loaded[head.id] for key, head in self._in_use.items()}

    async def train(self, *, now: int) -> None:
        """Train a dictionary for each placement that has none, or whose plan has changed a day ago or longer.

        A placement for which none was good enough is tried again after an hour.
        """
        await self.follow()
        for key, version in self._live.versions().items():
            used = self._in_use.get(key)
            is_due = used is None or (used.plan_version != version and now - used.made_at >= DAY)
            if is_due and now - self._tried_at.get(key, 0) >= HOUR:
                await self._train(key, version, now)

    async def _train(self, key: PlacementKey, version: int, now: int) -> None:
        async with self._database.read() as connection:
            rows = await decisions.among_latest(connection, *key, latest=MOST_LOOKED_THROUGH, limit=SAMPLES)
        if len(rows) < FEWEST_SAMPLES:
            return
        self._tried_at[key] = now
        better = await asyncio.to_thread(better_dictionary, rows, self._recorder.dictionaries.get(key, WITHOUT))
        if better is None:
            return
        async with self._database.write() as connection:
            await dictionaries.add(connection, DictionaryHead(*key, better.id, version, now), better.content)
        await self.follow()
        log.info("log compressed with a new dictionary", placement=key[1], bytes=len(better.content))


def better_dictionary(rows: Sequence[DecisionRow], used: Dictionary) -> Dictionary | None:
    """Return a dictionary from every other row that saves enough on the rest; None if there is none."""
    samples = shareable(rows[::2], Random(0))
    new = trained([record_texts(row) for row in samples], DICTIONARY_BYTES)
    if new is None:
        return None
    others = [record_texts(row) for row in rows[1::2]]
    before, after = (sum(map(len, compressed(others, each))) for each in (used, new))
    return new if after < (1 - MUST_SAVE) * before else None


def shareable(rows: Sequence[DecisionRow], random: Random) -> list[DecisionRow]:
    """Return rows without what belongs to few customers: rare values of facts, and digits of histories."""
    facts = [msgspec.json.decode(row.facts, type=dict[str, Any]) for row in rows]
    buckets: defaultdict[str, set[str]] = defaultdict(set)
    customers: defaultdict[tuple[str, bytes], set[str]] = defaultdict(set)
    for row, values in zip(rows, facts, strict=True):
        customer = row.customer or row.id
        buckets[row.bucket].add(customer)
        for name, value in values.items():
            customers[name, msgspec.json.encode(value)].add(customer)
    return [
        msgspec.structs.replace(
            row,
            bucket=row.bucket if len(buckets[row.bucket]) >= COMMON else "",
            facts=_shared_facts(values, customers, random),
            history=_other_digits(row.history, random),
        )
        for row, values in zip(rows, facts, strict=True)
    ]


def _shared_facts(values: dict[str, Any], customers: Mapping[tuple[str, bytes], set[str]], random: Random) -> str:
    shared: dict[str, Any] = {}
    for name, value in values.items():
        if len(customers[name, msgspec.json.encode(value)]) >= COMMON:
            shared[name] = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            shared[name] = msgspec.json.decode(_other_digits(msgspec.json.encode(value).decode(), random))
    return msgspec.json.encode(shared).decode()


def _other_digits(text: str, random: Random) -> str:
    """Return a text with random digits other than 0 in the place of its digits."""
    return "".join(random.choice("123456789") if character.isdigit() else character for character in text)
