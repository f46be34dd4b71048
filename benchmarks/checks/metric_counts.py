"""Count the metrics of a placement in the log by SQL, with nothing of the engine: what the overview must show.

The statements follow docs/metrics.md. They hold for SQLite, a merchant in euros and reports of a server.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from engine.model.timestamps import HOUR

Counted = dict[str, dict[str, int]]
"""Sums by name, by what they are of."""

NAMES = (
    "decisions",
    "fallbacks",
    "shown",
    "selected",
    "converted",
    "refunded",
    "redeemed",
    "revenue",
    "margin",
    "cost",
    "timed",
    "time_ms",
)
# Facts and answer are in a decision's record; the last two of its five texts are history and answer.
CHECKOUTS = f"""
    CREATE TEMP TABLE checkouts AS
    WITH logged AS (
        SELECT 'dec_' || lower(hex(id)) AS id, moment(id) / {HOUR} AS hour, customer IS NULL AS is_guest,
            text(record, 2) AS facts, text(record, 3) AS history, text(record, 4) AS answer FROM decisions
    )
    SELECT id, hour, facts ->> '$."device.type"' AS device, facts ->> '$."geo.country"' AS country,
        CASE WHEN is_guest THEN 'guest' WHEN history = '{{}}' THEN 'new' ELSE 'returning' END AS visit,
        answer ->> '$.ranking[0].id' AS first, answer ->> '$.fallback' AS fallback,
        COALESCE((SELECT value ->> '$.variant' FROM json_each(answer, '$.experiments')
            WHERE value ->> '$.id' = 'holdback'), '') AS arm
    FROM logged
"""
PURCHASES = """
    CREATE TEMP TABLE purchases AS
    WITH numbered AS (
        SELECT *, ROW_NUMBER() OVER (
            PARTITION BY decision_id ORDER BY currency = 'EUR' DESC, occurred_at DESC, seq DESC
        ) AS turn FROM outcomes WHERE type = 'converted'
    ), refunds AS (
        SELECT decision_id, currency, SUM(amount) AS amount FROM outcomes WHERE type = 'refunded' GROUP BY 1, 2
    )
    SELECT bought.decision_id AS id, bought.candidate, bought.currency, bought.amount,
        COALESCE(refunds.amount, 0) AS refunded
    FROM numbered AS bought LEFT JOIN refunds USING (decision_id, currency) WHERE turn = 1
"""
DISCOUNTS = """
    CREATE TEMP TABLE discounts AS
    SELECT decision_id AS id, MIN(used.candidate) AS candidate,
        SUM(used.amount - used.amount * COALESCE(refunded, 0) / COALESCE(purchases.amount, 1)) AS cost
    FROM outcomes AS used LEFT JOIN purchases ON purchases.id = decision_id
    WHERE type = 'redeemed' AND used.currency = 'EUR' GROUP BY 1
"""
REPORTED = """
    CREATE TEMP TABLE reported AS
    SELECT decision_id AS id, MAX(type = 'shown') AS shown, MAX(type = 'selected') AS selected,
        MAX(type = 'refunded') AS refunded, MAX(type = 'redeemed') AS redeemed,
        MIN(CASE WHEN type = 'converted' THEN occurred_at END)
            - MIN(CASE WHEN type = 'shown' THEN occurred_at END) AS time_ms
    FROM outcomes GROUP BY 1
