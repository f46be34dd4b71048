"""Signing up in the browser, where the operator allows it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from engine.accounts import login_limits
from engine.accounts.team import Application
from engine.model.account import MerchantDetails
from engine.model.documents.tier import Tier
from engine.settings import Settings
from tests.mailboxes import MemoryMailServer
from tests.serving import Server, serving
from tests.web.people import Person, csrf_in, log_in

PATH = "/admin/sign-up"
PASSWORD = "four words make a wall"
ACCOUNT = {
    "email": "ines@bakery.example",
    "name": "Inès",
    "merchant": "Bäckerei Sonne",
    "country": "PT",
    "currency": "EUR",
    "timezone": "Europe/Lisbon",
    "password": PASSWORD,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = Settings(data=str(tmp_path_factory.mktemp("server")), sign_up=True, public_url="https://tap2.example")
    with serving(settings) as server:
        yield server


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let many tests sign up from one address."""
    monkeypatch.setattr(login_limits, "MOST_SIGN_UPS", 1_000)


@pytest.fixture
def mail(server: Server) -> Iterator[MemoryMailServer]:
    """A mail server in memory."""
    mailer, memory = server.engine.mail.mailer, MemoryMailServer()
    own = mailer._transport
    mailer._transport = memory
    yield memory
    mailer._transport = own


def send(client: httpx.Client, path: str = PATH, **values: str) -> httpx.Response:
    csrf = csrf_in(client.get(path).text)
    return client.post(path, data={"csrf": csrf, **values})


def new_merchant(name: str, tier: str = "") -> Application:
    return Application(name, MerchantDetails(), tier)


def link_in(mail: MemoryMailServer) -> str:
    match = re.search(r"https://tap2\.example(/admin/\S+)", mail.messages[-1].get_content())
    assert match
    return match[1]


def test_account_is_opened_with_both_sides_and_its_first_admin(server: Server) -> None:
    client = server.client()
    assert PATH in client.get("/admin/login").text
    answer = send(client, **ACCOUNT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/"), answer.text
    person = Person(client, ACCOUNT["email"])
    assert "Set up a placement" in person.get("/admin/")
    assert "Inès" in person.get("/admin/team")
    merchant = server.run(server.engine.accounts.merchant("backerei-sonne"))
    assert (merchant.name, merchant.country, merchant.timezone) == ("Bäckerei Sonne", "PT", "Europe/Lisbon")
    assert "backerei-sonne" in person.get("/admin/audit")
    assert log_in(server.client(), ACCOUNT["email"], PASSWORD).status_code == 303


def test_two_merchants_of_one_name_are_apart(server: Server) -> None:
    slugs = []
    for email in ("a@twins.example", "b@twins.example"):
        assert send(server.client(), **{**ACCOUNT, "email": email, "merchant": "Twins"}).status_code == 303
        slugs.append(server.run(server.engine.team.user(email)).slug)
    assert slugs == ["twins", "twins-2"]


@pytest.mark.parametrize(("name", "slug"), [("Demo", "demo-2"), ("山田商店", "merchant"), ("x" * 90, "x" * 40)])
def test_a_merchants_id_is_made_of_its_name(server: Server, name: str, slug: str) -> None:
    email = f"{slug}@names.example"
    assert send(server.client(), **{**ACCOUNT, "email": email, "merchant": name}).status_code == 303
    assert server.run(server.engine.team.user(email)).slug == slug


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"email": "nobody"}, 422, "Must be an e-mail address"),
        ({"email": "ann@bakery.example\r\nBcc: all@bakery.example"}, 422, "Must be an e-mail address"),
        ({"email": "ann smith@bakery.example"}, 422, "Must be an e-mail address"),
        ({"password": "short"}, 422, "at least 12"),
        ({"name": "Inès\r\nBcc: all@bakery.example"}, 422, "Must be one line"),
        ({"name": "\u200b\u202e"}, 422, "Must have a letter or a number"),
        ({"merchant": "Bakery\x1b[2J"}, 422, "Must be one line"),
        ({"merchant": "x" * 121}, 422, "Must have at most 120 characters"),
        ({"name": " "}, 422, "Enter the name that your colleagues use"),
        ({"merchant": ""}, 422, "Enter the name of your shop or company"),
        ({"country": "XX"}, 422, "Choose one of the list"),
        ({"currency": "EURO"}, 422, "Choose one of the list"),
        ({"timezone": "Lisbon"}, 422, "Choose one of the list"),
        ({"csrf": "forged"}, 403, "This page has expired"),
    ],
)
def test_invalid_form_is_reported_and_not_stored(
    server: Server, values: dict[str, str], status: int, message: str
) -> None:
    before = server.run(server.engine.accounts.merchants())
    answer = send(server.client(), **{**ACCOUNT, "email": "wrong@bakery.example", **values})
    assert answer.status_code == status
    assert message in answer.text
    assert PASSWORD not in answer.text
    assert server.run(server.engine.accounts.merchants()) == before


def test_an_address_with_an_account_opens_no_second_merchant(server: Server) -> None:
    values = {**ACCOUNT, "email": "again@bakery.example"}
    assert send(server.client(), **values).status_code == 303
    before = server.run(server.engine.accounts.merchants())
    answer = send(server.client(), **{**values, "merchant": "Another"})
    assert answer.status_code == 409
    assert "there is already a user" in answer.text.lower()
    assert server.run(server.engine.accounts.merchants()) == before


