"""The server below a path of another server, as a proxy passes its requests on: with the path, or without."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from engine.settings import Settings
from tests.serving import UNLIMITED, Server, Side, serving
from tests.web.people import PASSWORD, csrf_in
from web.openapi import examples

BASE = "/checkout"
ADDRESSES = ("href", "action", "src", "hx-get", "hx-post", "hx-put", "hx-delete")
MOST_PAGES = 150


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = Settings(data=str(tmp_path_factory.mktemp("below")), public_url=f"http://localhost{BASE}", **UNLIMITED)
    with serving(settings) as server:
        yield server


@pytest.fixture(scope="module")
def side(server: Server) -> Side:
    live, _ = server.sides()
    live.create_examples()
    live.decide()
    return live


@pytest.fixture(scope="module")
def person(server: Server, side: Side) -> httpx.Client:
    server.run(server.engine.team.add_user("person@example.com", "Person", side.merchant.slug, "admin", PASSWORD))
    client = server.client()
    values = {"csrf": csrf_in(client.get(f"{BASE}/admin/login").text), "email": "person@example.com"}
    answer = client.post(f"{BASE}/admin/login", data={**values, "password": PASSWORD, "next": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}/admin/")
    return client


class Addresses(HTMLParser):
    """Collects the addresses on a page that name no server, and those of links among them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {value for name, value in attributes if name in ADDRESSES and value and value.startswith("/")}
        self.all |= named
        self.links |= named if tag == "a" else set()


def test_all_pages_are_linked_below_the_path(person: httpx.Client) -> None:
    todo, seen = [f"{BASE}/admin/live/", f"{BASE}/docs"], set[str]()
    while todo and len(seen) < MOST_PAGES:
        address = todo.pop()
        seen.add(address)
        answer = person.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        addresses = Addresses(answer.text)
        outside = {each for each in addresses.all if not each.startswith(f"{BASE}/")}
        assert not outside, f"{address} has {outside}"
        # The other side has no placement, so that some of its pages do not exist.
        todo += sorted(each for each in addresses.links - seen - set(todo) if f"{BASE}/admin/test" not in each)
    assert len(seen) > 40


@pytest.mark.parametrize("received", ["/admin/", f"{BASE}/admin/"])
def test_visitors_are_led_to_the_log_in_below_the_path(server: Server, received: str) -> None:
    answer = server.client().get(received)
    assert answer.headers["location"] == f"{BASE}/admin/login?next=/checkout/admin"
    assert f'action="{BASE}/admin/login"' in server.client().get(received + "login").text


@pytest.mark.parametrize("base", ["", BASE])
def test_the_api_answers_with_and_without_the_path(side: Side, base: str) -> None:
    answer = side.client.post(f"{base}/v1/personalize/decisions", json=examples.DECISION)
    assert (answer.status_code, answer.json()["fallback"]) == (200, False)
    created = side.client.post(f"{base}/v1/lists", json={**examples.LIST, "name": f"list{base[1:]}"})
    assert created.headers["location"].startswith(f"{BASE}/v1/lists/")
    assert side.client.get(created.headers["location"]).status_code == 200


def test_a_longer_word_is_not_the_path(side: Side) -> None:
    assert side.client.get(f"{BASE}out/v1/lists").status_code == 404


def test_links_to_the_customer_center_name_the_path(side: Side) -> None:
    answer = side.client.post("/v1/personalize/customer-links", json={"customer_id": "c_123"})
    url = answer.json()["url"]
    assert url.startswith(f"{side.server.url}{BASE}/customer-center/open#")
    page = httpx.get(url.partition("#")[0]).text
    assert not {each for each in Addresses(page).all if not each.startswith(f"{BASE}/")}


def test_versioned_files_are_cached_by_browsers(person: httpx.Client) -> None:
    page = Addresses(person.get(f"{BASE}/admin/live/").text)
    files = [each for each in page.all if each.startswith(f"{BASE}/static/")]
    assert files
    assert "immutable" in person.get(files[0]).headers["cache-control"]
