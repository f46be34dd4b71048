"""Nothing crosses from one merchant to another, from live to test, or from one role to the next."""

from __future__ import annotations

import json

import pytest

from engine.model.actor import Actor
from engine.model.experiment import Experiment, Variant
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.openapi import examples

OTHERS = (
    "/admin/live/placements/payment_methods",
    "/admin/live/placements/payment_methods/arms",
    "/admin/live/placements/payment_methods/settings",
    "/admin/live/placements/payment_methods/candidates/card",
    "/admin/live/methods/card",
    "/admin/live/rules?placement=payment_methods",
    "/admin/live/rules/payment_methods/{rule}",
    "/admin/live/fields/cart.gift",
    "/admin/live/decisions/{decision}",
    "/admin/live/budgets/spring",
    "/admin/live/offers/ten",
    "/admin/live/offers/ten/codes",
    "/admin/live/offers/ten/codes.csv",
    "/admin/live/experiments/payment_methods/paypal",
    "/admin/live/experiments/payment_methods/paypal/edit",
    "/admin/live/experiments/payment_methods/paypal/try",
    "/admin/live/experiments/payment_methods/paypal/results.json",
    "/admin/live/experiments/new?placement=payment_methods",
    "/admin/live/experiments/size?placement=payment_methods",
    "/admin/live/webhooks/{hook}",
)
ACTS = (
    ("/admin/live/placements/payment_methods/settings", {"name": "Mine"}),
    ("/admin/live/placements/payment_methods/delete", {"confirm": "payment_methods"}),
    ("/admin/live/placements/payment_methods/candidates/card/toggle", {"enabled": "off"}),
    ("/admin/live/methods/card/delete", {"version": "1"}),
    ("/admin/live/rules/payment_methods/{rule}/toggle", {"enabled": "off"}),
    ("/admin/live/rules/payment_methods/{rule}/delete", {"version": "1"}),
    ("/admin/live/decisions/{decision}/replay", {}),
    ("/admin/live/keys/{key}/rotate", {"overlap": "0"}),
    ("/admin/live/keys/{key}/revoke", {"confirm": "xxxx"}),
    ("/admin/live/webhooks/{hook}", {"url": "https://mine.example.com/", "type:arm.jumped": "on"}),
    ("/admin/live/webhooks/{hook}/rotate", {}),
    ("/admin/live/webhooks/{hook}/test", {}),
    ("/admin/live/webhooks/{hook}/resend", {}),
    ("/admin/live/webhooks/{hook}/delete", {"confirm": "shop.example.com"}),
    ("/admin/live/audit/{entry}/restore", {}),
    ("/admin/live/budgets/spring", {"name": "Mine", "amount": "1"}),
    ("/admin/live/offers/ten", {"label": "Mine"}),
    ("/admin/live/offers/ten/codes", {"act": "generate", "generate": "5"}),
    ("/admin/live/offers/ten/codes/remove", {}),
    ("/admin/live/experiments/new", {"placement": "payment_methods", "name": "Mine"}),
    ("/admin/live/experiments/audience", {"placement": "payment_methods"}),
    ("/admin/live/experiments/rule", {"placement": "payment_methods", "number": "1"}),
    ("/admin/live/experiments/payment_methods/paypal/edit", {"name": "Mine"}),
    ("/admin/live/experiments/payment_methods/paypal/start", {}),
    ("/admin/live/experiments/payment_methods/paypal/try", {}),
    ("/admin/live/experiments/payment_methods/paypal/conclude", {"winner": "b", "reason:conclude": "Mine"}),
    ("/admin/live/experiments/payment_methods/paypal/delete", {}),
)


@pytest.fixture
def empty_side(server: Server) -> Side:
    """Another merchant, with nothing set up."""
    return server.sides()[0]


@pytest.fixture(scope="module")
def owner(server: Server) -> Side:
    """A merchant with the examples, whose things strangers try to reach."""
    side = server.sides()[0]
    side.create_examples()
    return side


@pytest.fixture
def other_person(server: Server) -> Person:
    """An admin of another merchant, with nothing set up."""
    return add_person(server, server.sides()[0])


@pytest.fixture(scope="module")
def ids(server: Server, owner: Side) -> dict[str, str]:
    """Ids of what belongs to the owner."""
    add_experiment(server, owner)
    owner.client.post("/v1/budgets", json=examples.BUDGET)
    owner.client.post("/v1/placements", json={"key": "offers", "name": "Offers"})
    offer = {"id": "ten", "label": "Ten", "offer": {**examples.OFFER, "codes": "pool", "code": ""}}
    assert owner.client.post("/v1/placements/offers/candidates", json=offer).status_code == 201
    rule = owner.client.get("/v1/placements/payment_methods/rules").json()["items"][0]["id"]
    keys = server.run(server.engine.accounts.keys(owner.merchant.id))
    path = f"/v1/placements/payment_methods/rules/{rule}"
    assert owner.client.delete(path, headers={"if-match": "*"}).status_code in (200, 204)
    entries = server.run(server.engine.catalogue.audit(owner.merchant.id, limit=1))
    owner.client.post("/v1/placements/payment_methods/rules", json=_again(entries[0].before))
    return {
        "rule": rule,
        "decision": owner.decide()["decision_id"],
        "key": keys[0].id,
        "entry": str(entries[0].id),
        "hook": owner.client.post("/v1/webhooks", json=examples.WEBHOOK).json()["id"],
    }


