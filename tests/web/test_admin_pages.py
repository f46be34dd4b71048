"""The pages without a browser: every action works as a plain form."""

from __future__ import annotations

import json
import re

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person

RULE = {
    "placement": "payment_methods",
    "name": "Hide PayPal for small carts",
    "priority": "5",
    "when": '{"<": [{"var": "cart.total"}, 5000]}',
    "effects": '[{"exclude": ["paypal"]}]',
    "enabled": "on",
}
NEW_RULE = "/admin/live/rules/new"
THE_RULE = "/admin/live/rules/payment_methods/hide-paypal-for-small-carts"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def method(**changes: str) -> dict[str, str]:
    return {"id": "twint", "label": "TWINT", "countries": "nl", "min_amount": "1,50", "fee_fixed": "0.29"} | changes


# Rules


def test_saved_rule_changes_the_next_answer_and_is_listed_in_words(side: Side, person: Person) -> None:
    assert person.send(NEW_RULE, **RULE).status_code == 303
    person.publish()
    assert "Cart total is under €50.00 → PayPal is hidden" in person.get("/admin/rules")
    answer = side.client.post(
        "/v1/personalize/decisions", json={"placement": "payment_methods", "context": {"cart": {"total": 4999}}}
    ).json()
    assert {"id": "paypal", "reason": "hidden by rule “Hide PayPal for small carts”"} in answer["excluded"]


def test_mistake_in_a_rule_is_shown_beside_its_line_and_not_stored(person: Person) -> None:
    when = '{"and": [\n  {"<": [{"var": "cart.totl"}, 5000]},\n  {"is": 1}\n]}'
    answer = person.send(NEW_RULE, **RULE | {"when": when})
    assert answer.status_code == 422
    assert "Line 2" in answer.text
    assert "did you mean cart.total?" in answer.text
    assert "Line 3" in answer.text
    assert "cart.totl" in answer.text, "what was typed is kept"
    assert RULE["name"] not in person.get("/admin/rules")


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Give it a name"),
        ({"priority": "high"}, "whole number"),
        ({"when": '{"<": [1'}, "not JSON"),
        ({"effects": '{"exclude": ["paypal"]}'}, "must be a list of at least one effect"),
        ({"effects": '[{"exclude": ["nobody"]}]'}, "there is no candidate “nobody”"),
        ({"effects": '[{"hide": ["paypal"]}]'}, "must be one of exclude"),
    ],
)
def test_invalid_rule_is_refused_with_a_correction(person: Person, changes: dict[str, str], message: str) -> None:
    answer = person.send(NEW_RULE, **RULE | changes)
    assert answer.status_code == 422
    assert message.lower() in answer.text.lower()


def test_two_editors_never_overwrite_each_other(server: Server, side: Side, person: Person) -> None:
    other = add_person(server, side)
    person.send(NEW_RULE, **RULE)
    opened_at = person.version(THE_RULE)
    assert other.send(THE_RULE, **RULE | {"version": opened_at, "priority": "7"}).status_code == 200
    answer = person.send(THE_RULE, **RULE | {"version": opened_at, "priority": "9"})
    assert answer.status_code == 409
    assert "Someone else saved this while you were editing" in answer.text
    assert 'value="9"' in answer.text, "what was typed is kept"
    assert re.search(r"Priority</dt>\s*<dd>saved now: <strong>7", answer.text), "the two stand side by side"
    assert person.send(THE_RULE, **RULE | {"version": str(int(opened_at) + 1), "priority": "9"}).status_code == 200


