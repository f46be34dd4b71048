"""Open every page with unusual data: an empty merchant, names in other scripts or with markup, and many resources."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.conftest import with_offer
from tests.web.offer_shop import SPRING_OFFER
from tests.web.people import Person, add_person
from web.openapi import examples

RTL = "طرق الدفع"
MARKUP = "<script>alert(1)</script> & \"quotes\" 'single'"
EMOJI = "Zahlung 🎉 naïve"
LONG = "x" * 120

LISTS = (
    "/admin/", "/admin/rules", "/admin/placements", "/admin/methods", "/admin/decisions", "/admin/audit",
    "/admin/fields", "/admin/lists", "/admin/keys", "/admin/team", "/admin/profile", "/admin/search?q=x",
)  # fmt: skip
OF_PLACEMENT = ("", "/learning", "/settings", "/changes", "/versions", "/scenarios")


@pytest.fixture(scope="module")
def empty(server: Server) -> Person:
    live, _ = server.sides()
    return add_person(server, live)


@pytest.fixture(scope="module", params=[RTL, MARKUP, EMOJI, LONG], ids=["rtl", "markup", "emoji", "long"])
def odd(server: Server, request: pytest.FixtureRequest) -> tuple[Person, str, Side]:
    """A merchant whose placement, candidates, rule and field all bear an odd name."""
    name = request.param
    live, _ = server.sides()
    api = live.client
    for path, body in (
        ("/v1/vocabulary", {"name": "cart.mood", "type": "string", "label": name, "allowed": [name]}),
        ("/v1/placements", {"key": "odd", "name": name}),
        ("/v1/placements/odd/candidates", [{"id": "a", "label": name}, {"id": "b", "label": name}]),
        (
            "/v1/placements/odd/rules",
            {
                "id": "r",
                "name": name,
                "notes": name,
                "tags": [name[:40]],
                "when": {"==": [{"var": "cart.mood"}, name]},
                "effects": [{"exclude": ["a"]}, {"set": {"name": "headline", "value": name}}],
            },
        ),
    ):
        answer = api.post(path, json=body)
        assert answer.status_code == 201, answer.text
    return add_person(server, live), name, live


def status_of(person: Person, path: str) -> int:
    return person.client.get(person.address(path), follow_redirects=True).status_code


@pytest.mark.parametrize("path", LISTS)
def test_empty_list_has_a_message(empty: Person, path: str) -> None:
    answer = empty.client.get(empty.address(path), follow_redirects=True)
    assert answer.status_code == 200
    assert "<h1" in answer.text


@pytest.mark.parametrize("path", LISTS)
def test_list_shows_unusual_names(odd: tuple[Person, str, Side], path: str) -> None:
    assert status_of(odd[0], path) == 200


@pytest.mark.parametrize("part", OF_PLACEMENT)
def test_placement_pages_show_unusual_names(odd: tuple[Person, str, Side], part: str) -> None:
    assert status_of(odd[0], f"/admin/placements/odd{part}") == 200


def test_unusual_name_is_escaped(odd: tuple[Person, str, Side]) -> None:
    person, name, _ = odd
    for path in ("/admin/rules/odd/r", "/admin/placements/odd", "/admin/rules", "/admin/decisions"):
        text = person.client.get(person.address(path), follow_redirects=True).text
        assert "<script>alert(1)" not in text
    assert name in person.get("/admin/placements/odd")
    assert name in person.get("/admin/rules/odd/r")


def test_answer_keeps_unusual_names(odd: tuple[Person, str, Side]) -> None:
    _, name, side = odd
    context = {"cart": {"mood": name}}
    answer = side.client.post("/v1/personalize/decisions", json={"placement": "odd", "context": context}).json()
    assert answer["values"] == {"headline": name}
    assert [candidate["label"] for candidate in answer["ranking"]] == [name]
    assert answer["excluded"] == [{"id": "a", "reason": f"hidden by rule “{name}”"}]


def test_explanation_of_an_unusual_answer_opens(odd: tuple[Person, str, Side]) -> None:
    person, name, side = odd
    context = {"cart": {"mood": name}}
    body = {"placement": "odd", "context": context, "customer_id": name}
    made = side.client.post("/v1/personalize/decisions", json=body).json()
    text = person.client.get(person.address(f"/admin/decisions/{made['decision_id']}"), follow_redirects=True).text
    assert "<script>alert(1)" not in text
    assert "Fallback order" not in text


def test_many_candidates_and_rules_open_on_their_pages(server: Server) -> None:
    live, _ = server.sides()
    many = [{"id": f"c{number}", "label": f"Candidate {number}"} for number in range(300)]
    rules = [
        {"id": f"r{number}", "name": f"Rule {number}", "when": True, "effects": [{"exclude": [f"c{number}"]}]}
        for number in range(200)
    ]
    assert live.client.post("/v1/placements", json={"key": "big", "name": "Big"}).status_code == 201
    assert live.client.post("/v1/placements/big/candidates", json=many).status_code == 201
    assert live.client.post("/v1/placements/big/rules", json=rules).status_code == 201
    person = add_person(server, live)
    assert "Rule 199" in person.get("/admin/rules") or status_of(person, "/admin/rules?page=2") == 200
    assert status_of(person, "/admin/placements/big") == 200
    answer = live.client.post("/v1/personalize/decisions", json={"placement": "big"}).json()
    assert len(answer["ranking"]) == 100
    assert len(answer["excluded"]) == 200


@pytest.mark.parametrize("path", [
    "/admin/rules/nothing/x", "/admin/placements/nothing", "/admin/decisions/dec_nothing", "/admin/nothing",
    "/admin/placements/" + "x" * 500, "/admin/rules/%F0%9F%8E%89/x",
])  # fmt: skip
def test_unknown_address_has_a_page_with_a_message(empty: Person, path: str) -> None:
    answer = empty.client.get(empty.address(path), follow_redirects=True)
    assert answer.status_code == 404
    assert "<main" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "path", ["/customers/requests/{}/close", "/audit/{}/restore", "/placements/payment_methods/changes/{}/restore"]
)
def test_a_row_that_no_database_can_hold_is_not_there(server: Server, side: Side, path: str):
    person = add_person(server, side)
    for number in (2**63 - 1, 2**63, 10**40):
        assert person.send(f"/admin{path.format(number)}", state="done").status_code == 404
        closed = side.client.post(f"/v1/personalize/requests/{number}/close", json={"state": "done"})
        assert closed.status_code == 404, closed.text


@pytest.mark.parametrize("word", ["new", "edit", "import", "export", "preview"])
def test_an_id_that_is_a_word_of_addresses_opens_its_own_page(server: Server, side: Side, word: str):
    person, label = add_person(server, side), f"Called {word}"
    with_offer(side)
    rule_free = {"context": {}, "expect": {"shown": ["card"]}}
    offer = {**SPRING_OFFER, "code": ""}
    for path, body in (
        ("/v1/lists", {"name": word, "values": [label]}),
        ("/v1/placements", {"key": word, "name": label}),
        ("/v1/budgets", {**examples.BUDGET, "id": word, "name": label}),
        ("/v1/placements/payment_methods/candidates", {"id": word, "label": label}),
        ("/v1/placements/offers/candidates", {"id": word, "label": label, "offer": offer}),
        ("/v1/placements/payment_methods/scenarios", {"id": word, "name": label, **rule_free}),
    ):
        assert side.client.post(path, json=body).status_code == 201
    paths = ("lists", "placements", "budgets", "methods", "offers", "placements/payment_methods/scenarios")
    pages = {path: person.get(f"/admin/{path}/{word}") for path in paths}
    assert {path for path, page in pages.items() if label not in page} == set()


def test_a_form_for_a_new_thing_is_sent_to_its_page(server: Server, side: Side):
    with_offer(side)
    person = add_person(server, side)
    kinds = ("lists", "placements", "budgets", "methods", "offers", "placements/payment_methods/scenarios")
    pages = {kind: person.get(f"/admin/{kind}/-/new") for kind in kinds}
    assert {kind for kind, page in pages.items() if f'action="/admin/live/{kind}/-/new"' not in page} == set()
