"""The pages of experiments: set up, started, looked at, ended; refused with the problem beside its field."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from engine.experiments.checks import is_due
from engine.experiments.results import Results
from engine.model.experiment import Experiment
from engine.model.timestamps import ms_of
from engine.store.experiments import exposures
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person

PLACEMENT = "payment_methods"
LIST = "/admin/experiments"
PAGE = f"{LIST}/{PLACEMENT}/paypal-first"
FORM: dict[str, Any] = {
    "placement": PLACEMENT,
    "act": "save",
    "name": "PayPal first",
    "hypothesis": "PayPal buyers <b>decide</b> faster",
    "variants": "2",
    "v0.id": "control",
    "v0.name": "As it is now",
    "v0.weight": "50",
    "v1.name": "PayPal on top",
    "v1.weight": "50",
    "v1.order": ["paypal", "", ""],
    "unit": "customer",
    "share": "80",
    "layer": "main",
    "primary": "conversion",
    "secondary": ["revenue"],
    "method": "sequential",
    "guard:revenue": "5",
    "minimum_effect_percent": "5",
    "minimum_days": "0",
    "maximum_days": "28",
    "when": "true",
}


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with payment methods."""
    return add_person(server, side)


def create(person: Person, **changes: Any) -> None:
    answer = person.send(f"{LIST}/new", **(FORM | changes))
    assert answer.status_code == 303, answer.text


def act(person: Person, name: str, **values: str) -> None:
    answer = person.send(f"{PAGE}/{name}", **values)
    assert answer.status_code == 303, answer.text


def stored(server: Server, side: Side) -> Experiment:
    document: Experiment = server.run(
        server.engine.experiments.get(side.merchant.id, PLACEMENT, "paypal-first")
    ).document
    return document


def add_up(server: Server) -> None:
    """Bring the sums of experiments up to date, as a job does every few seconds."""

    async def run() -> None:
        async with server.engine.database.write() as connection:
            while await exposures.add_up(connection, limit=1_000):
                pass

    server.run(run())


def test_empty_list_explains_experiments(person: Person) -> None:
    text = person.get(LIST)
    assert "No experiments yet" in text
    assert "/experiments/new" in text
    assert 'href="/admin/live/experiments"' in person.get("/admin/")


def test_the_form_makes_a_draft(server: Server, side: Side, person: Person) -> None:
    create(person)
    document = stored(server, side)
    assert (document.status.state, document.share, document.hypothesis) == ("draft", 0.8, FORM["hypothesis"])
    assert [variant.id for variant in document.variants] == ["control", "paypal-on-top"]
    assert document.variants[1].order == ("paypal",)
    assert document.guardrails[0].metric == "revenue"
    listed = person.get(LIST)
    assert "PayPal first" in listed
    assert "Draft" in listed
    assert "<b>decide</b>" not in person.client.get(person.address(PAGE)).text


def test_page_estimates_the_size_from_the_log(server: Server, person: Person) -> None:
    create(person, counts_log="on")
    assert 'name="counts_log" value="on" checked' in person.get(f"{PAGE}/edit")
    assert "Not asked. The log may know" in person.get(PAGE)
    act(person, "ask-log")
    server.run(server.engine.log_questions.finish())
    text = person.get(f"{PAGE}/checks")
    assert "PayPal on top: cannot be known from the past, because there is no decision in this period." in text
    assert "hx-trigger" not in text
    assert "PayPal on top: cannot be known from the past" in person.get(f"{PAGE}/edit")


