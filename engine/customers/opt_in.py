"""How many of the customers who answer accept each purpose, over time: from the history of consent."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from engine.decisions.requests.settings_reader import SettingsReader
from engine.model.documents.consent import SIGNALS, ConsentRecord
from engine.store.connection.database import Database
from engine.store.customers import consents
from engine.store.customers.consents import CustomerConsent

MOST_ANSWERS = 20_000
"""About as many are decrypted in a fifth of a second; of more, the first customers in the order of their hashes stand
for all, because hashes are in no order of anything else."""

_decode = msgspec.json.Decoder(ConsentRecord).decode


class PurposeAnswers(NamedTuple):
    """Answers about a purpose in a stretch of time that begins at `since` (epoch ms)."""

    since: int
    purpose: str
    accepted: int
    refused: int

    @property
    def rate(self) -> float:
        """Return the share of answers that accept."""
        return self.accepted / (self.accepted + self.refused)


class OptInRates(NamedTuple):
    """Answers by time and purpose. `dismissed` prompts and `signals` of browsers are counted over the whole time.

    `is_sample`: there are more answers, and these are of customers chosen at random.
    """

    answers: Sequence[PurposeAnswers]
    dismissed: int
    signals: int
    is_sample: bool


class OptIns:
    """Counts answers. Reads only; what cannot be decrypted is left out."""

    def __init__(self, database: Database, reader: SettingsReader) -> None:
        self._database = database
        self._reader = reader

    async def rates(self, merchant_id: int, edges: Sequence[int]) -> OptInRates:
        """Return rates between each two of the times `edges` (epoch ms, ascending)."""
        async with self._database.read() as connection:
            rows = await consents.between(
                connection, merchant_id, since=edges[0], until=edges[-1], limit=MOST_ANSWERS + 1
            )
        is_sample = len(rows) > MOST_ANSWERS
        # Of the last customer, some answers may be missing.
        complete_rows = [row for row in rows if row.customer != rows[-1].customer] if is_sample else rows
        return await asyncio.to_thread(self._count, merchant_id, complete_rows, edges, is_sample)

    def _count(
        self, merchant_id: int, rows: Sequence[CustomerConsent], edges: Sequence[int], is_sample: bool
    ) -> OptInRates:
        counts: Counter[tuple[int, str, bool]] = Counter()
        methods: Counter[str] = Counter()
        for row in rows:
            text = self._reader.open_text(merchant_id, row.customer, row.sealed)
            if text is None:
                continue
            record, since = _decode(text), edges[bisect_right(edges, row.recorded_at) - 1]
            methods[record.method] += 1
            counts.update((since, purpose, accepts) for purpose, accepts in record.purposes.items())
        cells = sorted({(since, purpose) for since, purpose, _ in counts})
        answers = [PurposeAnswers(*cell, counts[*cell, True], counts[*cell, False]) for cell in cells]
        return OptInRates(answers, methods["dismiss"], sum(methods[signal] for signal in SIGNALS), is_sample)
