"""The pages of webhooks: add, change, rotate, test, send again, delete; and who may do so."""

from __future__ import annotations

import re

import pytest

from engine.model.actor import Actor
from engine.model.events.webhook import NewEndpoint
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person

URL = "https://hooks.example.com/T0/secret-path"
VALUES = {"url": URL, "description": "Shop backend", "type:arm.jumped": "on"}
SECRET = re.compile(r'<code id="plain-key">(whsec_[^<]+)</code>')


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


@pytest.fixture
def hook(person: Person, side: Side) -> str:
    """The path of the page of a webhook."""
    assert person.send("/admin/webhooks", **VALUES).status_code == 200
    return f"/admin/webhooks/{side.client.get('/v1/webhooks').json()['items'][0]['id']}"


def test_a_webhook_is_added_and_its_secret_shown_once(side: Side, person: Person) -> None:
    assert "No webhooks yet" in person.get("/admin/webhooks")
    made = person.send("/admin/webhooks", **VALUES)
    secret = SECRET.search(made.text)
    assert secret
    page = person.get("/admin/webhooks")
    assert "Shop backend" in page
    assert secret[1] not in page
    [item] = side.client.get("/v1/webhooks").json()["items"]
    assert (item["url"], item["types"], item["enabled"]) == (URL, ["arm.jumped"], True)


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": ""}, "Type an address"),
        ({"url": "http://hooks.example.com/"}, "Must begin with https://"),
        ({"url": "https://10.0.0.1/"}, "not an IP address"),
        ({"url": "https://me:pw@hooks.example.com/"}, "without a name or password"),
        ({"type:arm.jumped": ""}, "Choose at least one event"),
        ({"description": "x" * 201}, "at most 200"),
        ({"format": "xml"}, "Choose Standard Webhooks or CloudEvents"),
    ],
)
def test_problem_is_shown_beside_its_field(side: Side, person: Person, changes: dict[str, str], message: str) -> None:
    answer = person.send("/admin/webhooks", **{**VALUES, **changes})
    assert answer.status_code == 422
    assert message in answer.text.replace("&#39;", "'")
    assert 'aria-invalid="true"' in answer.text or "types-error" in answer.text
    assert "Shop backend" in answer.text or "description" in changes
    assert side.client.get("/v1/webhooks").json()["items"] == []


def test_all_problems_are_shown_together(person: Person) -> None:
    answer = person.send("/admin/webhooks", url="http://10.0.0.1/")
    assert "not an IP address" in answer.text
    assert "Choose at least one event" in answer.text


def test_a_webhook_is_changed_at_its_version(side: Side, person: Person, hook: str) -> None:
    version = person.version(hook)
    changed = {**VALUES, "type:metric.alert": "on", "version": version, "format": "cloudevents"}
    assert person.send(hook, **changed).status_code == 303
    item = side.client.get("/v1/webhooks").json()["items"][0]
    assert (set(item["types"]), item["enabled"]) == ({"arm.jumped", "metric.alert"}, False)
    assert item["format"] == "cloudevents"
    assert '<option value="cloudevents" selected>' in person.get(hook)
    assert "is off and gets no events" in person.get(hook)
    refused = person.send(hook, **changed)
    assert refused.status_code == 409
    assert "Somebody else has changed this webhook" in refused.text
    wrong = person.send(hook, **{**changed, "url": "nonsense"})
    assert (wrong.status_code, "nonsense" in wrong.text) == (422, True)


def test_the_secret_is_rotated_with_an_overlap(person: Person, hook: str) -> None:
    answer = person.send(f"{hook}/rotate", overlap="24")
    assert SECRET.search(answer.text)
    page = person.get(hook)
    assert "Two secrets sign each message" in page
    assert not SECRET.search(page)


def test_test_message_is_logged_and_can_be_sent_again(server: Server, person: Person, hook: str) -> None:
    assert "Nothing sent yet" in person.get(hook)
    person.send(f"{hook}/test")
    page = person.get(hook)
    assert "endpoint.test" in page
    assert "No such deliveries" in person.get(f"{hook}?state=delivered")
    assert "evt_" not in person.get(f"{hook}?before=1")
    event = re.search(r"evt_(\d+)", page)
    assert event
    again = person.send(f"{hook}/resend", event=event[1])
    assert again.status_code == 303
    assert person.send(f"{hook}/resend", event="1").status_code == 404


def test_a_webhook_is_deleted_once_its_host_is_typed(side: Side, person: Person, hook: str) -> None:
    refused = person.send(f"{hook}/delete", confirm="hooks")
    assert (refused.status_code, "Type hooks.example.com to confirm" in refused.text) == (422, True)
    assert person.send(f"{hook}/delete", confirm="hooks.example.com").status_code == 303
    assert side.client.get("/v1/webhooks").json()["items"] == []


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher"])
def test_only_admins_change_webhooks_and_see_their_paths(server: Server, side: Side, hook: str, role: str) -> None:
    other = add_person(server, side, role=role)
    for path in ("/admin/webhooks", hook):
        page = other.get(path)
        assert "hooks.example.com" in page
        assert "secret-path" not in page
        assert '<form method="post" action="/admin/live/webhooks' not in page
    for path, values in (
        ("/admin/webhooks", VALUES),
        (hook, {**VALUES, "version": "1"}),
        (f"{hook}/rotate", {}),
        (f"{hook}/test", {}),
        (f"{hook}/resend", {}),
        (f"{hook}/delete", {"confirm": "hooks.example.com"}),
    ):
        assert other.send(path, **values).status_code == 403
    assert side.client.get("/v1/webhooks").json()["items"][0]["version"] == 1


def test_disabled_webhook_shows_the_reason(server: Server, side: Side, person: Person, hook: str) -> None:
    webhooks = server.engine.webhooks
    endpoint = server.run(webhooks.get(side.merchant.id, hook.rpartition("/")[2]))
    server.run(webhooks.disable(endpoint, "The receiver answered 410 Gone."))
    assert "The server disabled this webhook. The receiver answered 410 Gone." in person.get(hook)
    assert "Disabled" in person.get("/admin/webhooks")


def test_too_many_webhooks_are_refused_above_the_form(server: Server, side: Side, person: Person) -> None:
    document = NewEndpoint(url=URL, types=("arm.jumped",))
    actor = Actor(side.merchant.id, "tests")
    for _ in range(20):
        server.run(server.engine.webhooks.create(actor, document))
    answer = person.send("/admin/webhooks", **VALUES)
    assert (answer.status_code, "20 endpoints already" in answer.text) == (409, True)
