"""The team page: invitations, roles, removal; and the page behind an invitation's link."""

from __future__ import annotations

import re

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.serving import Server, Side
from tests.web.people import PASSWORD, Person, add_person, csrf_in, log_in

LINK = re.compile(r'id="invitation-link">([^<]+)<')
NEW_PASSWORD = "four words make a wall"


def changes(kind: str) -> float:
    return REGISTRY.get_sample_value("tap2_people_changes_total", {"change": kind}) or 0.0


def id_of(server: Server, email: str) -> int:
    return server.run(server.engine.team.user(email)).id


def invitation_link(admin: Person, email: str, role: str = "editor") -> str:
    answer = admin.send("/admin/team/invite", email=email, role=role)
    assert answer.status_code == 200, answer.text
    match = LINK.search(answer.text)
    assert match
    return match[1]


def join(client: httpx.Client, link: str, **values: str) -> httpx.Response:
    csrf = csrf_in(client.get(link).text)
    return client.post(link, data={"csrf": csrf, "name": "Noor", "password": NEW_PASSWORD, **values})


def test_invited_person_joins_by_the_link_once(server: Server, side: Side) -> None:
    admin = add_person(server, side)
    before = changes("joined")
    email = f"noor@{side.merchant.slug}.example"
    link = invitation_link(admin, email)
    assert email in admin.get("/admin/team")
    assert "invitation-link" not in admin.get("/admin/team"), "the link is shown once"
    client = server.client()
    answer = join(client, link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    assert "Noor" in Person(client, email).get("/admin/team")
    assert log_in(server.client(), email, NEW_PASSWORD).status_code == 303
    assert server.client().get(link).status_code == 403
    assert changes("joined") == before + 1


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"password": "123456789012"}, 422, "easy to guess"),
        ({"password": "short"}, 422, "at least 12"),
        ({"name": " "}, 422, "name that your colleagues use"),
        ({"csrf": "wrong"}, 403, "has expired"),
    ],
)
def test_wrong_form_does_not_use_the_invitation(
    server: Server, side: Side, values: dict[str, str], status: int, message: str
) -> None:
    link = invitation_link(add_person(server, side), f"noor@{side.merchant.slug}.example")
    client = server.client()
    answer = join(client, link, **values)
    assert answer.status_code == status
    assert message in answer.text
    assert join(client, link).status_code == 303


def test_revoked_and_invented_links_do_not_work(server: Server, side: Side) -> None:
    admin = add_person(server, side)
    email = f"noor@{side.merchant.slug}.example"
    link = invitation_link(admin, email)
    assert admin.send("/admin/team/withdraw", email=email).status_code == 303
    for address in (link, "/admin/join/invented"):
        answer = server.client().get(address)
        assert answer.status_code == 403
        assert "Ask for a new one" in answer.text


@pytest.mark.parametrize("email", ["", "no address"])
def test_invalid_address_is_refused_beside_its_field(server: Server, side: Side, email: str) -> None:
    answer = add_person(server, side).send("/admin/team/invite", email=email, role="viewer")
    assert answer.status_code == 422
    assert 'id="field-email-error"' in answer.text


def test_person_with_an_account_is_not_invited_again(server: Server, side: Side) -> None:
    admin = add_person(server, side)
    answer = admin.send("/admin/team/invite", email=admin.email, role="viewer")
    assert answer.status_code == 409
    assert "account with this e-mail address exists already" in answer.text


def test_changed_role_logs_the_person_out(server: Server, side: Side) -> None:
    admin, person = add_person(server, side), add_person(server, side, role="viewer")
    answer = admin.send(f"/admin/team/{id_of(server, person.email)}/role", role="editor")
    assert answer.status_code == 303
    assert person.client.get("/admin/live/").status_code == 303
    log_in(person.client, person.email, PASSWORD)
    assert "/new" in Person(person.client, person.email, "test").get("/admin/methods")


def test_removed_person_loses_access_at_once(server: Server, side: Side) -> None:
    admin, person = add_person(server, side), add_person(server, side, role="viewer")
    path = f"/admin/team/{id_of(server, person.email)}/remove"
    assert admin.send(path, confirm="Somebody").status_code == 422
    assert person.client.get("/admin/live/").status_code == 200
    assert admin.send(path, confirm="Person").status_code == 303
    assert person.client.get("/admin/live/").headers["location"].startswith("/admin/login")
    assert log_in(server.client(), person.email, PASSWORD).status_code == 401
    assert person.email not in admin.get("/admin/team")


def test_last_admin_cannot_leave_or_step_down(server: Server, side: Side) -> None:
    admin = add_person(server, side)
    path = f"/admin/team/{id_of(server, admin.email)}"
    for answer in (admin.send(f"{path}/role", role="viewer"), admin.send(f"{path}/remove", confirm="Person")):
        assert answer.status_code == 409
        assert "last admin" in answer.text


def test_admin_ends_sessions_of_others_but_not_their_own(server: Server, side: Side) -> None:
    admin, person = add_person(server, side), add_person(server, side, role="viewer")
    admin.send(f"/admin/team/{id_of(server, person.email)}/end-sessions")
    assert person.client.get("/admin/live/").status_code == 303
    admin.send(f"/admin/team/{id_of(server, admin.email)}/end-sessions")
    assert admin.client.get("/admin/live/").status_code == 200


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher"])
def test_only_admins_change_the_team(server: Server, side: Side, role: str) -> None:
    person = add_person(server, side, role=role)  # type: ignore[arg-type]
    page = person.get("/admin/team")
    assert person.email in page
    assert "Invite somebody" not in page
    own = id_of(server, person.email)
    for path, values in (
        ("/admin/team/invite", {"email": "x@shop.example", "role": "admin"}),
        ("/admin/team/withdraw", {"email": "x@shop.example"}),
        (f"/admin/team/{own}/role", {"role": "admin"}),
        (f"/admin/team/{own}/end-sessions", {}),
        (f"/admin/team/{own}/remove", {"confirm": "Person"}),
    ):
        assert person.send(path, **values).status_code == 403


def test_people_of_another_merchant_are_not_listed(server: Server, side: Side) -> None:
    other_person = add_person(server, server.sides()[0])
    person = add_person(server, side)
    own = id_of(server, person.email)
    assert person.email not in other_person.get("/admin/team")
    for act, values in (("role", {"role": "viewer"}), ("end-sessions", {}), ("remove", {"confirm": "Person"})):
        assert other_person.send(f"/admin/team/{own}/{act}", **values).status_code == 404
    assert person.client.get("/admin/live/").status_code == 200


def test_audit_log_names_every_change_of_the_team(server: Server, side: Side) -> None:
    admin = add_person(server, side)
    email = f"noor@{side.merchant.slug}.example"
    join(server.client(), invitation_link(admin, email))
    own = id_of(server, email)
    admin.send(f"/admin/team/{own}/role", role="viewer")
    admin.send(f"/admin/team/{own}/end-sessions")
    admin.send(f"/admin/team/{own}/remove", confirm="Noor")
    log = admin.get("/admin/audit")
    for action in ("Invited", "Added", "Changed the role of", "Ended the sessions of", "Removed"):
        assert f">{action}<" in log, action


def test_no_url_contains_an_email_address(server: Server, side: Side) -> None:
    admin = add_person(server, side)
    invitation_link(admin, f"noor@{side.merchant.slug}.example")
    for path in ("/admin/team", "/admin/profile"):
        addresses = re.findall(r'(?:href|action|hx-\w+)="([^"]*)"', admin.client.get(admin.address(path)).text)
        assert addresses
        assert not [address for address in addresses if "@" in address or "%40" in address]
