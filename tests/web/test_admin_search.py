"""Search and filters of rules, decisions and changes; the command palette; the difference of a rollback."""

from __future__ import annotations

import re

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, add_person

RULES = "/v1/placements/payment_methods/rules"
DECISIONS = "/v1/personalize/decisions"
GERMANY = {"==": [{"var": "geo.country"}, "DE"]}


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    for id, when, effect in (
        ("large", {">": [{"var": "cart.total"}, 50_000]}, {"exclude": ["paypal"]}),
        ("german", GERMANY, {"boost": {"candidates": ["card"], "factor": 1.2}}),
        ("risky", {">": [{"var": "risk.score"}, 80]}, {"set": {"name": "show_cvv", "value": True}}),
    ):
        rule = {"id": id, "name": f"About {id}", "when": when, "effects": [effect], "tags": [id[0]]}
        assert side.client.post(RULES, json=rule).status_code == 201
    return add_person(server, side, role="admin")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=paypal", {"large"}),
        ("candidate=card", {"german"}),
        ("fact=risk.score", {"risky"}),
        ("effect=set", {"risky"}),
        ("tag=g", {"german"}),
        ("candidate=paypal&fact=geo.country", set()),
        ("use=fired", set()),
    ],
)
def test_rules_are_filtered_by_effect(person: Person, query: str, names: set[str]) -> None:
    text = plain(person.get(f"/admin/rules?placement=payment_methods&{query}"))
    assert {name for name in ("large", "german", "risky") if f"About {name}" in text} == names
    assert re.search(r"\b\d+ of \d+ rules", text)


def test_rules_are_filtered_by_their_last_editor(person: Person) -> None:
    page = person.get("/admin/rules?placement=payment_methods")
    [author] = set(re.findall(r'<option value="([^"]+)"[^>]*>\1</option>', page[page.index('name="author"') :][:600]))
    assert "About large" in person.get(f"/admin/rules?placement=payment_methods&author={author}")
    assert "No rule fits" in person.get("/admin/rules?placement=payment_methods&author=nobody")


def decide(side: Side, country: str, total: int, *, buys: bool = False) -> str:
    context = {"geo": {"country": country}, "cart": {"total": total, "currency": "EUR"}}
    answer = side.client.post(DECISIONS, json={"placement": "payment_methods", "context": context}).json()
    if buys:
        event = {"event_id": answer["decision_id"], "decision_id": answer["decision_id"], "type": "converted"}
        side.client.post("/v1/personalize/feedback", json=event | {"candidate_id": answer["ranking"][0]["id"]})
    return str(answer["decision_id"])


def listed(person: Person, query: str) -> set[str]:
    return set(re.findall(r'data-href="[^"]+/(dec_[^"]+)"', person.get(f"/admin/decisions?{query}")))


def test_decisions_are_filtered_by_facts_and_candidates(side: Side, person: Person) -> None:
    small, large = decide(side, "DE", 4_000), decide(side, "NL", 60_000)
    bought = decide(side, "DE", 8_000, buys=True)
    assert listed(person, "country=Germany") == {small, bought}
    assert listed(person, "rule=large") == {large}
    assert listed(person, "left_out=paypal") == {large}
    assert listed(person, "least=50&most=100,00") == {bought}
    assert listed(person, "fallback=yes") == set()
    assert listed(person, "until=2020-01-01T00:00") == set()
    assert {small, large, bought} <= listed(person, "since=2020-01-01T00:00")
    text = plain(person.get("/admin/decisions?country=NL"))
    assert "Country: NL" in text
    assert "Netherlands €600.00 None yet" in text
    assert re.search(r"Looked at \d+ decisions, back to .+: that is all of them\.", text)


def test_decisions_are_filtered_by_outcome_and_exported_as_csv(side: Side, person: Person) -> None:
    open_id, bought = decide(side, "DE", 4_000), decide(side, "DE", 8_000, buys=True)
    for _ in range(50):
        if bought in listed(person, "outcome=converted"):
            break
    assert listed(person, "outcome=converted") == {bought}
    assert open_id in listed(person, "outcome=none")
    sent = person.client.get(person.address("/admin/decisions/csv?outcome=converted"))
    head, row = sent.text.strip().splitlines()
    assert head.startswith("decision,decided_at,placement,came_first")
    assert row.startswith(bought)
    assert ",DE,8000,EUR,converted," in row


def test_invalid_filter_explains_the_mistake(person: Person) -> None:
    for query, message in (("country=Germny", "Germany"), ("least=much", "amount"), ("since=today", "Must be a day")):
        answer = person.client.get(person.address(f"/admin/decisions?{query}"))
        assert answer.status_code == 422
        assert message in answer.text, query
        assert "Nothing was searched" in answer.text
        assert "There are no decisions" not in answer.text


def test_changes_are_filtered_by_person_kind_and_day(side: Side, person: Person) -> None:
    page = person.get("/admin/audit?kind=rule")
    assert "About large" in page
    assert "Placement “" not in page
    assert 'href="/admin/live/rules/payment_methods/large"' in page
    [actor] = set(re.findall(r'name="who".*?<option>([^<]+)</option>', page, re.DOTALL))
    assert "About large" in person.get(f"/admin/audit?kind=rule&who={actor}")
    assert "Nothing found" in person.get("/admin/audit?until=2020-01-01")
    assert "Nothing found" in person.get("/admin/audit?who=nobody")
    assert person.client.get(person.address("/admin/audit?since=yesterday")).status_code == 422


def test_a_roll_back_shows_its_difference_first(person: Person, side: Side) -> None:
    versions = person.get("/admin/placements/payment_methods/versions")
    newest, *_ = sorted(map(int, re.findall(r"/versions/(\d+)\?since=", versions)), reverse=True)
    page = plain(person.get(f"/admin/placements/payment_methods/versions/{newest}?since={newest + 1}"))
    assert "Rolling back would change 1 thing" in page
    assert "About risky" in page
    assert "Roll back to this version" in page


def test_command_palette_lists_pages_resources_and_actions(person: Person) -> None:
    assert "Audit log" in person.get("/admin/palette?q=audit")
    assert "/admin/live/rules/payment_methods/large" in person.get("/admin/palette?q=large")
    assert "About large" in person.get("/admin/palette?q=paypal rule")
    palette = person.get("/admin/palette?q=pause+card")
    assert "were paused?" in palette
    assert "/docs" in person.get("/admin/palette?q=documentation")
    assert "Decisions of the customer “c_77”" in person.get("/admin/palette?q=c_77")
    assert 'value="audit"' in person.get("/admin/search?q=audit")


def test_every_page_links_to_help(person: Person) -> None:
    for page in ("/admin/", "/admin/rules", "/admin/decisions", "/admin/keys"):
        text = person.get(page)
        assert 'aria-label="Help"' in text
        assert 'href="/docs"' in text


def test_login_returns_to_the_page_of_the_form(person: Person) -> None:
    page = "/admin/live/rules/payment_methods/large"
    person.client.cookies.clear()
    for headers in (
        {"referer": f"http://shop.example{page}"},
        {"hx-request": "true", "hx-current-url": f"http://x{page}"},
    ):
        answer = person.client.post(page, data={"act": "save"}, headers=headers)
        address = answer.headers.get("location") or answer.headers["hx-redirect"]
        assert address == f"/admin/login?next={page}"
    elsewhere = person.client.post(page, data={}, headers={"referer": "http://other.example/steal"})
    assert elsewhere.headers["location"] == "/admin/login?next=/admin/"