def test_with_a_mail_server_the_address_is_confirmed_first(server: Server, mail: MemoryMailServer) -> None:
    client, email = server.client(), "Rosa@Mail.example"
    answer = send(client, email=email)
    assert answer.status_code == 200
    assert "Look into your mailbox" in answer.text
    assert mail.messages[-1]["To"] == email
    link = link_in(mail)
    assert "rosa@mail.example" in client.get(link).text
    # The address is that of the mail, whatever is typed.
    answer = send(client, link, **{**ACCOUNT, "email": "other@mail.example", "merchant": "Rosa"})
    assert answer.status_code == 303, answer.text
    assert server.run(server.engine.team.user("rosa@mail.example")).role == "admin"
    assert server.client().get(link).status_code == 403, "the link is used up"
    assert not server.run(server.engine.team.has_user("other@mail.example"))


def test_page_does_not_say_whether_an_address_has_an_account(server: Server, mail: MemoryMailServer) -> None:
    send_all = [send(server.client(), email=email) for email in ("new@mail.example", "new@mail.example")]
    server.run(server.engine.team.sign_up("old@mail.example", "Old", PASSWORD, new_merchant("Old")))
    answer = send(server.client(), email="old@mail.example")
    texts = [re.sub(r'value="[^"]*"|\w+@mail', "", each.text) for each in (*send_all, answer)]
    assert len(set(texts)) == 1
    assert "You have an account already" in mail.messages[-1]["Subject"]
    assert "/admin/login" in mail.messages[-1].get_content()


def test_a_confirmation_is_no_invitation_nor_the_other_way_round(server: Server, mail: MemoryMailServer) -> None:
    live = server.sides()[0].merchant
    invitation = server.run(server.engine.team.invite(live.slug, "guest@mail.example", "viewer", actor_name="x"))
    send(server.client(), email="guest@mail.example")
    token = link_in(mail).rpartition("/")[2]
    assert server.client().get(f"/admin/join/{token}").status_code == 403
    assert server.client().get(f"{PATH}/{invitation}").status_code == 403
    assert server.client().get(f"/admin/join/{invitation}").status_code == 200, "the invitation still stands"


def test_unreachable_mail_server_is_reported(server: Server, mail: MemoryMailServer) -> None:
    mail.fault = "connection"
    answer = send(server.client(), email="down@mail.example")
    assert answer.status_code == 503
    assert "could not be sent" in answer.text


def test_mails_to_an_address_are_limited(server: Server, mail: MemoryMailServer) -> None:
    answers = [send(server.client(), email="busy@mail.example").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    assert len(mail.messages) == 3


def test_accounts_of_an_address_are_limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_limits, "MOST_SIGN_UPS", 0)
    before = server.run(server.engine.accounts.merchants())
    answer = send(server.client(), **{**ACCOUNT, "email": "many@bakery.example"})
    assert answer.status_code == 429
    assert "Try again in" in answer.text
    assert server.run(server.engine.accounts.merchants()) == before


def test_log_names_no_person_who_signs_up(
    server: Server, mail: MemoryMailServer, capfd: pytest.CaptureFixture[str]
) -> None:
    client = server.client()
    send(client, email="quiet@mail.example")
    link = link_in(mail)
    assert send(client, link, **{**ACCOUNT, "merchant": "Quiet"}).status_code == 303
    mail.fault = "recipient"
    send(client, email="refused@mail.example")
    text = capfd.readouterr().err
    assert "mail not sent" in text
    assert not [secret for secret in ("@mail.example", link.rpartition("/")[2], PASSWORD) if secret in text]


def test_merchants_get_the_tier_of_the_setting(server: Server) -> None:
    engine = server.engine
    server.run(engine.tiers.replace({"starter": Tier(exports_a_month=5)}, actor_name="tests"))
    user = server.run(engine.team.sign_up("tier@bakery.example", "T", PASSWORD, new_merchant("Tiered", "starter")))
    assert server.run(engine.accounts.merchant(user.slug)).tier == "starter"
    client = server.client()
    log_in(client, user.email, PASSWORD)
    assert "starter" in Person(client, user.email).get("/admin/audit"), "merchants read changes of their limits"


def test_missing_tier_has_a_message_for_visitors(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server.engine, "settings", msgspec.structs.replace(server.settings, sign_up_tier="gone"))
    before = server.run(server.engine.accounts.merchants())
    answer = send(server.client(), **{**ACCOUNT, "email": "late@bakery.example"})
    assert answer.status_code == 503
    assert "No new accounts can be opened on this server at the moment" in answer.text
    assert "tier" not in answer.text
    assert server.run(server.engine.accounts.merchants()) == before
    assert "TAP2_SIGN_UP_TIER" in capsys.readouterr().err, "the operator reads why"


def test_sign_up_is_disabled_by_default(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(Settings(data=str(tmp_path_factory.mktemp("closed")))) as closed:
        client = closed.client()
        assert PATH not in client.get("/admin/login").text
        assert client.get(PATH).status_code == 404
        assert client.get(f"{PATH}/token").status_code == 404
        assert client.post(PATH, data=ACCOUNT).status_code == 404
        assert closed.run(closed.engine.accounts.merchants()) == []


def test_links_in_mails_need_an_address_of_the_server() -> None:
    with pytest.raises(ValueError, match="public_url"):
        Settings(sign_up=True, smtp_host="mail.example", smtp_from="a@b.example")