def add_experiment(server: Server, side: Side) -> None:
    variants = (Variant(id="a", name="As it is"), Variant(id="b", name="PayPal first", order=("paypal",)))
    document = Experiment(id="paypal", name="PayPal first", variants=variants)
    actor = Actor(side.merchant.id, "tests")
    server.run(server.engine.experiments.create(actor, "payment_methods", document))


def _again(text: str | None) -> object:
    assert text
    return json.loads(text)


@pytest.mark.parametrize("path", OTHERS)
def test_page_of_another_merchants_resource_answers_404(other_person: Person, ids: dict[str, str], path: str) -> None:
    answer = other_person.client.get(path.format(**ids))
    assert answer.status_code == 404
    assert "Page not found" in answer.text


@pytest.mark.parametrize(("path", "values"), ACTS)
def test_no_action_changes_another_merchants_resources(
    owner: Side, other_person: Person, ids: dict[str, str], path: str, values: dict[str, str]
) -> None:
    assert other_person.send(path.format(**ids), **values).status_code == 404
    assert owner.client.get("/v1/placements/payment_methods/candidates/card").json()["enabled"]
    assert owner.client.get(f"/v1/placements/payment_methods/rules/{ids['rule']}").status_code == 200


def test_lists_and_search_show_only_the_own_merchant(server: Server, side: Side, empty_side: Side) -> None:
    side.decide()
    other_person = add_person(server, empty_side)
    add_experiment(server, side)
    pages = ("/admin/", "/admin/placements", "/admin/methods", "/admin/decisions", "/admin/experiments")
    for path in (*pages, "/admin/search?q=paypal"):
        assert "PayPal" not in other_person.get(path)


def test_the_test_side_is_empty_while_the_live_side_is_full(server: Server, side: Side) -> None:
    person = add_person(server, side)
    assert "PayPal" in person.get("/admin/methods")
    person.switch_to("test")
    text = person.get("/admin/methods")
    assert "PayPal" not in text
    assert "Test data" in text


def test_form_changes_the_side_of_its_page(server: Server) -> None:
    live, test = server.sides()
    live.create_examples()
    test.create_examples()
    person = add_person(server, live)
    csrf = person.csrf("/admin/test/methods")
    assert person.client.get("/admin/live/methods").status_code == 200, "another tab looks at live meanwhile"
    values = {"csrf": csrf, "enabled": "off"}
    assert person.client.post("/admin/test/methods/card/toggle", data=values).status_code == 303
    path = "/v1/placements/payment_methods/candidates/card"
    assert not test.client.get(path).json()["enabled"]
    assert live.client.get(path).json()["enabled"]


def test_a_form_without_a_side_is_refused(server: Server, side: Side) -> None:
    person = add_person(server, side)
    values = {"csrf": person.csrf(), "enabled": "off"}
    answer = person.client.post("/admin/methods/card/toggle", data=values)
    assert answer.status_code == 409
    assert "nothing was changed" in answer.text
    assert side.client.get("/v1/placements/payment_methods/candidates/card").json()["enabled"]


def test_address_without_a_side_redirects_to_the_last_side(server: Server, side: Side) -> None:
    person = add_person(server, side)
    assert person.client.get("/admin/rules?q=a").headers["location"] == "/admin/live/rules?q=a"
    person.client.get("/admin/test/fields")
    assert person.client.get("/admin/").headers["location"] == "/admin/test/"


def test_side_switch_opens_the_same_page_or_its_list(server: Server, side: Side) -> None:
    person = add_person(server, side)
    assert 'href="/admin/test/methods/card"' in person.get("/admin/live/methods/card")
    came_from = {"referer": f"{server.url}/admin/live/methods/card"}
    answer = person.client.get("/admin/test/methods/card", headers=came_from)
    assert answer.headers["location"] == "/admin/test/methods"
    assert "does not exist on the test side" in person.get("/admin/test/methods")
    assert person.client.get("/admin/test/methods/card").status_code == 404


@pytest.mark.parametrize(
    ("role", "mode", "may"),
    [("viewer", "live", False), ("viewer", "test", False), ("editor", "live", False), ("editor", "test", True),
     ("publisher", "live", True), ("publisher", "test", True), ("admin", "live", True)],
)  # fmt: skip
def test_editors_publish_on_the_test_side_and_publishers_on_both(
    server: Server, side: Side, role: str, mode: str, may: bool
) -> None:
    person = add_person(server, side, role=role)  # type: ignore[arg-type]
    person.switch_to(mode)
    answer = person.send("/admin/placements/-/new", key="offers", name="Bargains", reward="selected", credit="first")
    assert answer.status_code == (303 if may else 403)
    assert ("Bargains" in person.get("/admin/placements")) == may


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher"])
def test_only_admins_create_keys(server: Server, side: Side, role: str) -> None:
    person = add_person(server, side, role=role)  # type: ignore[arg-type]
    assert "Make a key" not in person.get("/admin/keys")
    assert person.send("/admin/keys", name="Mine", kind="secret").status_code == 403


def test_viewer_sees_no_controls_that_would_be_refused(server: Server, side: Side) -> None:
    viewer = add_person(server, side, role="viewer")
    for path in ("/admin/methods", "/admin/rules", "/admin/placements", "/admin/fields"):
        text = viewer.get(path)
        assert 'role="switch"' not in text
        assert "/new" not in text
    assert ">Save<" not in viewer.get("/admin/methods/card")