"""
# The remaining amount of each purchase, and the merchant's margin: 30% less the fee of the card.
ROWS = """
    CREATE TEMP TABLE rows AS
    WITH kept AS (
        SELECT id, candidate, CASE currency WHEN 'EUR' THEN amount - refunded ELSE 0 END AS revenue
        FROM purchases WHERE amount > refunded
    )
    SELECT checkouts.*, kept.candidate AS bought, 1 AS decisions, fallback AS fallbacks, COALESCE(shown, 0) AS shown,
        COALESCE(selected, 0) AS selected, kept.id IS NOT NULL AS converted, COALESCE(refunded, 0) AS refunded,
        COALESCE(redeemed, 0) AS redeemed, COALESCE(revenue, 0) AS revenue,
        CASE WHEN kept.id IS NULL THEN 0 WHEN kept.candidate = 'card' THEN rounded(revenue * 29 - 1000)
            ELSE rounded(revenue * 30) END - CASE WHEN kept.id IS NULL THEN 0 ELSE COALESCE(cost, 0) END AS margin,
        COALESCE(cost, 0) AS cost, COALESCE(time_ms >= 0, 0) AS timed, COALESCE(MAX(time_ms, 0), 0) AS time_ms
    FROM checkouts LEFT JOIN reported USING (id) LEFT JOIN kept USING (id) LEFT JOIN discounts USING (id)
"""
CANDIDATES = """
    WITH parts AS (
        SELECT first AS candidate, 'decisions' AS name, COUNT(*) AS value FROM checkouts GROUP BY 1
        UNION ALL SELECT candidate, type, COUNT(DISTINCT decision_id) FROM outcomes
            WHERE type <> 'converted' GROUP BY 1, 2
        UNION ALL SELECT bought, 'converted', COUNT(*) FROM rows WHERE converted GROUP BY 1
        UNION ALL SELECT bought, 'revenue', SUM(revenue) FROM rows WHERE converted GROUP BY 1
        UNION ALL SELECT bought, 'margin', SUM(margin) FROM rows WHERE converted GROUP BY 1
        UNION ALL SELECT candidate, 'cost', SUM(cost) FROM discounts GROUP BY 1
    ) SELECT * FROM parts
"""
CURRENCIES = "SELECT currency, COUNT(*), SUM(amount - refunded) FROM purchases WHERE amount > refunded GROUP BY 1"


class LogCounter:
    """Counts the log of a SQLite file once, and answers by what its checkouts are parted by."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._connection.create_function("moment", 1, lambda id: int.from_bytes(id[:6]), deterministic=True)
        self._connection.create_function("text", 2, _text, deterministic=True)
        # Halves go to the even number, as `round` does.
        self._connection.create_function("rounded", 1, lambda cents: round(Fraction(cents, 100)), deterministic=True)
        for statement in (CHECKOUTS, PURCHASES, DISCOUNTS, REPORTED, ROWS):
            self._connection.execute(statement)

    def by(self, column: str) -> Counted:
        """Return the sums by a column of the checkouts; by `''` all of them together."""
        sums = ", ".join(f"SUM({name})" for name in NAMES)
        rows = self._connection.execute(f"SELECT {column}, {sums} FROM rows GROUP BY 1")
        return {str(value): dict(zip(NAMES, numbers, strict=True)) for value, *numbers in rows}

    def by_candidate(self) -> Counted:
        """Return the decisions with each candidate first, and its outcomes."""
        counted: Counted = {}
        for candidate, name, value in self._connection.execute(CANDIDATES):
            counted.setdefault(candidate, dict.fromkeys(NAMES, 0))[name] = value
        return counted

    def by_currency(self) -> Counted:
        """Return purchases and their amounts less refunds, each in its own currency."""
        rows = self._connection.execute(CURRENCIES)
        none = dict.fromkeys(NAMES, 0)
        return {currency: none | {"converted": count, "revenue": amount} for currency, count, amount in rows}

    def types(self) -> dict[str, int]:
        """Return how many outcomes there are of each type."""
        return dict(self._connection.execute("SELECT type, COUNT(*) FROM outcomes GROUP BY 1"))

    def close(self) -> None:
        self._connection.close()


def _text(record: bytes, number: int) -> str:
    """Return a text of a record that was stored without a dictionary."""
    return str(msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(record))[number])


def differences(counted: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many numbers were compared, and how many differ; a part that only one of them has differs."""
    left, right = _flat(counted), _flat(shown)
    return len(left | right), sum(left.get(key) != right.get(key) for key in left | right)


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{path}/{name}") if isinstance(value, Mapping) else {f"{path}/{name}": value}
    return flat
