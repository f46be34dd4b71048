"""The own profile: name, language and time zone, password, sessions."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.people import PASSWORD, Person, add_person, log_in
from web.admin.people.browsers import browser_name

NEW_PASSWORD = "four words make a wall"


def another_browser(server: Server, person: Person) -> Person:
    client = server.client()
    assert log_in(client, person.email, PASSWORD).status_code == 303
    return Person(client, person.email)


def is_in(person: Person) -> bool:
    return person.client.get("/admin/live/").status_code == 200


def test_profile_changes_name_figures_and_times(server: Server, side: Side) -> None:
    person = add_person(server, side)
    answer = person.send("/admin/profile", name="Zoë", locale="de-DE", timezone="America/New_York")
    assert answer.status_code == 303
    page = person.get("/admin/profile")
    assert 'value="Zoë"' in page
    assert "All times in America/New_York" in page
    assert '<option value="de-DE" selected>German (Germany)' in page


@pytest.mark.parametrize(
    ("field", "value"), [("name", " "), ("locale", "tlh"), ("locale", "../x"), ("timezone", "Mars/Olympus")]
)
def test_invalid_profile_is_refused_beside_its_field(server: Server, side: Side, field: str, value: str) -> None:
    person = add_person(server, side)
    answer = person.send("/admin/profile", **{"name": "Zoë", "locale": "", "timezone": "", field: value})
    assert answer.status_code == 422
    assert f'id="field-{field}-error"' in answer.text
    assert "Zoë" not in person.get("/admin/team")


def test_new_password_logs_out_everywhere_else(server: Server, side: Side) -> None:
    person = add_person(server, side)
    other = another_browser(server, person)
    assert person.send("/admin/profile/password", old=PASSWORD, password=NEW_PASSWORD).status_code == 303
    assert is_in(person)
    assert not is_in(other)
    assert log_in(server.client(), person.email, PASSWORD).status_code == 401
    assert log_in(server.client(), person.email, NEW_PASSWORD).status_code == 303


def test_new_password_requires_the_old_password(server: Server, side: Side) -> None:
    person = add_person(server, side)
    answer = person.send("/admin/profile/password", old="not the password", password=NEW_PASSWORD)
    assert answer.status_code == 422
    assert 'id="field-old-error"' in answer.text
    assert log_in(server.client(), person.email, PASSWORD).status_code == 303


def test_guesses_of_the_old_password_are_limited(server: Server, side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    person = add_person(server, side)

    async def never(_hashed: str | None, _password: str) -> bool:
        return False

    monkeypatch.setattr(server.engine.passwords, "matches", never)
    answers = [person.send("/admin/profile/password", old=f"guess {number}", password="x") for number in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]


def test_other_sessions_are_listed_and_ended(server: Server, side: Side) -> None:
    person = add_person(server, side)
    assert "Log out the others" not in person.get("/admin/profile")
    other = another_browser(server, person)
    assert "Log out the others" in person.get("/admin/profile")
    assert person.send("/admin/profile/end-sessions").status_code == 303
    assert "1 other session ended" in person.get("/admin/profile")
    assert is_in(person)
    assert not is_in(other)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("python-httpx/0.28", "python-httpx/0.28"),
        ("", "Unnamed browser"),
    ],
)
def test_browsers_have_names(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name
