"""Access to the pages, and attacks by pages of other origins."""

from __future__ import annotations

import re

import httpx
import pytest

from engine.settings import Settings
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import PASSWORD, add_person, csrf_in, log_in
from web.admin.routes import routers
from web.http.sessions import SESSION, Cookies, same_token

OUTSIDE = {
    "/admin/login",
    "/admin/login/code",
    "/admin/login/provider",
    "/admin/login/provider/callback",
    "/admin/join/{token:str}",
    "/admin/sign-up",
    "/admin/sign-up/{token:str}",
}
PAGES = (
    "/admin/",
    "/admin/placements",
    "/admin/placements/payment_methods",
    "/admin/placements/payment_methods/settings",
    "/admin/placements/payment_methods/candidates",
    "/admin/methods",
    "/admin/methods/card",
    "/admin/rules",
    "/admin/rules/new",
    "/admin/decisions",
    "/admin/experiments",
    "/admin/experiments/new",
    "/admin/experiments/size",
    "/admin/experiments/payment_methods/paypal/results.csv",
    "/admin/fields",
    "/admin/fields/new",
    "/admin/keys",
    "/admin/team",
    "/admin/profile",
    "/admin/audit",
    "/admin/customers/opt-in",
    "/admin/search?q=card",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_redirects_visitors_to_the_login(server: Server, path: str) -> None:
    answer = server.client().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/admin/login?next=/admin")


def test_only_login_and_invitations_are_public() -> None:
    outside = {path for router in routers() for path, handlers in _handlers(router) if not _has_door(router, handlers)}
    assert {path for path in outside if path.startswith("/admin")} == {
        "/admin/login",
        "/admin/login/code",
        "/admin/login/provider",
        "/admin/login/provider/callback",
        "/admin/join/{token:str}",
        "/admin/sign-up",
        "/admin/sign-up/{token:str}",
    }


def test_session_cookie_is_http_only_and_same_site(server: Server, side: Side) -> None:
    person = add_person(server, side)
    answer = log_in(person.client, person.email, PASSWORD)
    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith(SESSION)]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_over_tls_cookies_are_bound_to_the_host() -> None:
    cookie = Cookies(secure=True).session("token").to_header(header="")
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_wrong_password_and_unknown_address_get_the_same_message(server: Server, side: Side) -> None:
    person = add_person(server, side)
    wrong = log_in(server.client(), person.email, "wrong password here")
    unknown = log_in(server.client(), "nobody@example.com", "wrong password here")
    assert wrong.status_code == unknown.status_code == 401
    assert _note(wrong) == _note(unknown)
    assert "wrong" in _note(wrong)


def test_logging_in_makes_a_new_session_and_ends_the_old_one(server: Server, side: Side) -> None:
    person = add_person(server, side)
    old = person.client.cookies[SESSION]
    log_in(person.client, person.email, PASSWORD)
    assert person.client.cookies[SESSION] != old
    stale = server.client()
    stale.cookies.set(SESSION, old)
    assert stale.get("/admin/live/").status_code == 303


def test_logging_out_ends_the_session_on_the_server(server: Server, side: Side) -> None:
    person = add_person(server, side)
    token = person.client.cookies[SESSION]
    assert person.send("/admin/logout").status_code == 303
    person.client.cookies.set(SESSION, token)
    assert person.client.get("/admin/live/").status_code == 303


@pytest.mark.parametrize(
    "next_path", ["https://evil.example/", "//evil.example", "/\\evil.example", "/v1/keys", "javascript:x"]
)
def test_login_never_redirects_to_another_host(server: Server, side: Side, next_path: str) -> None:
    person = add_person(server, side)
    assert log_in(server.client(), person.email, PASSWORD, next_path=next_path).headers["location"] == "/admin/"


def test_login_redirects_to_the_requested_page(server: Server, side: Side) -> None:
    person = add_person(server, side)
    answer = log_in(server.client(), person.email, PASSWORD, next_path="/admin/live/rules")
    assert answer.headers["location"] == "/admin/live/rules"


@pytest.mark.parametrize("csrf", ["", "wrong", "é"])
def test_form_of_another_origin_changes_nothing(server: Server, side: Side, csrf: str) -> None:
    person = add_person(server, side)
    answer = person.client.post("/admin/live/methods/card/toggle", data={"csrf": csrf, "enabled": "off"})
    assert answer.status_code == 403
    assert side.client.get("/v1/placements/payment_methods/candidates/card").json()["enabled"]


def test_form_of_an_earlier_session_leads_back_to_its_page(server: Server, side: Side) -> None:
    person, page = add_person(server, side), "/admin/live/methods/card"
    came_from = {"referer": f"http://testserver{page}", "hx-current-url": f"http://testserver{page}"}
    answer = person.client.post(page, data={"csrf": "old"}, headers=came_from)
    assert answer.status_code == 403
    assert f'href="{page}"' in answer.text
    assert "data-interrupts" in answer.text
    answer = person.client.post(page, data={"csrf": "old"}, headers={**came_from, "hx-request": "true"})
    assert answer.status_code == 403
    assert (answer.headers["hx-redirect"], answer.headers["x-interrupted"]) == (page, "true")


