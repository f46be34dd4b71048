"""Decide on every route for customers who refuse everything, or some purposes, and look for what that leaves."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.privacy.routes import PLACEMENT, ROUTES
from benchmarks.privacy.traces import contents
from engine.settings import Settings
from engine.store import decisions
from tests.serving import UNLIMITED, Server, Side, serving
from web.openapi import examples

Figure = tuple[str, str, str]
Json = dict[str, Any]
OTHERS, DECISIONS, PURPOSE_CASES = 100, 1_000, 1_500
PURPOSES = ("analytics", "cross_merchant", "mood study", "loyalty", "checkout")
GROUPS = ("customer", "cart", "device", "geo", "risk")
ALWAYS_MOVES = {"leases", "fits", "write_probes"}
"""Tables that jobs write whoever asks."""


class DeclaredFact(NamedTuple):
    """A fact that the merchant declared for a purpose."""

    group: str
    name: str
    purpose: str

    def value(self, number: int) -> str:
        """Return a unique text: the fact in one case."""
        return f"{self.group}{self.name}of{number}x"


FACTS = tuple(DeclaredFact(group, f"p{number}", purpose) for group in GROUPS for number, purpose in enumerate(PURPOSES))


def figures() -> list[Figure]:
    """Return what decisions for customers who refuse leave."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=folder, decision_timeout_ms=60_000, log_level="error", **UNLIMITED)
        with serving(settings) as server:
            return [*_opted_out(server), *_refused_purposes(server)]


def create_examples(server: Server) -> Side:
    """Make a merchant with a bandit, an experiment, offers, and facts for every purpose that the model reads."""
    side = server.sides()[0]
    side.create_examples()
    fields = [
        {"name": f"{fact.group}.{fact.name}", "label": fact.name, "type": "string", "purpose": fact.purpose}
        for fact in FACTS
    ]
    offer = {
        "currency": "EUR", "benefit": {"type": "fixed_amount", "amount": 100}, "budgets": ["spring"],
        "texts": {"en": {"title": "1 off"}},
    }  # fmt: skip
    experiment = {
        "id": "first", "name": "First",
        "variants": [{"id": "control", "name": "As it is"}, {"id": "paypal", "name": "PayPal", "order": ["paypal"]}],
    }  # fmt: skip
    reads = {"type": "contextual", "features": ["device.type"]}
    experiments = f"/v1/placements/{PLACEMENT}/experiments"
    for path, body in (
        ("/v1/vocabulary", fields),
        ("/v1/budgets", {"id": "spring", "name": "Spring", "currency": "EUR", "amount": 10_000_000}),
        ("/v1/placements", {"key": "offers", "name": "Offers", "shape": {"type": "subset", "limit": 1}}),
        ("/v1/placements/offers/candidates", {"id": "one-off", "label": "1 off", "offer": offer}),
        ("/v1/placements", {"key": "banner", "name": "Banner", "policy": reads}),
        ("/v1/placements/banner/candidates", [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]),
        (experiments, experiment),
        (f"{experiments}/first/start", {}),
    ):
        answer = side.client.post(path, json=body)
        assert answer.is_success, (path, answer.text)
    return side


def _opted_out(server: Server) -> list[Figure]:
    side = create_examples(server)
    for number in range(OTHERS):
        for route in ROUTES.values():
            route(side.client, f"other-{number}", examples.DECISION["context"])
    opted = [f"opted-{number}" for number in range(10)]
    for name in opted:
        sent = {"customer_id": name, "personalization_enabled": False}
        assert side.client.put("/v1/personalize/preferences", json=sent).is_success
    _settle(server)
    before, statuses = server.run(contents(server.engine.database)), Counter[int]()
    for number in range(DECISIONS):
        route = list(ROUTES.values())[number % len(ROUTES)]
        statuses[route(side.client, opted[number % len(opted)], examples.DECISION["context"]).status_code] += 1
    _settle(server)
    after = server.run(contents(server.engine.database))
    differing = sorted(name for name in before.keys() - ALWAYS_MOVES if before[name] != after[name])
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    return [
        (f"opted out, {DECISIONS:,} requests on {len(ROUTES)} routes: tables that differ to a bit", "none",
         f"{', '.join(differing) or 'none'} of {len(before)} ({answers})"),
    ]  # fmt: skip


def _settle(server: Server) -> None:
    """Write what is counted in memory, and learn what was reported."""
    engine = server.engine
    for work in (engine.use_counter.flush(), engine.visits.flush(), engine.faulty_facts.flush()):
        server.run(work)
    server.run(engine.supervisor.add_up())
    server.run(engine.live.refresh(at_once=True))


def _refused_purposes(server: Server) -> list[Figure]:
    """Ask with random refusals on random routes; search the log and all tables for each fact's own text."""
    side, chance = create_examples(server), random.Random(15)
    refused_texts, allowed_texts = set[str](), set[str]()
    for number in range(PURPOSE_CASES):
        refused = {purpose for purpose in PURPOSES[:-1] if chance.random() < 0.5}
        customer = f"chooser-{number}"
        if refused:
            sent = {"customer_id": customer, "method": "save", "purposes": dict.fromkeys(refused, False)}
            assert side.client.post("/v1/personalize/consents", json=sent).is_success
        context: Json = {}
        for fact in FACTS:
            context.setdefault(fact.group, {})[fact.name] = fact.value(number)
            texts = refused_texts if fact.purpose in refused else allowed_texts
            texts.add(fact.value(number))
        name = chance.choice(list(ROUTES))
        answer = ROUTES[name](side.client, customer, context)
        assert answer.status_code < 500, answer.text
    _settle(server)
    stored = server.run(_stored(server))
    traces = sum(text in stored for text in refused_texts)
    controls = sum(text in stored for text in allowed_texts)
    return [
        (f"{PURPOSE_CASES:,} random refusals x {len(FACTS)} facts x {len(ROUTES)} routes: refused facts stored",
         "0", f"{traces} of {len(refused_texts):,}"),
        ("the same search for allowed facts, as a control", "many", f"{controls:,} of {len(allowed_texts):,}"),
    ]  # fmt: skip


async def _stored(server: Server) -> set[str]:
    """Return the words of all tables, and of the log as it reads."""
    database, words = server.engine.database, set[str]()
    for rows in (await contents(database)).values():
        _add_words(words, rows)
    last = None
    async with database.read() as connection:
        while rows := await decisions.chunk(connection, after=last, limit=500):
            _add_words(words, (row.facts + row.history + row.answer for row in rows))
            last = rows[-1]
    return words


def _add_words(words: set[str], texts: Iterable[str]) -> None:
    for text in texts:
        words.update("".join(letter if letter.isalnum() else " " for letter in text).split())
