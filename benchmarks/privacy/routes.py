"""Every route that decides over HTTP, for a customer and with facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from web.openapi import examples

Json = dict[str, Any]
Route = Callable[[httpx.Client, str, Json], httpx.Response]
PLACEMENT: str = examples.PLACEMENT["key"]
EXPERIMENT = f"/v1/placements/{PLACEMENT}/experiments/first"


def _post(path: str, **more: Any) -> Route:
    def decide(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
        return client.post(path, json={**more, "customer_id": customer, "context": context})

    return decide


def _evaluate(path: str, **more: str) -> Route:
    def decide(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
        return client.post(path, json={"context": {"targetingKey": customer, **more, **context}})

    return decide


def _methods(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
    return client.get("/v1/personalize/methods", params={"customer_id": customer, "country": "DE"})


def _variant(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
    return client.get(f"{EXPERIMENT}/variant", params={"customer_id": customer})


def _convert(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
    sent = {"event_id": f"of-{customer}", "unit": customer, "amount": 700, "currency": "EUR"}
    return client.post(f"{EXPERIMENT}/conversion", json=sent)


def _purchase(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
    sent = {"event_id": f"by-{customer}", "customer_id": customer, "method_id": "paypal"}
    return client.post("/v1/personalize/feedback", json={**sent, "amount": 900, "currency": "EUR"})


def _report(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
    answer = ROUTES["decision"](client, customer, context).json()
    sent = {"event_id": f"on-{answer['decision_id']}", "decision_id": answer["decision_id"], "type": "converted"}
    return client.post("/v1/personalize/feedback", json={**sent, "candidate_id": answer["ranking"][0]["id"]})


def _try(client: httpx.Client, customer: str, context: Json) -> httpx.Response:
    return client.post(f"/v1/placements/{PLACEMENT}/draft/trial", json={"context": context})


ROUTES: dict[str, Route] = {
    "decision": _post("/v1/personalize/decisions", placement=PLACEMENT),
    "explained": _post("/v1/personalize/decisions?explain=true", placement=PLACEMENT),
    "batch": _post("/v1/personalize/decisions/batch", placements=[PLACEMENT, "banner", "offers"]),
    "methods": _methods,
    "offers": _post("/v1/personalize/offers", hold=True),
    "offers without a hold": _post("/v1/personalize/offers", hold=False),
    "scores of offers": _post("/v1/personalize/offers/scores"),
    "variants": _post("/v1/personalize/variants"),
    "flag": _evaluate(f"/ofrep/v1/evaluate/flags/{PLACEMENT}"),
    "all flags": _evaluate("/ofrep/v1/evaluate/flags", flags=f"{PLACEMENT},banner"),
    "variant": _variant,
    "conversion": _convert,
    "purchase": _purchase,
    "outcome": _report,
    "trial": _try,
}