def test_fragment_without_a_session_leads_to_the_login(server: Server) -> None:
    answer = server.client().get("/admin/live/rules", headers={"hx-request": "true"})
    assert answer.headers["x-interrupted"] == "true"
    assert answer.headers["hx-redirect"].startswith("/admin/login?")


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/admin/live/team/invite", "/admin/live/team"),
        ("/admin/live/rules/payment_methods/x/delete", "/admin/live/rules/payment_methods/x"),
        ("/admin/logout", "/admin/"),
    ],
)
def test_address_of_a_form_opened_as_a_page_leads_to_the_page_above(server: Server, address: str, page: str) -> None:
    answer = server.client().get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, page)


@pytest.mark.parametrize(
    ("address", "rest"),
    [
        ("/admin/live/placements/payment_methods?days=x&compare=holdback", "?compare=holdback"),
        ("/admin/live/placements/payment_methods?days=7&days=", ""),
        ("/admin/live/audit?before=x&since=2026-01-01", "?since=2026-01-01"),
    ],
)
def test_value_of_an_address_that_does_not_fit_is_left_out(server: Server, side: Side, address: str, rest: str) -> None:
    person = add_person(server, side)
    answer = person.client.get(address)
    page = address.partition("?")[0]
    assert (answer.status_code, answer.headers["location"]) == (303, f"{page}{rest}")
    assert "The address had a value that does not fit here." in person.get(f"{page}{rest}")


@pytest.mark.parametrize("number", [10**30, -(10**30)])
@pytest.mark.parametrize("page", ["audit", "placements/payment_methods/versions"])
def test_number_that_no_database_holds_gets_404(server: Server, side: Side, page: str, number: int) -> None:
    answer = add_person(server, side).client.get(f"/admin/live/{page}?before={number}")
    assert answer.status_code == 404


def test_errors_of_fragments_go_into_a_toast(server: Server, side: Side) -> None:
    person = add_person(server, side)
    answer = person.client.get("/admin/live/methods/nothing", headers={"hx-request": "true"})
    assert answer.status_code == 404
    assert (answer.headers["hx-retarget"], answer.headers["hx-reswap"]) == ("#toasts", "innerHTML")
    assert "Page not found. It may have been deleted" in answer.text
    assert "<html" not in answer.text


def test_refusal_of_a_too_large_form_names_the_limit(server: Server, side: Side) -> None:
    answer = add_person(server, side).send("/admin/lists/-/new", values="x" * 600_000)
    assert answer.status_code == 413
    assert "Send at most 512 KiB at once." in answer.text


def test_another_persons_token_does_not_help(server: Server, side: Side) -> None:
    item, other = add_person(server, side), add_person(server, side)
    answer = item.client.post("/admin/live/methods/card/toggle", data={"csrf": other.csrf(), "enabled": "off"})
    assert answer.status_code == 403


def test_no_other_origin_can_log_a_person_in(server: Server, side: Side) -> None:
    person = add_person(server, side)
    values = {"email": person.email, "password": PASSWORD, "csrf": csrf_in(server.client().get("/admin/login").text)}
    assert server.client().post("/admin/login", data=values).status_code == 403


def test_too_many_attempts_get_a_retry_time(server: Server) -> None:
    client = server.client()
    answers = [log_in(client, "slow-down@example.com", "wrong password here") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "Try again in" in _note(answers[-1])


def test_tokens_match_only_if_both_exist_and_are_equal() -> None:
    assert same_token("a", "a")
    assert not any(same_token(given, expected) for given, expected in [("a", "b"), ("", ""), (None, None), ("é", "e")])


def test_pages_forbid_inline_scripts_and_being_framed(server: Server, side: Side) -> None:
    headers = add_person(server, side).client.get("/admin/live/").headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@CHANGES_NOTHING
@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_an_inline_script_style_or_handler(server: Server, side: Side, path: str) -> None:
    text = add_person(server, side).client.get(path).text
    scripts = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", text)
    assert all('type="application/json"' in attributes for attributes in scripts)
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)


def _note(answer: httpx.Response) -> str:
    match = re.search(r'role="alert">.*?<p>(.*?)</p>', answer.text, re.DOTALL)
    assert match, answer.text
    return match.group(1)


def _handlers(router: object) -> list[tuple[str, object]]:
    routes = getattr(router, "routes", None)
    return [(route.path, route) for route in routes] if routes else []


def _has_door(router: object, _route: object) -> bool:
    return getattr(router, "before_request", None) is not None


def test_a_server_without_tls_still_sets_cookies_that_a_browser_keeps() -> None:
    assert Settings().secure_cookies is False
    assert not Cookies(secure=False).name(SESSION).startswith("__Host-")
