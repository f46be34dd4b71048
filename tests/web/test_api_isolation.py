"""No route of the OpenAPI document gives a merchant anything of another; one that is added is tried by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.serving import Server, Side
from web.openapi import examples

SECRET = "Zanzibar"
CUSTOMER = "zanzibar-customer"
PLACEMENT = "zzplace"
OFFER = {
    "currency": "EUR",
    "benefit": {"type": "fixed_amount", "amount": 500},
    "budgets": ["zzbudget"],
    "texts": {"en": {"title": SECRET, "terms": SECRET}},
    "code": SECRET,
}
VARIANTS = [{"id": "a", "name": SECRET}, {"id": "b", "name": f"{SECRET} B", "values": {"colour": "red"}}]


WITHOUT_ID = ("/v1/webhooks/", "/v1/report-schedules/", "/v1/alert-recipients/")
"""Documents that do not say their id."""


class Ids(NamedTuple):
    """The ids in addresses, queries and bodies."""

    slug: str
    placement: str
    candidate: str
    rule: str
    scenario: str
    field: str
    list: str
    key: str
    decision: str
    audit: str
    preview: str
    experiment: str
    budget: str
    hold: str
    webhook: str
    schedule: str
    recipient: str

    def in_path(self, path: str) -> str:
        """The address with the ids of its parts; fails for a part that this test does not know yet."""
        own = {
            "/v1/placements/{placement}/candidates/{id}": self.candidate,
            "/v1/placements/{placement}/candidates/{id}/pause": self.candidate,
            "/v1/placements/{placement}/candidates/{id}/codes": self.candidate,
            "/v1/placements/{placement}/draft/candidates/{id}": self.candidate,
            "/v1/placements/{placement}/draft/candidates/{id}/keep": self.candidate,
            "/v1/placements/{placement}/draft/vocabulary/{name}": self.field,
            "/v1/placements/{placement}/draft/vocabulary/{name}/keep": self.field,
            "/v1/placements/{placement}/draft/lists/{name}": self.list,
            "/v1/placements/{placement}/draft/lists/{name}/keep": self.list,
            "/v1/placements/{placement}/rules/{id}": self.rule,
            "/v1/placements/{placement}/draft/rules/{id}": self.rule,
            "/v1/placements/{placement}/draft/rules/{id}/keep": self.rule,
            "/v1/placements/{placement}/scenarios/{id}": self.scenario,
            "/v1/placements/{placement}/previews/{id}": self.preview,
            "/v1/placements/{placement}/draft/budgets/{id}": self.budget,
            "/v1/placements/{placement}/draft/budgets/{id}/keep": self.budget,
            "/v1/budgets/{id}": self.budget,
            "/v1/budgets/{id}/balance": self.budget,
            "/v1/redemptions/{id}": self.hold,
            "/v1/redemptions/{id}/release": self.hold,
            "/v1/redemptions/{id}/refund": self.hold,
            "/v1/vocabulary/{name}": self.field,
            "/v1/lists/{name}": self.list,
            "/v1/personalize/requests/{id}/close": "900000000",
            "/v1/keys/{id}": self.key,
            "/v1/keys/{id}/rotate": self.key,
            "/v1/decisions/{id}": self.decision,
            "/v1/decisions/{id}/replay": self.decision,
            "/v1/decisions/{id}/scenario": self.decision,
        }
        if path.startswith("/v1/placements/{placement}/experiments/{id}"):
            own[path] = self.experiment
        if path.startswith("/v1/webhooks/{id}"):
            own[path] = self.webhook
        if path.startswith("/v1/report-schedules/{id}"):
            own[path] = self.schedule
        if path.startswith("/v1/alert-recipients/{id}"):
            own[path] = self.recipient
        filled = path.replace("{placement}", self.placement).replace("{version}", "1").replace("{event}", "1")
        filled = filled.replace("{key}", self.placement)
        for part in ("{id}", "{name}"):
            if part in filled:
                filled = filled.replace(part, own[path])
        return filled

    def in_body(self, body: Any) -> Any:
        """An example, about these ids."""
        if not isinstance(body, dict):
            return body
        own = {"placement": self.placement, "decision_id": self.decision, "customer_id": CUSTOMER}
        own |= {"placements": [self.placement], "candidate_id": self.candidate}  # type: ignore[dict-item]
        own |= {"hold_id": self.hold, "code": SECRET, "flags": self.placement}
        return {name: own.get(name, self.in_body(value)) for name, value in body.items()}

    def in_query(self, parameters: list[dict[str, Any]]) -> dict[str, str]:
        own = {"placement": self.placement, "customer_id": CUSTOMER, "merchant_id": self.slug, "explain": "true"}
        names = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
        return {name: value for name, value in own.items() if name in names}


NOBODYS = Ids(
    "noshop",
    "noplace",
    "nocand",
    "norule",
    "noscenario",
    "no.field",
    "nolist",
    "key_no",
    "dec_no",
    "1",
    "pre_no",
    "noexperiment",
    "nobudget",
    "hold_no",
    "we_no",
    "rep_no",
    "alr_no",
)


def operations(server: Server) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in server.openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def call(client: httpx.Client, method: str, path: str, operation: dict[str, Any], ids: Ids) -> httpx.Response:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    address = ids.in_path(path)
    if method == "PUT" and path.endswith("}") and not path.startswith(WITHOUT_ID):
        part = path.rpartition("/")[2].strip("{}")
        body = {**body, "key" if part == "placement" else part: address.rpartition("/")[2]}
    if method == "PUT" and path.endswith("/settings"):
        body = {**body, "key": ids.placement}
    return client.request(
        method,
        address,
        params=ids.in_query(operation.get("parameters", [])),
        content=None if body is None else json.dumps(ids.in_body(body)),
        headers={"if-match": "*"},
    )


def create_resources(side: Side) -> Ids:
    """Everything that a merchant can have, each with the secret word in it."""
    post = side.client.post
    made = [
        post("/v1/placements", json={"key": PLACEMENT, "name": SECRET}),
        post(f"/v1/placements/{PLACEMENT}/candidates", json={"id": "zzcand", "label": SECRET}),
        post(
            f"/v1/placements/{PLACEMENT}/rules", json={**examples.RULE, "id": "zzrule", "notes": SECRET, "name": SECRET}
        ),
        post(
            f"/v1/placements/{PLACEMENT}/scenarios",
            json={"id": "zzscenario", "name": SECRET, "context": {}, "expect": {}, "notes": SECRET},
        ),
        side.client.put(
            f"/v1/placements/{PLACEMENT}/draft/rules/zzrule",
            json={**examples.RULE, "id": "zzrule", "notes": f"{SECRET} {SECRET}", "name": SECRET},
            headers={"if-match": "*"},
        ),
        post(
            f"/v1/placements/{PLACEMENT}/experiments",
            json={**examples.EXPERIMENT, "id": "zzexperiment", "name": SECRET, "variants": VARIANTS},
        ),
        post("/v1/budgets", json={**examples.BUDGET, "id": "zzbudget", "name": SECRET}),
        post("/v1/placements", json={"key": "offers", "name": SECRET}),
        post("/v1/placements/offers/candidates", json={"id": "zzoffer", "label": SECRET, "offer": OFFER}),
        post("/v1/vocabulary", json={"name": "zz.field", "type": "string", "label": SECRET}),
        post("/v1/lists", json={"name": "zzlist", "values": [SECRET]}),
        post("/v1/report-schedules", json={**examples.REPORT_SCHEDULE, "name": SECRET, "placement": PLACEMENT}),
        post("/v1/alert-recipients", json={**examples.ALERT_RECIPIENT, "recipient": f"{SECRET}@shop.example"}),
        post("/v1/webhooks", json={**examples.WEBHOOK, "description": SECRET, "types": ["arm.jumped"]}),
        post("/v1/keys", json={"kind": "secret", "name": SECRET}),
        post(
            "/v1/personalize/decisions",
            json={"placement": PLACEMENT, "customer_id": CUSTOMER, "context": {"zz": {"field": SECRET}}},
        ),
    ]
    assert all(answer.is_success for answer in made), [answer.text for answer in made]
    decision = made[-1].json()["decision_id"]
    outcome = {"event_id": "zz", "decision_id": decision, "type": "converted", "candidate_id": "zzcand"}
    assert post("/v1/personalize/feedback", json=outcome).json()["results"][0]["status"] == "recorded"
    audit = str(side.client.get("/v1/audit").json()["items"][0]["id"])
    return Ids(
        side.merchant.slug,
        PLACEMENT,
        "zzcand",
        "zzrule",
        "zzscenario",
        "zz.field",
        "zzlist",
        made[-2].json()["id"],
        decision,
        audit,
        previewed(side),
        "zzexperiment",
        "zzbudget",
        held(side),
        *(made[number].json()["id"] for number in (-3, -5, -4)),
    )


def held(side: Side) -> str:
    """A hold of an offer."""
    request = {"offer_id": "zzoffer", "customer_id": CUSTOMER}
    return str(side.client.post("/v1/redemptions/hold", json=request).json()["hold_id"])


def previewed(side: Side) -> str:
    """A preview of the draft that has ended, so that it stays as it is."""
    previews = f"/v1/placements/{PLACEMENT}/previews"
    id = str(side.client.post(previews, json={}).json()["id"])
    ended = side.server.run(side.server.engine.previews.finish(side.merchant.id, id))
    assert ended.state == "done"
    assert SECRET in side.client.get(f"{previews}/{id}").text
    return id


def all_data(side: Side, ids: Ids) -> list[Any]:
    """All that a merchant can read about itself."""
    paths = (
        "/v1/placements",
        f"/v1/placements/{PLACEMENT}/candidates",
        f"/v1/placements/{PLACEMENT}/rules",
        "/v1/vocabulary",
    )
    paths += ("/v1/lists", f"/v1/placements/{PLACEMENT}/versions", f"/v1/decisions/{ids.decision}?explain=true")
    paths += (f"/v1/placements/{PLACEMENT}/draft", f"/v1/placements/{PLACEMENT}/scenarios", "/v1/audit", "/v1/keys")
    paths += (f"/v1/placements/{PLACEMENT}/previews/{ids.preview}", f"/v1/placements/{PLACEMENT}/experiments")
    paths += ("/v1/budgets", "/v1/budgets/zzbudget/balance", "/v1/ledger", f"/v1/redemptions/{ids.hold}")
    paths += (f"/v1/webhooks/{ids.webhook}", f"/v1/webhooks/{ids.webhook}/deliveries")
    paths += (f"/v1/report-schedules/{ids.schedule}", f"/v1/alert-recipients/{ids.recipient}")
    return [side.client.get(path).json() for path in paths]


def pairs(server: Server) -> dict[str, tuple[Side, Side]]:
    (live, test), (other, _) = server.sides(), server.sides()
    return {
        "another merchant": (other, live),
        "the live side of a test key": (test, live),
        "test of live": (live, test),
    }


@pytest.mark.parametrize("relation", ["another merchant", "the live side of a test key", "test of live"])
def test_ids_of_other_merchants_are_unknown_on_every_route(server: Server, relation: str):
    mine, theirs = pairs(server)[relation]
    ids = create_resources(theirs)
    before = all_data(theirs, ids)
    tried = 0
    for method, path, operation in operations(server):
        if not operation["security"]:
            continue
        answer = call(mine.client, method, path, operation, ids)
        assert SECRET not in answer.text, (method, path)
        if "{" in path:
            assert answer.status_code in (403, 404), (method, path, answer.text)
            nobodys = call(mine.client, method, path, operation, NOBODYS)
            assert blank(answer.text, ids) == blank(nobodys.text, NOBODYS), (method, path)
        tried += 1
    assert tried >= 35
    assert all_data(theirs, ids) == before


def blank(text: str, ids: Ids) -> str:
    """Return a text without the requested ids."""
    for id in sorted(ids, key=len, reverse=True):
        text = text.replace(f"“{id}”", "“”").replace(f'"key":"{id}"', '"key":""')
    return text


@pytest.mark.parametrize("path", ["/v1/personalize/decisions", "/v1/personalize/decisions/batch"])
def test_placement_of_another_merchant_is_not_decided(server: Server, path: str):
    (theirs, _), (mine, _) = server.sides(), server.sides()
    ids = create_resources(theirs)
    for method, result, operation in operations(server):
        if result == path:
            assert call(mine.client, method, path, operation, ids).status_code == 404


def test_name_of_another_merchant_is_refused_on_every_route(server: Server):
    (theirs, _), (mine, _) = server.sides(), server.sides()
    mine.create_examples()
    slug, given = theirs.merchant.slug, {**examples.DECISION, "merchant_id": theirs.merchant.slug}
    purchase = {"event_id": "e", "customer_id": "c", "method_id": "card", "merchant_id": slug}
    batch = {**examples.BATCH, "merchant_id": slug}
    post = mine.client.post
    for answer in (
        post("/v1/personalize/decisions", json=given),
        post("/v1/personalize/decisions/batch", json=batch),
        mine.client.get("/v1/personalize/methods", params={"merchant_id": slug}),
        post("/v1/personalize/feedback", json=purchase),
        post("/v1/personalize/feedback", json=[{**purchase, "merchant_id": mine.merchant.slug}, purchase]),
    ):
        assert answer.status_code == 403
        assert answer.json()["field"] in ("merchant_id", "1/merchant_id")
    assert post("/v1/personalize/decisions", json={**given, "merchant_id": mine.merchant.slug}).status_code == 200


def test_decision_of_another_merchant_accepts_no_outcome(server: Server):
    (theirs, _), (mine, _) = server.sides(), server.sides()
    ids = create_resources(theirs)
    outcome = {"event_id": "mine", "decision_id": ids.decision, "type": "refunded"}
    answer = mine.client.post("/v1/personalize/feedback", json=outcome)
    assert [item["status"] for item in answer.json()["results"]] == ["unknown_decision"]
    seen = theirs.client.get(f"/v1/decisions/{ids.decision}", params={"explain": True}).json()
    assert [item["event_id"] for item in seen["outcomes"]] == ["zz"]


def test_an_event_id_of_another_is_free(server: Server):
    purchase = {"event_id": "same", "customer_id": "c", "method_id": "card"}
    for side, _ in (server.sides(), server.sides()):
        answer = side.client.post("/v1/personalize/feedback", json=purchase)
        assert answer.json()["results"][0]["status"] == "recorded"


def test_a_publishable_key_is_refused_on_all_that_configures(side: Side):
    with side.server.client(side.new_key("publishable")) as client:
        refused = 0
        for method, path, operation in operations(side.server):
            answer = call(client, method, path, operation, NOBODYS)
            if operation["security"] == [{"secretKey": []}]:
                assert answer.status_code == 403, (method, path)
                refused += 1
        assert refused >= 30


def test_protected_routes_require_a_key(server: Server):
    with server.client() as client:
        for method, path, operation in operations(server):
            answer = call(client, method, path, operation, NOBODYS)
            assert (answer.status_code == 401) == bool(operation["security"]), (method, path)


def test_document_lists_every_route_of_the_api(server: Server):
    own = {path for _, path, _ in operations(server)}
    routes = {route.path_format for route in server.app.routes}
    missing = {path for path in routes if path.startswith("/v1/")} - own
    assert not missing
