"""Requests that a hostile or broken client may send: valid ones with parts replaced, removed, doubled or cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

from web.openapi import examples

Json = Any
PLACEMENTS = "/v1/placements"
INSIDE = f"{PLACEMENTS}/payment_methods"

ODD: tuple[Json, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 2**53, 2**53 + 1, -(2**63), 10**25, 1e308, 1e-320, float("nan"),
    float("inf"), "", " ", "\0", "\ud800", "\U0001f4a9", "e\u0301", "\u202e", "x" * 300, "x" * 70_000, "NaN", "1e5",
    "-1", "true", "null", "2026-02-30", "2026-11-28T00:00:00Z", "0001-01-01T00:00:00+23:59", "DEU", "eur", "UK",
    "v2.1", "../../etc/passwd", "' OR 1=1 --", "<script>", "=1+1", "%00", [], {}, [[]], [None], {"": None}, {"a": {}},
    [0] * 300, {str(number): number for number in range(250)},
)  # fmt: skip
OPERATORS = (
    "and", "or", "!", "!!", "==", "!=", "<", "<=", ">", ">=", "in", "between", "before", "after", "between_dates",
    "weekday_in", "time_between", "contains", "starts_with", "matches", "any_of", "in_list", "exists", "within_km",
    "percent_bucket", "sem_ver", "var", "some", "all", "none", "if", "+", "cat", "reduce", "map", "missing",
)  # fmt: skip
FACTS = ("cart.total", "cart.currency", "geo.country", "device.type", "customer.tier", "customer.id", "time.now", "")
OUTCOME_TYPES = ("shown", "selected", "converted", "declined", "abandoned", "redeemed", "refunded", "loved")


class FuzzedRequest(NamedTuple):
    """A request as bytes; `is_browser` sends it with a publishable key."""

    method: str
    path: str
    query: bytes
    body: bytes
    is_browser: bool = False


def request(luck: Random, decisions: Sequence[str]) -> FuzzedRequest:
    """Return a request; `decisions` are ids of answers that were given before."""
    make: Callable[[Random, Sequence[str]], FuzzedRequest]
    (make,) = luck.choices((_decide, _batch, _methods, _feedback, _configure), weights=(35, 15, 15, 25, 10))
    return make(luck, decisions)


def _decide(luck: Random, _decisions: Sequence[str]) -> FuzzedRequest:
    query = luck.choice((b"", b"", b"", b"explain=true", b"explain=%ff", b"explain=true&explain=no&x=1"))
    body = _bytes(luck, _mutated(luck, _with_facts(luck, examples.DECISION)))
    return FuzzedRequest("POST", "/v1/personalize/decisions", query, body, luck.random() < 0.3)


def _batch(luck: Random, _decisions: Sequence[str]) -> FuzzedRequest:
    document = _with_facts(luck, examples.BATCH)
    document["placements"] = luck.sample(["payment_methods", "banner", "nowhere", "a b"], luck.randint(0, 4))
    body = _bytes(luck, _mutated(luck, document))
    return FuzzedRequest("POST", "/v1/personalize/decisions/batch", b"", body, luck.random() < 0.3)


def _methods(luck: Random, _decisions: Sequence[str]) -> FuzzedRequest:
    names = ("customer_id", "customer_token", "device", "country", "currency", "amount", "locale", "merchant_id", "x")
    values = ("c_1", "mobile", "DE", "eur", "12900", "129.00", "de-DE", "", "%00", "%ff%fe", "%ed%a0%80", "9" * 400)
    pairs = [(luck.choice(names), luck.choice(values)) for _ in range(luck.randint(0, 6))]
    query = "&".join(f"{name}={value if '%' in value else quote(value)}" for name, value in pairs)
    return FuzzedRequest("GET", "/v1/personalize/methods", _cut(luck, query.encode()), b"", luck.random() < 0.3)


def _feedback(luck: Random, decisions: Sequence[str]) -> FuzzedRequest:
    items = [_outcome(luck, decisions) for _ in range(luck.choice((1, 1, 1, 3, 20)))]
    document = items if len(items) > 1 or luck.random() < 0.2 else items[0]
    body = _bytes(luck, _mutated(luck, document))
    return FuzzedRequest("POST", "/v1/personalize/feedback", b"", body, luck.random() < 0.3)


def _outcome(luck: Random, decisions: Sequence[str]) -> Json:
    outcome = {**examples.OUTCOME, "event_id": f"event-{luck.randrange(10**6)}", "type": luck.choice(OUTCOME_TYPES)}
    if decisions and luck.random() < 0.8:
        outcome["decision_id"] = luck.choice(decisions)
    if luck.random() < 0.2:
        del outcome["decision_id"]
        outcome |= {"customer_id": f"c_{luck.randrange(100)}", "method_id": "card"}
    return outcome


def _configure(luck: Random, _decisions: Sequence[str]) -> FuzzedRequest:
    rule = {**examples.RULE, "when": _condition(luck, 3)}
    method, path, document = luck.choice(
        (
            ("PUT", f"{INSIDE}/candidates/ideal", examples.CANDIDATE),
            ("PUT", f"{INSIDE}/rules/{rule['id']}", rule),
            ("PUT", f"{INSIDE}/draft/rules/{rule['id']}", rule),
            ("PUT", "/v1/lists/blocked-regions", examples.LIST),
            ("PUT", "/v1/vocabulary/customer.tier", examples.FIELD),
            ("PUT", f"{PLACEMENTS}/banner", {**examples.PLACEMENT, "key": "banner"}),
            ("POST", f"{INSIDE}/candidates", [examples.CANDIDATE, {"id": "card", "label": "Card"}]),
            ("POST", f"{INSIDE}/rules", rule),
            ("POST", f"{INSIDE}/scenarios", examples.SCENARIO),
            ("PUT", f"{INSIDE}/rule-set", {"rules": [rule], "scenarios": [examples.SCENARIO]}),
            ("PUT", f"{INSIDE}/draft/order", examples.ORDER),
            ("POST", "/v1/personalize/customer-tokens", {"customer_id": "c_123", "minutes": 30}),
        )
    )
    return FuzzedRequest(method, path, b"", _bytes(luck, _mutated(luck, document)), luck.random() < 0.05)


def _condition(luck: Random, depth: int) -> Json:
    """Return JSON-logic that may make sense."""
    if depth == 0 or luck.random() < 0.3:
        return {"var": luck.choice(FACTS)} if luck.random() < 0.6 else luck.choice(ODD)
    count = luck.randint(0, 4)
    return {luck.choice(OPERATORS): [_condition(luck, depth - 1) for _ in range(count)]}


def _with_facts(luck: Random, document: Json) -> Json:
    """Return the request with other facts."""
    context = {group: dict(facts) for group, facts in document["context"].items()}
    for _ in range(luck.randint(0, 3)):
        group, _, leaf = luck.choice(FACTS[:-1]).partition(".")
        context.setdefault(group, {})[leaf] = luck.choice(ODD)
    return {**document, "context": context}


def _mutated(luck: Random, document: Json) -> Json:
    """Return the document with some parts replaced, removed or added."""
    for _ in range(luck.choice((0, 1, 1, 2, 3, 6))):
        document = _mutate(luck, document)
    return document


def _mutate(luck: Random, node: Json) -> Json:
    if isinstance(node, dict) and node and luck.random() < 0.8:
        name = luck.choice(list(node))
        if luck.random() < 0.15:
            return {other: value for other, value in node.items() if other != name}
        if luck.random() < 0.1:
            return {**node, luck.choice(("", "x", "\0", "a.b", "k" * 500, name.upper())): luck.choice(ODD)}
        return {**node, name: _mutate(luck, node[name])}
    if isinstance(node, list) and node and luck.random() < 0.8:
        index = luck.randrange(len(node))
        return [*node[:index], _mutate(luck, node[index]), *node[index + 1 :]]
    if luck.random() < 0.05:
        return _nested(luck, luck.choice((5, 40, 70, 300)))
    return luck.choice(ODD)


def _nested(luck: Random, depth: int) -> Json:
    node: Json = luck.choice(ODD)
    for _ in range(depth):
        node = [node] if luck.random() < 0.5 else {luck.choice(("a", "and", "!")): node}
    return node


def _bytes(luck: Random, document: Json) -> bytes:
    """Return the document as JSON, sometimes broken."""
    text = json.dumps(document, ensure_ascii=luck.random() < 0.5)
    if luck.random() < 0.02:
        return text.encode("utf-16", "surrogatepass")
    return _cut(luck, text.encode("utf-8", "surrogatepass"))


def _cut(luck: Random, raw: bytes) -> bytes:
    """Return the bytes, in one of ten cases with some of them replaced, removed or doubled."""
    if not raw or luck.random() >= 0.1:
        return raw
    begin = luck.randrange(len(raw))
    end = min(len(raw), begin + luck.choice((1, 1, 2, 8)))
    middle = luck.choice(
        (b"", raw[begin:end] * 2, bytes([luck.randrange(256)]), b'"', b"{", b"[" * 5_000, b",", b"\xff")
    )
    return raw[:begin] + middle + raw[end:]