def test_every_kind_of_change_is_stored_and_shown_again(server: Server, side: Side, person: Person) -> None:
    changes = {
        "v1.candidates_off": ["ideal"],
        "v1.rules_off": ["no-invoice-for-large-carts"],
        "v1.policy": "fixed",
        "v1.values": "show_cvv = yes\nlimit = 20\nnote = hello there",
        "when": '{"==": [{"var": "geo.country"}, "DE"]}',
    }
    create(person, **changes)
    variant = stored(server, side).variants[1]
    assert (variant.candidates_off, variant.rules_off) == (("ideal",), ("no-invoice-for-large-carts",))
    assert variant.values == {"show_cvv": True, "limit": 20, "note": "hello there"}
    page = person.get(f"{PAGE}/edit")
    assert "note = hello there" in page
    assert "Country is Germany" in page
    assert 'value="ideal" checked' in page


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "Give it a name that says what is tried."),
        ("v1.name", "", "Give it a name, such as PayPal first."),
        ("v1.weight", "0", "Must be a number above 0, such as 50."),
        ("v1.weight", "half", "Must be a number, such as 1.4."),
        ("v1.order", "", "At least one variant must change something."),
        ("v1.candidates_off", ["ideal", "paypal", "card"], "Must leave at least one candidate."),
        ("v1.values", "nonsense", "“nonsense” is not a name and a value, such as show_cvv = yes."),
        ("unit", "device", "Device needs the fact “device.id”: declare it under Fields."),
        ("share", "0", "Must be above 0 and at most 100%."),
        ("layer", "no blanks", "Use letters, digits and _ . : - only"),
        ("guard:revenue", "120", "Must lie between 0 and 100%."),
        ("minimum_effect_percent", "-1", "Must be above 0 and at most 1,000%."),
        ("minimum_days", "40", "Must not be below the shortest run."),
        ("maximum_days", "soon", "Must be a whole number, such as 10."),
        ("when", "{", "Is not JSON at line 1"),
        ("when", '{"==": [{"var": "geo.land"}, "DE"]}', "is not a declared fact"),
    ],
)
def test_problem_is_shown_beside_its_field(person: Person, field: str, value: Any, message: str) -> None:
    answer = person.send(f"{LIST}/new", **(FORM | {field: value}))
    assert answer.status_code == 422
    text = re.sub(r"&#39;|&#34;", "'", answer.text)
    assert message.split("“")[0] in text
    assert 'class="field-error' in text
    assert "PayPal buyers" in text, "what was typed stays"


def test_variants_are_added_and_removed_before_saving(person: Person) -> None:
    form = FORM | {"act": "variant_add"}
    text = person.send(f"{LIST}/new", **form).text
    assert 'name="v2.name"' in text
    three = FORM | {"variants": "3", "v2.name": "Last", "v2.weight": "20", "act": "variant_remove:1"}
    text = person.send(f"{LIST}/new", **three).text
    assert 'name="v2.name"' not in text
    assert 'value="Last"' in text
    assert "PayPal on top" not in text


def test_the_audience_is_built_with_rows(person: Person) -> None:
    text = person.send(f"{LIST}/new", **(FORM | {"act": "add_row:c"})).text
    assert "Choose a fact" in text
    match = re.search(r'name="shown" value="(\w+)"', text)
    assert match
    when = re.search(r'name="when"[^>]*>([^<]*)<', text)
    assert when
    json = when[1].replace("&#34;", '"')
    values = {"placement": PLACEMENT, "shown": match[1], "when": json, "c.0.field": "geo.country"}
    assert "c.0.operator" in person.send(f"{LIST}/audience", **values).text


def test_the_size_follows_the_fields(server: Server, side: Side, person: Person) -> None:
    path = person.address(f"{LIST}/size?placement={PLACEMENT}&share=50&minimum_effect_percent=10&variants=2")
    assert "No customer came in the last 7 days" in person.client.get(path).text
    for number in range(8):
        decision = side.decide(f"c_{number}")
        if number < 4:
            report(side, decision, f"size-{number}")
    text = person.client.get(path).text
    assert re.search(r"[\d,]+ customers, about [\d,]+ days at 4(\.0)? a day", text)
    assert "50.0%" in text
    assert "revenue was €" in person.client.get(f"{path}&primary=revenue").text
    assert "Fill in the numbers" in person.client.get(f"{path}&share=none").text


def report(side: Side, decision: dict[str, Any], event: str) -> None:
    outcome = {
        "event_id": event, "decision_id": decision["decision_id"], "type": "converted",
        "candidate_id": decision["ranking"][0]["id"], "amount": 5000, "currency": "EUR",
    }  # fmt: skip
    answer = side.client.post("/v1/personalize/feedback", json=outcome)
    assert answer.status_code in (200, 201, 202), answer.text