def test_a_switch_turns_a_rule_off_and_on(side: Side, person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    path = "/v1/placements/payment_methods/rules/hide-paypal-for-small-carts"
    person.publish()
    person.send(f"{THE_RULE}/toggle", enabled="off")
    person.publish()
    assert side.client.get(path).json()["enabled"] is False
    person.send(f"{THE_RULE}/toggle", enabled="on")
    person.publish()
    assert side.client.get(path).json()["enabled"] is True


def test_deleted_rule_can_be_restored(side: Side, person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    person.publish()
    path = "/v1/placements/payment_methods/rules/hide-paypal-for-small-carts"
    before = side.client.get(path).json()
    person.send(f"{THE_RULE}/delete", version=person.version(THE_RULE))
    person.publish()
    assert side.client.get(path).status_code == 404
    entry = re.search(r'action="(/admin/live/audit/\d+/restore)"', person.get("/admin/audit?q=rule"))
    assert entry, "the audit log offers to take it back"
    person.send(entry.group(1))
    after = side.client.get(path).json()
    assert {name: after[name] for name in ("name", "when", "effects", "priority", "enabled")} == {
        name: before[name] for name in ("name", "when", "effects", "priority", "enabled")
    }


def test_typed_rule_is_described_in_words(person: Person) -> None:
    typed = {**RULE, "act": "typed", "shown": "something else"}
    assert "Cart total is under €50.00 → PayPal is hidden" in person.send(NEW_RULE, **typed).text
    wrong = person.send(NEW_RULE, **typed | {"when": '{"<": [{"var": "cart.totl"}, 1]}'})
    assert "Line 1" in wrong.text


def test_rules_with_one_name_get_ids_of_their_own(side: Side, person: Person) -> None:
    for number in range(3):
        assert person.send(NEW_RULE, **RULE, notes=f"Note {number}").status_code == 303
    person.publish()
    ids = {rule["id"] for rule in side.client.get("/v1/placements/payment_methods/rules").json()["items"]}
    assert {"hide-paypal-for-small-carts", "hide-paypal-for-small-carts-2", "hide-paypal-for-small-carts-3"} <= ids


# Methods


def test_a_new_method_is_stored_as_it_was_typed(side: Side, person: Person) -> None:
    assert person.send("/admin/methods/-/new", **method(enabled="on")).status_code == 303
    stored = side.client.get("/v1/placements/payment_methods/candidates/twint").json()
    assert stored["countries"] == ["NL"]
    assert (stored["min_amount"], stored["max_amount"], stored["fee_fixed"]) == (150, None, 29)
    assert stored["position"] > 0, "it goes behind the others"
    assert "from €1.50" in person.get("/admin/methods")


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ""}, "Give it an id"),
        ({"id": "not an id"}, "Use letters, digits"),
        ({"countries": "Germny"}, "Did you mean Germany?"),
        ({"min_amount": "12.345"}, "“12.345” is not clear: type 12345.00 if you mean 12,345.00 EUR"),
        ({"min_amount": "many"}, "must be an amount in EUR, such as 50.00"),
        ({"min_amount": "10", "max_amount": "5"}, "must not be below"),
        ({"fee_percent": "101"}, "between 0 and 100"),
        ({"fee_percent": "a lot"}, "must be a number"),
        ({"attributes": "wallet"}, "Write “wallet” like this: family: wallet"),
        ({"attributes": "größe: klein"}, "Write “größe: klein” like this: family: wallet"),
        ({"attributes": "\n".join(f"a{n}: x" for n in range(11))}, "At most 10 lines"),
        ({"id": "card"}, "there is already a candidate “card”"),
    ],
)
def test_a_wrong_method_is_refused_beside_its_field(person: Person, changes: dict[str, str], message: str) -> None:
    answer = person.send("/admin/methods/-/new", **method(**changes))
    assert answer.status_code in (409, 422)
    assert message.lower() in answer.text.lower()
    assert 'aria-invalid="true"' in answer.text


def test_attributes_of_a_method_are_stored_and_shown_again(side: Side, person: Person) -> None:
    person.send("/admin/methods/-/new", **method(attributes="Family: wallet\ninstalments: 3\nfee shown: 1,5"))
    stored = side.client.get("/v1/placements/payment_methods/candidates/twint").json()
    assert stored["attributes"] == {"family": "wallet", "instalments": 3, "fee_shown": 1.5}
    assert "family: wallet\ninstalments: 3\nfee_shown: 1.5</textarea>" in person.get("/admin/methods/twint")


def test_saved_method_is_shown_unchanged(person: Person) -> None:
    person.send("/admin/methods/-/new", **method(max_amount="1000.10", fee_percent="1.4", devices="mobile, tablet"))
    texts = dict(re.findall(r'name="(\w+)" type="text"\s+value="([^"]*)"', person.get("/admin/methods/twint")))
    assert texts["min_amount"] == "1.50"
    assert texts["max_amount"] == "1000.10"
    assert texts["fee_percent"] == "1.4"
    assert texts["devices"] == "mobile, tablet"


def test_moving_a_method_up_changes_the_default_order(side: Side, person: Person) -> None:
    def order() -> list[str]:
        items = side.client.get("/v1/placements/payment_methods/candidates").json()["items"]
        return [item["id"] for item in sorted(items, key=lambda item: (item["position"], item["id"]))]

    before = order()
    person.send(f"/admin/methods/{before[1]}/move", direction="up")
    assert order() == [before[1], before[0], *before[2:]]
    person.send(f"/admin/methods/{before[1]}/move", direction="up")
    assert order() == [before[1], before[0], *before[2:]], "the first stays first"


def test_text_of_a_merchant_is_escaped(person: Person) -> None:
    person.send("/admin/methods/-/new", **method(label="<script>alert(1)</script>"))
    raw = person.client.get("/admin/live/methods").text
    assert "<script>alert(1)</script>" not in raw
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in raw


