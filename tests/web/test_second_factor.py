"""The second factor: set up on the profile, required after the password, each code once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pyotp
import pytest

from engine.accounts import login_limits, second_factor
from engine.clock import now_ms
from tests.serving import Server, Side
from tests.web.people import PASSWORD, Person, add_person, csrf_in, log_in

SECRET = re.compile(r'id="secret">([^<]+)<')
CODES = re.compile(r"<li><code>([^<]+)</code></li>")
STEP_MS = second_factor.STEP_SECONDS * 1000


class Clock:
    """The clock of codes and limits, which only the test advances."""

    def __init__(self) -> None:
        self.now = now_ms()

    def read(self) -> int:
        return self.now

    def next_code(self, secret: str) -> str:
        """Go on to the next time step and return its code."""
        self.now += STEP_MS
        return pyotp.TOTP(secret).at(self.now // 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    for module in (second_factor, login_limits):
        monkeypatch.setattr(module, "now_ms", clock.read)
    return clock


def set_up(person: Person, clock: Clock) -> tuple[str, list[str]]:
    """Enable the second factor on its pages; return the secret and the recovery codes."""
    page = person.send("/admin/profile/second-factor", factor_password=PASSWORD)
    match = SECRET.search(page.text)
    assert match, page.text
    secret = match[1].replace(" ", "")
    answer = person.send("/admin/profile/second-factor/confirm", code=clock.next_code(secret))
    assert answer.status_code == 200, answer.text
    return secret, CODES.findall(answer.text)


def send_code(client: httpx.Client, code: str) -> httpx.Response:
    csrf = csrf_in(client.get("/admin/login/code").text)
    return client.post("/admin/login/code", data={"csrf": csrf, "code": code, "next": ""})


def half_in(server: Server, person: Person) -> httpx.Client:
    """A browser whose password was right and whose code is missing."""
    client = server.client()
    answer = log_in(client, person.email, PASSWORD)
    assert answer.headers["location"].startswith("/admin/login/code")
    return client


def is_in(client: httpx.Client) -> bool:
    return client.get("/admin/live/").status_code == 200


def test_password_alone_is_not_enough(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    secret, codes = set_up(person, clock)
    assert len(set(codes)) == 10
    client = half_in(server, person)
    assert not is_in(client)
    assert send_code(client, clock.next_code(secret)).headers["location"] == "/admin/"
    assert is_in(client)
    assert "Second factor" in person.get("/admin/team")


def test_code_counts_once(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    secret, _ = set_up(person, clock)
    code = clock.next_code(secret)
    assert send_code(half_in(server, person), code).status_code == 303
    again = send_code(half_in(server, person), code)
    assert again.status_code == 401
    assert "used before" in again.text


def test_recovery_code_works_once(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    _, codes = set_up(person, clock)
    client = half_in(server, person)
    assert send_code(client, codes[0].upper().replace("-", " ")).status_code == 303
    assert "9 recovery codes left" in Person(client, person.email).get("/admin/profile")
    assert send_code(half_in(server, person), codes[0]).status_code == 401


@pytest.mark.parametrize("code", ["", "000000", "٠٠٠٠٠٠", "abcd-efgh", "0" * 500])
def test_wrong_code_is_refused(server: Server, side: Side, clock: Clock, code: str) -> None:
    person = add_person(server, side)
    set_up(person, clock)
    clock.now += 10 * STEP_MS
    client = half_in(server, person)
    assert send_code(client, code).status_code == 401
    assert not is_in(client)


def test_codes_of_a_person_are_limited_from_all_addresses(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    secret, _ = set_up(person, clock)
    client = half_in(server, person)
    for number in range(10):
        check = server.engine.second_factors.check(
            server.run(server.engine.team.user(person.email)), "wrong", address=f"192.0.2.{number}"
        )
        with pytest.raises(Exception, match="wrong"):
            server.run(check)
    answer = send_code(client, clock.next_code(secret))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_login_without_a_code_expires_after_5_minutes(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    secret, _ = set_up(person, clock)
    client = half_in(server, person)
    clock.now += second_factor.CHALLENGE_MS
    answer = send_code(client, clock.next_code(secret))
    assert answer.status_code == 401
    assert "took too long" in answer.text


def test_code_page_is_not_reached_without_the_password(server: Server) -> None:
    client = server.client()
    assert client.get("/admin/login/code").headers["location"] == "/admin/login"
    csrf = csrf_in(client.get("/admin/login").text)
    client.cookies.set("tap2_step", f"1.{now_ms() + 60_000}.{'0' * 64}")
    assert client.post("/admin/login/code", data={"csrf": csrf, "code": "000000"}).status_code == 401


@pytest.mark.parametrize("act", ["", "/remove"])
def test_setup_and_removal_ask_for_the_password(server: Server, side: Side, clock: Clock, act: str) -> None:
    person = add_person(server, side)
    if act:
        set_up(person, clock)
    answer = person.send(f"/admin/profile/second-factor{act}", factor_password="wrong password")
    assert answer.status_code == 422
    assert 'id="field-factor_password-error"' in answer.text
    assert not SECRET.search(answer.text)


def test_setup_needs_a_right_code_and_hides_the_secret_after_a_wrong_one(
    server: Server, side: Side, clock: Clock
) -> None:
    person = add_person(server, side)
    page = person.send("/admin/profile/second-factor", factor_password=PASSWORD)
    assert "<svg width=" in page.text
    answer = person.send("/admin/profile/second-factor/confirm", code="000000")
    assert answer.status_code == 422
    assert not SECRET.search(answer.text)
    assert log_in(server.client(), person.email, PASSWORD).headers["location"] == "/admin/"


def test_setup_ends_after_15_minutes(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    page = person.send("/admin/profile/second-factor", factor_password=PASSWORD).text
    match = SECRET.search(page)
    assert match
    clock.now += second_factor.SETUP_MS
    code = clock.next_code(match[1].replace(" ", ""))
    assert person.send("/admin/profile/second-factor/confirm", code=code).status_code == 409


def test_setup_logs_out_everywhere_else(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    other = server.client()
    log_in(other, person.email, PASSWORD)
    set_up(person, clock)
    assert is_in(person.client)
    assert not is_in(other)


def test_removed_second_factor_is_not_required(server: Server, side: Side, clock: Clock) -> None:
    person = add_person(server, side)
    set_up(person, clock)
    assert person.send("/admin/profile/second-factor/remove", factor_password=PASSWORD).status_code == 303
    assert log_in(server.client(), person.email, PASSWORD).headers["location"] == "/admin/"
    log = person.get("/admin/audit")
    for action in ("Turned on the second factor of", "Removed the second factor of"):
        assert f">{action}<" in log