def test_checklist_is_shown_before_the_start(side: Side, person: Person) -> None:
    side.decide()
    create(person)
    text = person.get(PAGE)
    assert "Before you start" in text
    assert "Everybody is in the audience." in text
    assert "Watched: revenue (at most 5% lost)." in text
    create(person, name="Only NL", when='{"==": [{"var": "geo.country"}, "NL"]}')
    assert "is in the audience" in person.get(f"{LIST}/{PLACEMENT}/only-nl")


def test_started_experiment_shows_its_units(server: Server, side: Side, person: Person) -> None:
    create(person, share="100")
    act(person, "start")
    for number in range(30):
        side.decide(f"c_{number}")
    add_up(server)
    text = person.get(PAGE)
    assert "Keep going" in text
    assert "30 customers enrolled, 0% of outcomes in" in text
    assert "p-value" not in text.lower()
    listed = person.get(LIST)
    assert "Running" in listed
    assert "30 customers" in listed


def test_results_are_downloaded_as_csv_and_json(server: Server, side: Side, person: Person) -> None:
    create(person, share="100")
    assert person.client.get(person.address(f"{PAGE}/results.csv")).status_code == 404
    act(person, "start")
    csv = person.client.get(person.address(f"{PAGE}/results.csv"))
    assert csv.text.splitlines()[0].startswith("metric,variant,units")
    json = person.client.get(person.address(f"{PAGE}/results.json"))
    assert msgspec.json.decode(json.content, type=Results).experiment == "paypal-first"
    assert person.client.get(person.address(f"{PAGE}/results.xls")).status_code == 404


def test_experiment_is_paused_resumed_and_stopped_with_reasons(server: Server, side: Side, person: Person) -> None:
    create(person)
    act(person, "start")
    refused = person.send(f"{PAGE}/pause", **{"reason:pause": " "})
    assert refused.status_code == 422
    assert "Give a reason: other people will read it." in refused.text
    act(person, "pause", **{"reason:pause": "Support calls"})
    assert "everybody gets the control: Support calls" in person.get(PAGE)
    act(person, "resume")
    act(person, "stop", **{"reason:stop": "Wrong audience"})
    assert stored(server, side).status.state == "stopped"
    assert person.client.get(person.address(f"{PAGE}/edit")).status_code == 404


def test_the_winner_is_published_then_archived(server: Server, side: Side, person: Person) -> None:
    create(person)
    act(person, "start")
    empty_form = person.send(f"{PAGE}/conclude")
    assert "Choose which variant stays." in empty_form.text
    assert "Say why: others will read it." in empty_form.text
    assert empty_form.text.count(" autofocus>") == 1
    refused = person.send(f"{PAGE}/conclude", **{"reason:conclude": "Enough seen"})
    assert refused.status_code == 422
    assert "Choose which variant stays." in refused.text
    assert 'value="Enough seen"' in refused.text
    act(person, "conclude", winner="paypal-on-top", **{"reason:conclude": "+4%"})
    assert "“PayPal on top” is in force." in person.get(PAGE)
    candidate = side.client.get(f"/v1/placements/{PLACEMENT}/candidates/paypal").json()
    assert candidate["position"] == 0
    act(person, "archive")
    assert "1 archived experiment" in person.get(LIST)
    act(person, "restore")
    assert stored(server, side).status.state == "concluded"


def test_running_experiment_allows_only_harmless_changes(server: Server, side: Side, person: Person) -> None:
    create(person)
    act(person, "start")
    page = f"{PAGE}/edit"
    values = {"name": "PayPal up", "maximum_days": "14", "guard:conversion": "2", "guard:revenue": "", "act": "save"}
    answer = person.send(page, version=person.version(page), **values)
    assert answer.status_code == 303, answer.text
    document = stored(server, side)
    assert (document.name, document.maximum_days, document.share) == ("PayPal up", 14, 0.8)
    assert [guardrail.metric for guardrail in document.guardrails] == ["conversion"]