def test_earlier_version_can_be_published_again(side: Side, person: Person) -> None:
    before = side.decide()["plan_version"]
    person.send(NEW_RULE, **RULE)
    person.publish()
    assert side.decide()["plan_version"] > before
    person.send("/admin/placements/payment_methods/roll-back", version=str(before))
    assert side.decide()["plan_version"] == before + 2


def test_monitor_shows_learned_rates(server: Server, side: Side, person: Person) -> None:
    assert "Nothing learned yet" in person.get("/admin/placements/payment_methods")
    decision = side.decide()
    chosen = decision["ranking"][0]["id"]
    event = {"event_id": "e1", "decision_id": decision["decision_id"], "type": "converted", "candidate_id": chosen}
    assert side.client.post("/v1/personalize/feedback", json=event).status_code == 202
    server.run(server.engine.live.refresh(at_once=True))
    group = re.search(r'<option value="([^"]+)"', person.get("/admin/placements/payment_methods"))
    assert group
    text = person.get(f"/admin/placements/payment_methods/arms?bucket={group[1]}")
    assert "1 try so far" in text
    charts = dict(re.findall(r'<script type="application/json" data-chart="([\w-]+)">(.*?)</script>', text))
    rows = json.loads(charts["chart-estimates"])["data"]["values"]
    assert max(rows, key=lambda row: row["mean"])["candidate"] == decision["ranking"][0]["label"]


# Decisions


def test_a_decision_is_found_by_its_id_and_by_its_customer(side: Side, person: Person) -> None:
    decision = side.decide("c_known")["decision_id"]
    side.decide("c_other")
    straight = person.client.get("/admin/live/decisions", params={"q": decision})
    assert straight.headers["location"] == f"/admin/live/decisions/{decision}"
    text = person.get("/admin/decisions?q=c_known")
    assert text.count(f'data-href="/admin/live/decisions/{decision}"') == 1
    assert text.count("data-href=") == 1
    assert "Nothing found" in person.get("/admin/decisions?q=c_nobody")
    assert "Decision not found" in person.get("/admin/decisions?q=dec_nothing")


