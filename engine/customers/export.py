"""Everything that is known of a customer, for an export: stored and derived data, section by section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.clock import now_ms
from engine.decisions.customers import Hasher
from engine.decisions.requests.settings_reader import SettingsReader
from engine.model.decision import Decision
from engine.model.timestamps import DAY, rfc3339
from engine.store import decisions
from engine.store.connection.database import Database
from engine.store.customers import aliases, erasing
from engine.store.customers.usage import StoredCustomer, customers_of, history
from engine.store.decisions import DecisionRow

PAGE = 200
HIDDEN = frozenset(
    {
        "merchant_id",
        "customer",
        "alias",
        "joined_version",
        "unit",
        "sealed",
        "seq",
        "space",
        "is_summed",
        "entries",
        "balances",
    }
)
"""Columns that say nothing to a person: numbers and hashes of the database, and what is decrypted apart."""
TIMES = ("_at",)


class Section(NamedTuple):
    """A part of an export: what it is, in a sentence, and its rows, all with the same names."""

    name: str
    about: str
    rows: Sequence[dict[str, Any]]


class CustomerExport:
    """Gathers what is known of customers. Reads only."""

    def __init__(self, database: Database, reader: SettingsReader, hasher: Hasher, weights: Sequence[float]) -> None:
        self._database = database
        self._reader = reader
        self._hasher = hasher
        self._weights = weights

    async def sections(self, merchant_id: int, customer_id: str) -> list[Section]:
        """Return all sections, also those without rows, so that a person sees what is not known."""
        customer = self._hasher(merchant_id, customer_id)
        async with self._database.read() as connection:
            names = await aliases.names_of(connection, merchant_id, customer)
        logged = [row for name in names async for row in self._decisions(merchant_id, name)]
        tables: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        outcomes: list[dict[str, Any]] = []
        async with self._database.read() as connection:
            for name in names:
                for table, rows in (await erasing.rows(connection, merchant_id, name)).items():
                    tables[table] += rows
                ids = [row.id for row in logged if row.customer == name]
                outcomes += await erasing.outcomes_of(connection, merchant_id, name, ids)
            stored = (await customers_of(connection, [(merchant_id, customer)])).get((merchant_id, customer))
        settings = self._reader.open(merchant_id, customer, stored.sealed if stored else "")
        plain = {name: [_plain(row) for row in own] for name, own in tables.items()}
        versions = self._opened(tables["customer_setting_versions"])
        consents = self._opened(tables["customer_consents"])
        return [
            Section("preferences", "What you said you want.", [_flat(settings.preferences)]),
            Section(
                "consents", "What you accept and refuse.", [_answered(*pair) for pair in settings.consents.items()]
            ),
            Section("preference_versions", "Every version of what you said.", versions),
            Section("consent_history", "When and how you accepted or refused.", consents),
            Section(
                "decisions", "What was shown to you, and what it was based on.", [_decision(row) for row in logged]
            ),
            Section("outcomes", "What you chose, bought and returned then.", [_plain(row) for row in outcomes]),
            Section("history", "What you chose, by day.", plain["usage"]),
            Section("affinities", "Derived: how much each of your choices counts today.", self._affinities(stored)),
            Section("experiments", "Experiments that you were part of.", plain["experiment_exposures"]),
            Section("experiment_purchases", "Purchases counted for experiments.", plain["experiment_conversions"]),
            Section("offers", "Offers that were reserved for you.", plain["holds"]),
            Section(
                "last_visit", "When you were last here, at most a week earlier.", _visits(tables["customer_settings"])
            ),
            Section("aliases", "Anonymous visits that were linked to you at a log-in.", plain["customer_aliases"]),
            Section("access", "When people or keys of the shop looked you up, and why.", plain["audit_customers"]),
            Section("requests", "Your requests about your data.", plain["privacy_requests"]),
        ]

    async def _decisions(self, merchant_id: int, customer: str) -> AsyncIterator[DecisionRow]:
        before = None
        while True:
            async with self._database.read() as connection:
                rows = await decisions.newest(connection, merchant_id, customer=customer, before_id=before, limit=PAGE)
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            before = rows[-1].id

    def _opened(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows with their encrypted part opened."""
        texts = [self._reader.open_text(row["merchant_id"], row["customer"], row["sealed"]) for row in rows]
        return [{**_plain(row), "content": text or "not readable"} for row, text in zip(rows, texts, strict=True)]

    def _affinities(self, stored: StoredCustomer | None) -> list[dict[str, Any]]:
        usage, today = (stored.usage if stored else ()), now_ms() // DAY
        return [
            {
                "placement": placement,
                "candidate": candidate,
                "weighted_trials": round(past.trials, 4),
                "weighted_successes": round(past.successes, 4),
                "purchases": past.purchases,
            }
            for placement in sorted({row.placement for row in usage})
            for candidate, past in sorted(history(usage, placement, today=today, weight=self._weights).items())
        ]


def _visits(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last day that is noted, if any."""
    days = [row["seen_day"] for row in rows if row["seen_day"] > 0]
    return [{"day": rfc3339(max(days) * DAY)[:10]}] if days else []


def _decision(row: DecisionRow) -> dict[str, Any]:
    answer = msgspec.json.decode(row.answer, type=Decision)
    return {
        "decision_id": row.id,
        "decided_at": rfc3339(row.decided_at),
        "placement": row.placement,
        "facts": row.facts,
        "history": row.history,
        "order": " ".join(ranked.id for ranked in answer.ranking),
        "chances": " ".join(f"{ranked.chance:.6g}" for ranked in answer.ranking),
        "scores": " ".join(f"{ranked.score:.6g}" for ranked in answer.ranking),
        "reasons": "; ".join(f"{ranked.id}: {reason}" for ranked in answer.ranking for reason in ranked.reasons),
        "experiments": msgspec.json.encode(answer.experiments).decode(),
        "fallback": answer.fallback,
    }


def _flat(value: Any) -> dict[str, Any]:
    """Return a struct as a row; lists and objects as JSON."""
    fields = msgspec.structs.asdict(value)
    return {
        name: msgspec.json.encode(part).decode() if isinstance(part, dict | tuple) else part
        for name, part in fields.items()
    }


def _answered(purpose: str, accepts: bool) -> dict[str, Any]:
    return {"purpose": purpose, "accepted": accepts}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a stored row without columns that say nothing to a person, with readable times."""
    return {
        name: rfc3339(value) if name.endswith(TIMES) and isinstance(value, int) and value else value
        for name, value in row.items()
        if name not in HIDDEN
    }