def test_new_split_starts_a_phase_with_separate_results(server: Server, side: Side, person: Person) -> None:
    create(person)
    act(person, "start")
    form = person.get(f"{PAGE}/edit")
    assert "begins a new phase" in form
    answer = person.send(f"{PAGE}/edit", version=person.version(f"{PAGE}/edit"), **{"v1.weight": "150", "act": "save"})
    assert answer.status_code == 303, answer.text
    document = stored(server, side)
    assert (document.status.phase, document.share, len(document.status.earlier)) == (2, 0.8, 1)
    assert "Phase 2: since" in person.get(PAGE)
    earlier = person.get(f"{PAGE}?phase=1")
    assert "Phase 1 ended without a verdict" in earlier
    assert "Its results stand for themselves." in earlier
    for file in ("csv", "json", "pdf"):
        assert person.client.get(person.address(f"{PAGE}/results.{file}?phase=1")).status_code == 200


def test_two_editors_do_not_overwrite_each_other(server: Server, side: Side, person: Person) -> None:
    create(person)
    page = f"{PAGE}/edit"
    version = person.version(page)
    person.send(page, version=version, **(FORM | {"share": "60"}))
    answer = person.send(page, version=version, **(FORM | {"share": "70"}))
    assert answer.status_code == 409
    assert "saved now: <strong>60</strong>" in answer.text
    assert stored(server, side).share == 0.6


def test_undo_restores_a_deleted_draft(server: Server, side: Side, person: Person) -> None:
    create(person)
    act(person, "delete")
    text = person.get(LIST)
    assert "PayPal first is deleted." in text
    match = re.search(r'action="([^"]+/restore)"', text)
    assert match
    person.send(match[1])
    assert stored(server, side).status.state == "draft"


def test_a_second_person_approves_the_start(server: Server, side: Side, person: Person) -> None:
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tests"))
    create(person)
    page = person.get(PAGE)
    assert "A second person must approve the start." in page
    assert f'action="{person.address(PAGE)}/start"' not in page
    act(person, "ask")
    refused = person.send(f"{PAGE}/approve")
    assert refused.status_code == 403
    assert "another person must approve it" in refused.text
    act(add_person(server, side), "approve")
    act(person, "start")
    assert stored(server, side).status.state == "running"


def test_a_planned_start_is_scheduled_on_its_page(server: Server, side: Side, person: Person) -> None:
    create(person, starts_at="2100-07-01T09:00")
    page = person.get(PAGE)
    assert "Jul 1, 2100, 9:00:00" in page
    assert "once it is approved or scheduled" in page
    act(person, "schedule")
    assert ">Scheduled<" in person.get(PAGE)
    document = stored(server, side)
    assert document.starts_at is not None
    planned = ms_of(document.starts_at)
    assert planned is not None
    assert [is_due(document, planned + late) for late in (-1, 0)] == [False, True]


def test_only_a_draft_with_a_planned_start_is_scheduled(person: Person) -> None:
    create(person)
    assert "Schedule the start" not in person.get(PAGE)
    assert person.send(f"{PAGE}/schedule").status_code == 409


def test_review_enabled_later_stops_a_scheduled_start(server: Server, side: Side, person: Person) -> None:
    create(person, starts_at="2100-07-01T09:00")
    act(person, "schedule")
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tests"))
    assert person.send(f"{PAGE}/start").status_code == 403
    act(person, "send-back")
    assert person.send(f"{PAGE}/schedule").status_code == 403
    assert stored(server, side).status.state == "draft"


def test_viewer_cannot_change_experiments(server: Server, side: Side, person: Person) -> None:
    create(person)
    viewer = add_person(server, side, role="viewer")
    text = viewer.get(PAGE)
    assert "/start" not in text
    assert "/edit" not in text
    assert "/experiments/new" not in viewer.get(LIST)
    for name in ("start", "delete", "archive"):
        assert viewer.send(f"{PAGE}/{name}").status_code == 403
    assert viewer.send(f"{LIST}/new", **FORM).status_code == 403
    assert stored(server, side).status.state == "draft"


def test_a_form_without_its_token_is_refused(server: Server, side: Side, person: Person) -> None:
    create(person)
    assert person.client.post(person.address(f"{PAGE}/start")).status_code == 403
    assert stored(server, side).status.state == "draft"


def test_unknown_action_answers_404(person: Person) -> None:
    create(person)
    assert person.send(f"{PAGE}/explode").status_code == 404
    assert person.send(f"{LIST}/{PLACEMENT}/none/start").status_code == 404