def test_decision_explains_its_rules_and_excluded_candidates(side: Side, person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    person.publish()
    body = {"placement": "payment_methods", "context": {"cart": {"total": 4200, "currency": "EUR"}}}
    decision = side.client.post("/v1/personalize/decisions", json=body).json()["decision_id"]
    text = person.get(f"/admin/decisions/{decision}")
    assert "1 rule fired" in text
    assert "Hidden by rule “Hide PayPal for small carts”" in text
    assert "€42.00" in text, "the fact that the clause saw"
    assert text.count("Cart total is under €50.00") == 2, "the sentence and its clause say amounts alike"
    assert "Position 1" in text, "the chances by slot"


def test_trace_shows_amounts_with_their_currency(side: Side, person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    person.publish()
    body = {"placement": "payment_methods", "context": {"cart": {"total": 4200, "currency": "EUR"}}}
    answer = side.client.post("/v1/personalize/decisions?explain=true", json=body).json()
    rule = next(item for item in answer["trace"]["rules"] if item["verdict"] == "fired")
    assert rule["sentence"] == "Cart total is under EUR 50.00 → PayPal is hidden"
    later = side.client.get(f"/v1/decisions/{answer['decision_id']}?explain=true").json()
    assert rule in later["trace"]["rules"]


def test_a_rule_that_lacked_its_fact_is_shown_as_skipped(side: Side, person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    person.publish()
    decision = side.client.post("/v1/personalize/decisions", json={"placement": "payment_methods"}).json()
    text = person.get(f"/admin/decisions/{decision['decision_id']}")
    assert "Cart total is missing or has the wrong type." in text


def test_replay_gives_the_same_answer_after_rules_changed(side: Side, person: Person) -> None:
    decision = side.decide()["decision_id"]
    person.send(NEW_RULE, **RULE)
    person.publish()
    assert "Replay: identical." in person.send(f"/admin/decisions/{decision}/replay").text


def test_pages_of_decisions_follow_each_other_without_gaps(side: Side, person: Person) -> None:
    made = {side.decide()["decision_id"] for _ in range(30)}
    first = person.get("/admin/decisions")
    match = re.search(r'href="(/admin/live/decisions\?before=[^"]+)"', first)
    assert match
    seen = re.findall(r'data-href="/admin/live/decisions/(dec_\w+)"', first + person.get(match.group(1)))
    assert sorted(seen) == sorted(made)


# Fields, keys, audit


def test_a_declared_field_can_be_read_by_the_next_rule(person: Person) -> None:
    field = {"name": "cart.weight", "type": "number", "label": "Weight", "unit": "kg", "examples": "1.5"}
    assert person.send("/admin/fields/new", **field).status_code == 303
    rule = RULE | {"when": '{">": [{"var": "cart.weight"}, 30]}'}
    assert person.send(NEW_RULE, **rule).status_code == 303
    assert "Weight is over 30 → PayPal is hidden" in person.get("/admin/rules")


def test_a_field_that_a_rule_reads_cannot_be_deleted(person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    path = "/admin/live/fields/cart.total"
    answer = person.send(f"{path}/delete", version=person.version(path))
    assert answer.status_code == 422
    assert "still in use" in answer.text
    person.get(path)


def test_a_key_is_shown_once_and_works(server: Server, person: Person) -> None:
    made = person.send("/admin/keys", name="Web shop", kind="secret").text
    [plain] = set(re.findall(r'id="plain-key">(sk_live_\w+)<', made))
    assert server.client(plain).get("/v1/placements").status_code == 200
    assert plain not in person.get("/admin/keys")
    assert "Web shop" in person.get("/admin/keys")


def test_a_key_form_that_is_sent_twice_leaves_one_key(server: Server, person: Person) -> None:
    pages = [person.send("/admin/keys", name="App", kind="secret").text for _ in range(2)]
    unseen, shown = (re.findall(r'id="plain-key">(\w+)<', page)[0] for page in pages)
    assert server.client(unseen).get("/v1/placements").status_code == 401
    assert server.client(shown).get("/v1/placements").status_code == 200


def test_rotated_key_works_during_the_overlap_and_revoked_key_does_not(server: Server, person: Person) -> None:
    old = re.findall(r'id="plain-key">(\w+)<', person.send("/admin/keys", name="Shop", kind="secret").text)[0]
    ids = dict(re.findall(r'action="/admin/live/keys/(\w+)/(rotate)"', person.get("/admin/keys")))
    [shop] = [id for id in ids if _hint_of(person, id).startswith(old[:12])]
    new = re.findall(r'id="plain-key">(\w+)<', person.send(f"/admin/keys/{shop}/rotate", overlap="24").text)[0]
    assert all(server.client(key).get("/v1/placements").status_code == 200 for key in (old, new))
    assert person.send(f"/admin/keys/{shop}/revoke", confirm="wrong").status_code == 422
    person.send(f"/admin/keys/{shop}/revoke", confirm=old[-4:])
    assert server.client(old).get("/v1/placements").status_code == 401
    assert server.client(new).get("/v1/placements").status_code == 200


def _hint_of(person: Person, key_id: str) -> str:
    text = person.get("/admin/keys")
    return re.findall(r'class="mono">([^<]+)</small>', text[: text.index(f"/admin/live/keys/{key_id}/rotate")])[-1]


def test_every_change_is_in_the_audit_log_with_before_and_after(person: Person) -> None:
    person.send(NEW_RULE, **RULE)
    person.publish()
    person.send(THE_RULE, **RULE | {"version": "1", "priority": "8"})
    person.publish()
    text = person.get("/admin/audit?q=hide-paypal")
    assert person.email in text
    assert "removed: </span>priority: 5" in text
    assert "added: </span>priority: 8" in text


def test_search_finds_resources_by_name_and_decisions_by_id(side: Side, person: Person) -> None:
    assert 'href="/admin/live/methods/paypal"' in person.get("/admin/live/search?q=PAYP")
    assert "Nothing found" in person.get("/admin/search?q=zzz")
    decision = side.decide()["decision_id"]
    assert person.client.get("/admin/live/search", params={"q": decision}).headers["location"].endswith(decision)


def test_a_theme_is_remembered_and_rendered_by_the_server(person: Person) -> None:
    person.send("/admin/theme", theme="dark", back="/admin/rules")
    assert 'data-bs-theme="dark"' in person.get("/admin/rules")


def test_figures_follow_the_viewers_locale_and_times_show_the_merchants_zone(person: Person) -> None:
    person.send("/admin/methods/-/new", **method())
    person.client.headers["accept-language"] = "de-DE"
    assert "1,50\xa0€" in person.get("/admin/methods")
    assert "All times in Europe/Berlin" in person.get("/admin/methods")


# Fields


def test_a_field_that_is_not_understood_is_marked(server: Server, side: Side, person: Person) -> None:
    body = {"placement": "payment_methods", "context": {"cart": {"total": 620.5}}}
    assert side.client.post("/v1/personalize/decisions", json=body).status_code == 200
    assert "Not understood" not in person.get("/admin/fields")
    server.run(server.engine.faulty_facts.flush())
    page = person.get("/admin/fields")
    assert page.count("Not understood") == 1
