"""Experiments over HTTP: the whole life of one, its results, and what other merchants and browsers may."""

from __future__ import annotations

import html
import re

from tests.serving import Server, Side
from tests.web.people import add_person

EXPERIMENTS = "/v1/placements/payment_methods/experiments"
PAYPAL_FIRST = {
    "id": "paypal-first",
    "name": "PayPal first",
    "minimum_days": 0,
    "variants": [
        {"id": "control", "name": "As it is", "policy": {"type": "fixed"}},
        {"id": "paypal", "name": "PayPal first", "policy": {"type": "fixed"}, "order": ["paypal"]},
    ],
}


def create(side: Side, **changes: object) -> dict:
    answer = side.client.post(EXPERIMENTS, json=PAYPAL_FIRST | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def act(side: Side, action: str, *, id: str = "paypal-first", status: int = 200, **body: object) -> dict:
    answer = side.client.post(f"{EXPERIMENTS}/{id}/{action}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_an_experiment_runs_from_draft_to_winner(side: Side):
    created = create(side)
    assert (created["status"]["state"], created["version"]) == ("draft", 1)
    assert act(side, "start")["status"]["state"] == "running"
    decision = side.decide("anna")
    [entry] = decision["experiments"]
    assert entry["id"] == "paypal-first"
    variant = side.client.get(f"{EXPERIMENTS}/paypal-first/variant", params={"customer_id": "anna"}).json()
    assert variant == {"experiment": "paypal-first", "phase": 1, "variant": entry["variant"]}
    act(side, "pause", reason="calls")
    assert side.decide("anna")["experiments"] == []
    act(side, "resume")
    done = act(side, "conclude", winner="paypal", reason="more sales")
    assert done["status"]["winner"] == "paypal"
    assert side.decide("bert")["ranking"][0]["id"] == "paypal"
    assert act(side, "archive")["status"]["state"] == "archived"
    assert act(side, "restore")["status"]["state"] == "concluded"


def test_the_size_counts_the_audience(side: Side):
    for name in ("anna", "bert"):
        side.decide(name)
    narrow = {"==": [{"var": "geo.country"}, "FR"]}
    sizes = [side.client.post(f"{EXPERIMENTS}/size", json=PAYPAL_FIRST | {"audience": each}) for each in (None, narrow)]
    assert [size.json()["units_a_day"] for size in sizes] == [2, 2]
    assert sizes[0].json()["enrolled_a_day"] == 2
    assert sizes[1].json()["enrolled_a_day"] < 0.001
    refused = side.client.post(f"{EXPERIMENTS}/size", json=PAYPAL_FIRST | {"audience": 5})
    assert (refused.status_code, refused.json()["field"]) == (400, "audience")


def test_stored_looks_are_listed_and_read(server: Server, side: Side):
    create(side)
    act(side, "start")
    side.decide("anna")
    act(side, "stop", reason="enough")
    server.run(server.engine.supervisor.run())
    address = f"{EXPERIMENTS}/paypal-first"
    [look] = side.client.get(f"{address}/looks").json()["items"]
    assert (look["number"], look["verdict"]["kind"]) == (1, "too_few")
    stored = side.client.get(f"{address}/results", params={"look": 1}).json()
    assert stored["as_of"] == look["as_of"]
    assert sum(variant["units"] for variant in stored["variants"]) == 1
    for parameters, status in (({"look": 2}, 404), ({"look": -1}, 400), ({"phase": 2}, 404)):
        assert side.client.get(f"{address}/results", params=parameters).status_code == status


def test_results_are_a_single_look(side: Side):
    create(side)
    act(side, "start")
    look = side.client.get(f"{EXPERIMENTS}/paypal-first/results").json()
    assert look["verdict"]["kind"] == "too_few"
    assert [variant["id"] for variant in look["variants"]] == ["control", "paypal"]
    assert look["comparisons"][0]["low"] is None


def test_results_of_an_earlier_phase_stay(side: Side):
    create(side)
    act(side, "start")
    variants = [{**variant, "weight": weight} for variant, weight in zip(PAYPAL_FIRST["variants"], (3, 1), strict=True)]
    path, any_version = f"{EXPERIMENTS}/paypal-first", {"If-Match": "*"}
    changed = side.client.put(path, json=PAYPAL_FIRST | {"variants": variants}, headers=any_version)
    assert changed.status_code == 200, changed.text
    assert changed.json()["status"]["phase"] == 2
    looks = [side.client.get(f"{path}/results", params={"phase": phase}).json() for phase in (0, 1, 2)]
    assert [look["phase"] for look in looks] == [2, 1, 2]
    assert [look["variants"][0]["expected_share"] for look in looks] == [0.75, 0.5, 0.75]
    assert side.client.get(f"{path}/results", params={"phase": 3}).status_code == 404
    refused = side.client.put(path, json=PAYPAL_FIRST | {"layer": "other", "variants": variants}, headers=any_version)
    assert refused.status_code == 409
    assert "layer cannot change" in refused.json()["detail"]


def test_size_follows_from_the_log(side: Side):
    side.decide("anna")
    answer = side.client.post(f"{EXPERIMENTS}/size", json=PAYPAL_FIRST)
    assert answer.status_code == 200, answer.text
    assert answer.json()["units_a_day"] == 1.0
    decision = side.decide("bert")
    bought = {"event_id": "e1", "decision_id": decision["decision_id"], "type": "converted", "candidate_id": "card"}
    assert side.client.post("/v1/personalize/feedback", json=bought).status_code == 202
    answer = side.client.post(f"{EXPERIMENTS}/size", json=PAYPAL_FIRST).json()
    units = answer["units"]
    assert units["fixed"] < units["group_sequential"] < units["sequential"]
    assert answer["days"] == units["sequential"] / answer["enrolled_a_day"]


def test_log_is_queried_before_the_start(side: Side, server: Server):
    create(side, counts_log=True, variants=[{"id": "a", "name": "A"}, PAYPAL_FIRST["variants"][1]])
    assert side.client.get(f"{EXPERIMENTS}/paypal-first/log").json()["items"][0]["state"] == "not_asked"
    assert act(side, "ask-log", status=202)["items"][0]["variant"] == "paypal"
    server.run(server.engine.log_questions.finish())
    [answer] = side.client.get(f"{EXPERIMENTS}/paypal-first/log").json()["items"]
    assert (answer["state"], answer["lift"]) == ("done", None)
    assert answer["refused"] == "there is no decision in this period"


def test_a_control_with_changes_cannot_be_predicted(side: Side):
    create(side)
    assert "control changes something" in act(side, "ask-log", status=409)["detail"]


def test_a_status_that_is_sent_is_ignored(side: Side):
    assert create(side, status={"state": "running"})["status"]["state"] == "draft"
    assert side.decide("anna")["experiments"] == []


def test_problems_name_their_fields(side: Side):
    wrong = PAYPAL_FIRST | {"variants": [{"id": "a", "name": "A"}, {"id": "b", "name": "B", "order": ["pay"]}]}
    answer = side.client.post(EXPERIMENTS, json=wrong)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == "variants/1"


def test_actions_that_the_state_forbids_are_conflicts(side: Side):
    create(side)
    assert "draft" in act(side, "pause", reason="calls", status=409)["detail"]
    act(side, "start")
    assert act(side, "start", status=409)
    assert act(side, "pause", status=400)["errors"][0]["field"] == "reason"


def test_other_merchants_have_no_access(side: Side, server: Server):
    create(side)
    other, _ = server.sides()
    assert other.client.get(f"{EXPERIMENTS}/paypal-first").status_code == 404
    assert other.client.get("/v1/experiments").json() == {"items": []}
    assert other.client.post(f"{EXPERIMENTS}/paypal-first/start", json={}).status_code == 404


def test_a_customers_variants_are_shown_at_once(side: Side, server: Server):
    create(side)
    act(side, "start")
    [entry] = side.decide("anna")["experiments"]
    [given] = side.client.post("/v1/personalize/variants", json={"customer_id": "anna"}).json()["experiments"]
    assert (given["placement"], given["experiment"], given["variant"]) == (
        "payment_methods",
        "paypal-first",
        entry["variant"],
    )
    query = {"customer_id": "anna", "device": "mobile"}
    assert side.client.get("/v1/personalize/variants", params=query).json()["experiments"] == [given]
    assert side.client.post("/v1/personalize/variants", json={}).json() == {"experiments": []}
    with server.client(side.new_key()) as browser:
        assert browser.post("/v1/personalize/variants", json={"customer_id": "anna"}).status_code == 403


def test_a_conversion_without_a_decision_is_counted_once(side: Side):
    create(side)
    act(side, "start")
    side.decide("anna")
    purchase = {"event_id": "order-1", "unit": "anna", "amount": 900, "currency": "EUR"}
    expected = {"event_id": "order-1", "counted": True, "message": ""}
    assert act(side, "conversion", status=202, **purchase) == expected | {"status": "recorded"}
    assert act(side, "conversion", status=202, **purchase) == expected | {"status": "duplicate"}
    assert act(side, "conversion", status=400, **purchase | {"amount": 10**12})["errors"][0]["field"] == "amount"
    assert act(side, "conversion", status=404, id="other", **purchase)


def test_a_conversion_without_a_decision_is_refunded_once(side: Side, server: Server):
    create(side)
    act(side, "start")
    side.decide("anna")
    act(side, "conversion", status=202, event_id="order-1", unit="anna", amount=900, currency="EUR")
    refund = {"event_id": "refund-1", "purchase_event_id": "order-1", "amount": 400}
    expected = {"event_id": "refund-1", "counted": True, "left": 500, "message": ""}
    assert act(side, "refund", status=202, **refund) == expected | {"status": "recorded"}
    assert act(side, "refund", status=202, **refund) == expected | {"status": "duplicate"}
    excess = act(side, "refund", status=400, **refund | {"event_id": "refund-2", "amount": 501})
    assert excess["errors"] == [
        {"field": "amount", "message": "must be at most 500 minor units, which is what is left of the purchase"}
    ]
    missing = act(side, "refund", status=404, **refund | {"purchase_event_id": "order-2"})
    assert (missing["field"], "order-2" in missing["detail"]) == ("purchase_event_id", True)
    for wrong in ({"amount": 0}, {"amount": -1}, {"amount": "400"}, {"event_id": ""}, {"amount": 10**30}, {"more": 1}):
        assert act(side, "refund", status=400, **refund | wrong)
    with server.client(side.new_key()) as browser:
        assert browser.post(f"{EXPERIMENTS}/paypal-first/refund", json=refund).status_code == 403


def test_browsers_report_conversions_where_the_merchant_allows_them(side: Side, server: Server):
    create(side)
    act(side, "start")
    side.decide("anna")
    path = f"{EXPERIMENTS}/paypal-first/conversion"
    purchase = {"event_id": "order-1", "unit": "anna", "amount": 900, "currency": "EUR"}
    with server.client(side.new_key()) as browser:
        assert browser.post(path, json=purchase).json()["field"] == "event_id"
        server.run(server.engine.accounts.set_browser_purchases(side.merchant, 1_000, actor_name="tester"))
        assert browser.post(path, json=purchase | {"amount": 1_001}).json()["field"] == "amount"
        assert browser.post(path, json=purchase).json()["field"] == "customer_token"
        token = side.client.post("/v1/personalize/customer-tokens", json={"customer_id": "anna"}).json()
        proven = purchase | {"customer_token": token["customer_token"]}
        assert browser.post(path, json=proven).json()["counted"] is True


def test_bandit_reports_exact_chances_and_keeps_assignments(side: Side):
    create(side, allocation="bandit", floor=0.1)
    act(side, "start")
    variant = f"{EXPERIMENTS}/paypal-first/variant"
    assert side.client.get(variant, params={"customer_id": "anna"}).json()["variant"] is None
    [first] = side.decide("anna")["experiments"]
    [again] = side.decide("anna")["experiments"]
    assert (first["chance"], again["chance"], again["variant"]) == ("0.5", "1.0", first["variant"])
    assert side.client.get(variant, params={"customer_id": "anna"}).json()["variant"] == first["variant"]
    look = side.client.get(f"{EXPERIMENTS}/paypal-first/results").json()
    assert (look["verdict"]["kind"], look["segments"]) == ("too_few", [])
    refused = side.client.post(EXPERIMENTS, json=PAYPAL_FIRST | {"id": "b", "allocation": "bandit", "method": "fixed"})
    assert refused.json()["errors"][0]["field"] == "method"


def test_the_checklist_is_that_of_the_page(side: Side, server: Server):
    create(side)
    side.decide("anna")
    points = side.client.get(f"{EXPERIMENTS}/paypal-first/checklist").json()["items"]
    ids = ["audience", "layer", "variants", "log", "size", "weeks", "guardrails"]
    assert [point["id"] for point in points] == ids
    assert [point["done"] for point in points] == [True, True, True, True, False, False, False]
    assert [point["id"] for point in points if point["needed"]] == ["layer"]
    page = add_person(server, side).get("/admin/live/experiments/payment_methods/paypal-first")
    shown = re.findall(r'<p dir="auto">(.*?)</p>', page[page.index('id="checks"') :])
    assert [point["detail"] for point in points] == [html.unescape(text) for text in shown[: len(points)]]
    assert side.client.get(f"{EXPERIMENTS}/other/checklist").status_code == 404


def test_layers_list_their_experiments_and_free_share(side: Side):
    create(side, share=0.3)
    create(side, id="second", share=0.2)
    create(side, id="third", layer="other")
    act(side, "start")
    act(side, "start", id="second")
    act(side, "pause", id="second", reason="calls")
    main, other = side.client.get("/v1/placements/payment_methods/layers").json()["items"]
    assert (main["layer"], main["free"], main["largest_free"]) == ("main", 0.5, 0.5)
    assert [(part["experiment"], part["state"], part["begins"], part["share"]) for part in main["parts"]] == [
        ("paypal-first", "running", 0.0, 0.3),
        ("second", "paused", 0.3, 0.2),
    ]
    assert other == {"layer": "other", "free": 1.0, "largest_free": 1.0, "parts": []}
    act(side, "stop", reason="enough")
    [main, _] = side.client.get("/v1/placements/payment_methods/layers").json()["items"]
    assert (main["free"], main["largest_free"]) == (0.8, 0.5)
    assert side.client.get("/v1/placements/none/layers").status_code == 404


def test_a_start_is_scheduled(side: Side):
    create(side, starts_at="2099-01-01T00:00:00Z")
    assert act(side, "schedule")["status"]["state"] == "approved"
    assert act(side, "send-back")["status"]["state"] == "draft"


def test_a_running_variant_keeps_its_candidates_and_rules(side: Side):
    rule_off = {"id": "no-rule", "name": "Without the rule", "rules_off": ["no-invoice-for-large-carts"]}
    create(side, variants=[*PAYPAL_FIRST["variants"], rule_off])
    act(side, "start")
    placement, any_version = "/v1/placements/payment_methods", {"If-Match": "*"}
    for path, name in (("candidates/paypal", "candidate “paypal”"), ("rules/no-invoice-for-large-carts", "rule “no-")):
        refused = side.client.delete(f"{placement}/{path}", headers=any_version)
        assert refused.status_code == 400, refused.text
        assert f"names {name}" in refused.json()["detail"]
        assert refused.json()["field"] == "experiment paypal-first of payment_methods"
    assert side.client.delete(f"{placement}/candidates/ideal", headers=any_version).status_code == 204
    act(side, "conclude", winner="control", reason="done")
    assert side.client.delete(f"{placement}/candidates/paypal", headers=any_version).status_code == 204
