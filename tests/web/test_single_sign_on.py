"""Logging in with an OpenID provider: who gets in, and what is refused on the way."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from engine.accounts import login_limits
from engine.clock import now_ms
from engine.settings import Settings
from tests.serving import Server, Side, serving
from tests.web.people import Person, add_person, csrf_in
from tests.web.provider import Provider, run_provider
from web.http.openid import OpenIDProvider

BEGIN = "/admin/login/provider"
CLIENT = "tap2"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with run_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Server]:
    settings = Settings(
        data=str(tmp_path_factory.mktemp("server")),
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret="secret of tests",
        oidc_name="Bakery ID",
    )
    with serving(settings) as server:
        yield server


@pytest.fixture
def side(server: Server) -> Side:
    return server.sides()[0]


def go_to_provider(client: httpx.Client, *, after: str = "") -> str:
    """Start a login and let the provider answer; return the address of its redirect."""
    answer = client.get(f"{BEGIN}?next={after}")
    assert answer.status_code == 303, answer.text
    back = httpx.get(answer.headers["location"])
    assert back.status_code == 302, back.text
    return back.headers["location"]


def log_in(client: httpx.Client, *, after: str = "") -> httpx.Response:
    return client.get(go_to_provider(client, after=after))


def claims_of(email: str, **others: object) -> dict[str, object]:
    return {"sub": f"subject of {email}", "email": email, "email_verified": True, "aud": CLIENT, **others}


@pytest.fixture
def open_sign_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.engine, "settings", msgspec.structs.replace(server.engine.settings, sign_up=True))
    monkeypatch.setattr(login_limits, "MOST_SIGN_UPS", 1_000)


def is_in(client: httpx.Client) -> bool:
    return client.get("/admin/live/").status_code == 200


def test_login_page_links_to_the_provider(server: Server, provider: Provider) -> None:
    assert "Log in with Bakery ID" in server.client().get("/admin/login").text
    address = server.client().get(BEGIN).headers["location"]
    query = parse_qs(urlsplit(address).query)
    assert address.startswith(provider.issuer)
    assert query["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(query)
    assert query["redirect_uri"] == [f"{server.url}{BEGIN}/callback"]


def test_person_of_a_team_logs_in(server: Server, side: Side, provider: Provider) -> None:
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email.upper()))
    client = server.client()
    answer = log_in(client, after="/admin/live/rules")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/live/rules")
    assert is_in(client)
    assert ">Linked the provider&#39;s account of<" in person.client.get("/admin/live/audit").text


def test_claims_of_the_user_info_count_too(server: Server, side: Side, provider: Provider) -> None:
    person = add_person(server, side)
    claims = claims_of(person.email)
    provider.set_claims(sub=claims["sub"], aud=CLIENT, userinfo=claims)
    assert log_in(server.client()).status_code == 303
    provider.set_claims(sub=claims["sub"], aud=CLIENT, userinfo={**claims, "sub": "somebody else"})
    assert log_in(server.client()).status_code == 403


def test_invited_person_joins_with_the_provider(server: Server, side: Side, provider: Provider) -> None:
    admin = add_person(server, side)
    email = f"noor@{side.merchant.slug}.example"
    token = server.run(server.engine.team.invite(side.merchant.slug, email, "editor", actor_name=admin.email))
    provider.set_claims(**claims_of(email, name="Noor"))
    client = server.client()
    assert log_in(client).status_code == 303
    assert "Noor" in Person(client, email).get("/admin/team")
    assert server.client().get(f"/admin/join/{token}").status_code == 403


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "nobody@nowhere.example"}, "Ask an admin of your team to invite you"),
        ({"email_verified": False}, "has not verified"),
        ({"email_verified": "true"}, "has not verified"),
        ({"nonce": "another"}, "did not work"),
        ({"aud": "another"}, "did not work"),
        ({"iss": "https://evil.example"}, "did not work"),
        ({"exp": 1_000_000_000}, "did not work"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "did not work"),
    ],
)
def test_invalid_claims_are_refused(
    server: Server, side: Side, provider: Provider, changes: dict[str, object], message: str
) -> None:
    person = add_person(server, side)
    provider.set_claims(**{**claims_of(person.email), **changes})
    client = server.client()
    answer = log_in(client)
    assert answer.status_code == 403
    assert message in answer.text
    assert not is_in(client)


def test_reassigned_address_is_refused(server: Server, side: Side, provider: Provider) -> None:
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email))
    assert log_in(server.client()).status_code == 303
    provider.set_claims(**claims_of(person.email, sub="a new employee"))
    answer = log_in(server.client())
    assert answer.status_code == 403
    assert "another account of your provider" in answer.text
    provider.set_claims(**claims_of("new-address@bakery.example", sub=f"subject of {person.email}"))
    assert log_in(server.client()).status_code == 303


def test_removed_person_cannot_rejoin_with_the_provider(server: Server, side: Side, provider: Provider) -> None:
    add_person(server, side)
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email))
    client = server.client()
    log_in(client)
    server.run(server.engine.team.remove(side.merchant.slug, person.email, actor_name="tests"))
    assert not is_in(client)
    assert log_in(server.client()).status_code == 403


def test_answer_for_another_browser_is_refused(server: Server, side: Side, provider: Provider) -> None:
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email))
    back = go_to_provider(server.client())
    victim = server.client()
    assert victim.get(back).status_code == 403
    go_to_provider(victim)
    answer = victim.get(back)
    assert answer.status_code == 403
    assert "begun in another browser" in answer.text
    assert not is_in(victim)


def test_answer_of_the_provider_is_used_once(server: Server, side: Side, provider: Provider) -> None:
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email))
    client = server.client()
    back = go_to_provider(client)
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 403


def test_refused_answers_are_rate_limited(
    server: Server, side: Side, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email))
    back = go_to_provider(client := server.client())
    monkeypatch.setattr(login_limits, "MOST_BY_ADDRESS", 0)
    answer = client.get(back)
    assert answer.status_code == 429
    assert "Try again in" in answer.text
    assert not is_in(client)


@pytest.mark.parametrize("query", ["", "?error=access_denied", "?code=invented&state=invented"])
def test_callback_without_a_log_in_is_refused(server: Server, query: str) -> None:
    answer = server.client().get(f"{BEGIN}/callback{query}")
    assert answer.status_code == 403
    assert "Log in with Bakery ID" in answer.text


def test_login_never_redirects_to_another_host(server: Server, side: Side, provider: Provider) -> None:
    person = add_person(server, side)
    provider.set_claims(**claims_of(person.email))
    assert log_in(server.client(), after="https://evil.example/").headers["location"] == "/admin/"


KEY = RSAKey.generate_key(2048, {"kid": "1"})
PUBLIC = KeySet.import_key_set({"keys": [KEY.as_dict(private=False, kid="1", alg="RS256")]})


def base64url(part: bytes) -> str:
    return urlsafe_b64encode(part).decode().rstrip("=")


def forged(claims: dict[str, object], algorithm: str) -> str:
    """A token without a signature, or signed with the public key as a shared secret."""
    signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": algorithm, "kid": "1"}, claims))
    secret = KEY.as_pem(private=False)
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), 'sha256')) if algorithm != 'none' else ''}"


def test_only_the_providers_signature_counts() -> None:
    provider = OpenIDProvider("https://id.example", CLIENT, "")
    now = now_ms() // 1000
    claims = {"iss": "https://id.example", "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": "n"}
    header = {"alg": "RS256", "kid": "1"}
    assert provider.check_id_token({"id_token": jwt.encode(header, claims, KEY)}, "n", PUBLIC)["sub"] == "1"
    by_another = jwt.encode(header, claims, RSAKey.generate_key(2048))
    for token in (by_another, forged(claims, "none"), forged(claims, "HS256")):
        with pytest.raises((JoseError, ValueError)):
            provider.check_id_token({"id_token": token}, "n", PUBLIC)


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "ftp://localhost", "id.example", "http://localhost.evil.example"]
)
def test_provider_is_reached_over_tls_only(issuer: str) -> None:
    with pytest.raises(Exception, match="oidc_issuer"):
        Settings.from_environment({"TAP2_OIDC_ISSUER": issuer})


def test_without_a_provider_no_page_links_to_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(Settings(data=str(tmp_path_factory.mktemp("plain")))) as plain:
        assert "/login/provider" not in plain.client().get("/admin/login").text
        assert plain.client().get(BEGIN).status_code == 404


SHOP = {"name": "Mara", "merchant": "Mara’s Shop", "country": "PT", "currency": "EUR", "timezone": "Europe/Lisbon"}


def open_account(client: httpx.Client, form: str) -> httpx.Response:
    csrf = csrf_in(client.get(form).text)
    return client.post(form, data={"csrf": csrf, **SHOP, "email": "somebody-else@bakery.example"})


@pytest.mark.usefixtures("open_sign_up")
def test_unknown_person_signs_up_with_the_provider(server: Server, provider: Provider) -> None:
    email = "mara@shop.example"
    provider.set_claims(**claims_of(email, name="Mara"))
    client = server.client()
    assert "Sign up with Bakery ID" in client.get("/admin/sign-up").text
    form = log_in(client).headers["location"]
    page = client.get(form).text
    assert email in page
    assert 'value="Mara"' in page
    assert "password" not in page.lower()
    answer = open_account(client, form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/"), answer.text
    assert email in Person(client, email).get("/admin/team")
    assert client.get(form).status_code == 403
    again = server.client()
    assert log_in(again).headers["location"] == "/admin/"
    assert "Mara" in Person(again, email).get("/admin/team")


@pytest.mark.usefixtures("open_sign_up")
def test_two_links_of_a_subject_open_one_account(server: Server, provider: Provider) -> None:
    forms = []
    for email in ("old@shop.example", "new@shop.example"):
        provider.set_claims(**claims_of(email, sub="moved"))
        forms.append(log_in(server.client()).headers["location"])
    assert [open_account(server.client(), form).status_code for form in forms] == [303, 403]


@pytest.mark.usefixtures("open_sign_up")
@pytest.mark.parametrize("changes", [{"email_verified": False}, {"email": ""}])
def test_sign_up_requires_a_verified_address(server: Server, provider: Provider, changes: dict[str, object]) -> None:
    provider.set_claims(**{**claims_of("lea@shop.example"), **changes})
    answer = log_in(server.client())
    assert answer.status_code == 403
    assert "has not verified" in answer.text
