"""Every page and form of the admin against every caller: a route that is added is tried by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from litestar import Litestar

from engine.model.account import Role
from engine.model.actor import Actor
from engine.model.mailing.alert_recipient import NewAlertRecipient
from engine.model.mailing.report_schedule import NewReportSchedule
from tests.serving import Server, Side
from tests.web.people import PASSWORD, Person, add_person, csrf_in, log_in
from web.openapi import examples

SECRET = "Zanzibar"
PART = re.compile(r"\{(\w+):\w+\}")
OUTSIDE = ("/admin/login", "/admin/join", "/admin/sign-up")
OTHERS_PATHS = ("/admin/test", "/admin/{rest:path}", "/admin/live/{rest:path}")
ENDS_THE_SESSION = "/admin/logout"
ALL_MAY = {
    "/admin/theme",
    "/admin/logout",
    "/admin/profile",
    "/admin/profile/password",
    "/admin/profile/end-sessions",
    "/admin/profile/second-factor",
    "/admin/profile/second-factor/confirm",
    "/admin/profile/second-factor/remove",
    "/admin/live/decisions/{decision_id:str}/replay",
    "/admin/live/rules/{key:str}/{id:str}/try",
    "/admin/live/experiments/{placement:str}/{id:str}/try",
}
"""Forms that everybody may send: they concern the own person, or change nothing."""
ADMINS_ALONE = (
    "/admin/live/keys",
    "/admin/live/team",
    "/admin/live/review",
    "/admin/live/customers",
    "/admin/live/reports",
    "/admin/live/alerts",
    "/admin/live/account",
)


class Route(NamedTuple):
    """A path template of the admin and a method."""

    method: str
    template: str

    def address(self, ids: dict[str, str]) -> str:
        return PART.sub(lambda part: ids[self._name_of(part[1])], self.template)

    def _name_of(self, part: str) -> str:
        """Return the id for a part of a path, which is called `id` in many templates."""
        if "/experiments/" in self.template and part in ("id", "file"):
            return f"experiment_{part}"
        if part != "id":
            return part
        if "/changes/" in self.template or "/rules/" in self.template:
            return "rule"
        kinds = ("scenarios", "emergencies", "candidates", "performance", "methods", "budgets", "offers", "what-if")
        return next(kind for kind in kinds if f"/{kind}/" in self.template)


def routes_of(app: Litestar) -> list[Route]:
    """Every route behind the log-in: those of the live side, and those without a side."""
    return [
        Route(method, route.path)
        for route in app.routes
        if route.path.startswith("/admin/") and not route.path.startswith((*OUTSIDE, *OTHERS_PATHS))
        for method in sorted(set(getattr(route, "methods", ())) & {"GET", "POST"})
    ]


@pytest.fixture(scope="module")
def routes(server: Server) -> list[Route]:
    return routes_of(server.app)


@pytest.fixture(scope="module")
def full(server: Server) -> Side:
    """A merchant whose resources have a secret name."""
    live, _ = server.sides()
    live.create_examples()
    path = "/v1/placements/payment_methods"
    rule = {**examples.RULE, "id": "hidden", "name": f"{SECRET} rule"}
    for address, body in (
        (f"{path}/candidates", {"id": "hidden", "label": f"{SECRET} card", "type": "card"}),
        (f"{path}/rules", rule),
        (f"{path}/experiments", {**examples.EXPERIMENT, "id": "hidden", "name": f"{SECRET} test"}),
        ("/v1/budgets", {**examples.BUDGET, "id": "hidden", "name": f"{SECRET} budget"}),
        ("/v1/lists", {"name": "hidden", "values": [f"{SECRET} value"]}),
        ("/v1/vocabulary", {**examples.FIELD, "name": "cart.hidden", "label": f"{SECRET} field"}),
    ):
        answer = live.client.post(address, json=body)
        assert answer.status_code == 201, answer.text
    server.run(server.engine.accounts.create_key(live.merchant, "secret", f"{SECRET} key", actor_name="tests"))
    return live


@pytest.fixture(scope="module")
def ids(server: Server, full: Side) -> dict[str, str]:
    """The ids in addresses, those of the full merchant."""
    slug = full.merchant.slug
    owner = f"{SECRET}@{slug}.example".lower()
    server.run(server.engine.team.add_user(owner, f"{SECRET} Person", slug, "admin", PASSWORD))
    server.run(server.engine.team.invite(slug, f"{SECRET}-2@{slug}.example", "viewer", actor_name=owner))
    keys = server.run(server.engine.accounts.keys(full.merchant.id))
    entries = server.run(server.engine.catalogue.audit(full.merchant.id, limit=1))
    schedule = NewReportSchedule(
        name=f"{SECRET} report", placement="payment_methods", frequency="daily", recipients=(f"{SECRET}@shop.example",)
    )
    report = server.run(server.engine.mail.schedules.create(Actor(full.merchant.id, owner), schedule))
    own = NewAlertRecipient(recipient=f"{SECRET}@shop.example", types=("metric.alert",))
    alert = server.run(server.engine.mail.alerts.add(Actor(full.merchant.id, owner), own))
    hook = full.client.post("/v1/webhooks", json={**examples.WEBHOOK, "description": f"{SECRET} hook"}).json()["id"]
    return {
        "key": "payment_methods", "kind": "rule", "rule": "hidden", "methods": "hidden", "candidates": "hidden",
        "performance": "hidden", "what-if": "none",
        "budgets": "hidden", "offers": "hidden", "scenarios": "none", "emergencies": "1",
        "number": "1", "name": "hidden", "file": "shares.csv",
        "hook_id": hook, "report_id": report.id, "alert_id": alert.id, "key_id": keys[0].id,
        "decision_id": full.decide()["decision_id"], "entry_id": str(entries[0].id),
        "placement": "payment_methods", "experiment_id": "hidden", "experiment_file": "results.json", "act": "start",
        "person_id": str(server.run(server.engine.team.user(owner)).id),
    }  # fmt: skip


def state_of(server: Server, side: Side) -> tuple[object, ...]:
    """Everything that a form might have changed of a merchant."""
    engine, merchant = server.engine, side.merchant
    configuration = server.run(engine.catalogue.configuration(merchant.id))
    people = [(each.email, each.name, each.role) for each in server.run(engine.team.people(merchant.slug))]
    keys = [(key.id, key.expires_at) for key in server.run(engine.accounts.keys(merchant.id))]
    invited = [each.email for each in server.run(engine.team.invitations(merchant.slug))]
    reports = server.run(engine.mail.schedules.all(merchant.id))
    alerts = server.run(engine.mail.alerts.all(merchant.id))
    return configuration.revision, people, keys, invited, reports, [each.types for each in alerts]


def tried(
    client: httpx.Client, routes: list[Route], ids: dict[str, str], csrf: str
) -> Iterator[tuple[Route, httpx.Response]]:
    """Send each route with a token, the one that ends the session last."""
    for route in sorted(routes, key=lambda route: route.template == ENDS_THE_SESSION):
        data = {"csrf": csrf, "confirm": "x"} if route.method == "POST" else None
        yield route, client.request(route.method, route.address(ids), data=data)


def leads_to_login(answer: httpx.Response) -> bool:
    return answer.status_code == 303 and answer.headers["location"].startswith("/admin/login?next=")


def end_by_password(server: Server, person: Person) -> None:
    server.run(server.engine.team.set_password(person.email, PASSWORD + "!"))


def end_by_removal(server: Server, person: Person) -> None:
    slug = server.run(server.engine.team.user(person.email)).slug
    server.run(server.engine.team.remove(slug, person.email, actor_name="tests"))


def end_by_role(server: Server, person: Person) -> None:
    slug = server.run(server.engine.team.user(person.email)).slug
    server.run(server.engine.team.set_role(slug, person.email, "publisher", actor_name="tests"))


@pytest.mark.parametrize("end", [end_by_password, end_by_removal, end_by_role], ids=lambda end: end.__name__)
def test_ended_session_has_no_access(
    server: Server, full: Side, routes: list[Route], ids: dict[str, str], end: object
) -> None:
    person = add_person(server, full)
    csrf = person.csrf()
    end(server, person)  # type: ignore[operator]
    before = state_of(server, full)
    wrong = [route for route, answer in tried(person.client, routes, ids, csrf) if not leads_to_login(answer)]
    assert wrong == []
    assert state_of(server, full) == before


def test_visitor_has_no_access(server: Server, full: Side, routes: list[Route], ids: dict[str, str]) -> None:
    before = state_of(server, full)
    wrong = [route for route, answer in tried(server.client(), routes, ids, "x") if not leads_to_login(answer)]
    assert wrong == []
    assert len(routes) > 80
    assert state_of(server, full) == before


def test_api_key_has_no_access_to_pages(server: Server, full: Side, routes: list[Route], ids: dict[str, str]) -> None:
    wrong = [route for route, answer in tried(full.client, routes, ids, "x") if not leads_to_login(answer)]
    assert wrong == []


def test_admin_of_another_merchant_has_no_access(
    server: Server, full: Side, routes: list[Route], ids: dict[str, str]
) -> None:
    other_admin = add_person(server, server.sides()[0])
    before, leaks = state_of(server, full), []
    for route, answer in tried(other_admin.client, routes, ids, other_admin.csrf()):
        if answer.status_code >= 500 or SECRET.lower() in answer.text.lower():
            leaks.append(route)
    assert leaks == []
    assert state_of(server, full) == before


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher"])
def test_role_submits_only_permitted_forms(
    server: Server, full: Side, routes: list[Route], ids: dict[str, str], role: Role
) -> None:
    person = add_person(server, full, role=role)
    forms = [route for route in routes if route.method == "POST" and route.template not in ALL_MAY]
    closed = forms if role == "viewer" else [route for route in forms if route.template.startswith(ADMINS_ALONE)]
    before = state_of(server, full)
    answers = {route: answer.status_code for route, answer in tried(person.client, closed, ids, person.csrf())}
    assert {route: status for route, status in answers.items() if status != 403} == {}
    assert len(answers) >= 8
    assert state_of(server, full) == before


@pytest.mark.parametrize("caller", ["no token", "another session's token", "another origin"])
def test_form_without_its_csrf_token_is_refused(
    server: Server, full: Side, routes: list[Route], ids: dict[str, str], caller: str
) -> None:
    person, other = add_person(server, full), add_person(server, full)
    forms = [route for route in routes if route.method == "POST"]
    person.client.headers["origin"] = "https://evil.example" if caller == "another origin" else server.url
    csrf = other.csrf() if caller == "another session's token" else ""
    before = state_of(server, full)
    statuses = {route: answer.status_code for route, answer in tried(person.client, forms, ids, csrf)}
    assert {route: status for route, status in statuses.items() if status != 403} == {}
    assert len(statuses) > 50
    assert state_of(server, full) == before
    assert person.client.get("/admin/live/").status_code == 200


@pytest.mark.parametrize("form", ["/admin/login", "/admin/login/code", "/admin/join/{token}"])
@pytest.mark.parametrize("caller", ["no token", "another browser's token"])
def test_form_before_the_login_without_its_csrf_token_is_refused(
    server: Server, full: Side, form: str, caller: str
) -> None:
    slug, email = full.merchant.slug, f"new@{full.merchant.slug}.example"
    address = form.format(token=server.run(server.engine.team.invite(slug, email, "admin", actor_name="tests")))
    client = server.client()
    client.cookies.set("tap2_step", "1.1.1")
    client.get(address)
    csrf = csrf_in(server.client().get("/admin/login").text) if "browser" in caller else ""
    values = {"csrf": csrf, "name": "New", "email": email, "password": PASSWORD, "code": "000000"}
    assert client.post(address, data=values).status_code == 403
    assert log_in(server.client(), email, PASSWORD).status_code == 401
