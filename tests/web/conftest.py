"""One server for tests of the API until it has many merchants; each test has a merchant of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.accounts import login_limits
from engine.mailing.mailer import Mailer
from engine.settings import Settings
from tests.mailboxes import MemoryMailServer
from tests.marks import CHANGES_NOTHING
from tests.serving import UNLIMITED, Server, Servers, Side
from tests.web.offer_shop import SPRING_OFFER
from web.openapi import examples


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    def settings() -> Settings:
        return Settings(data=str(tmp_path_factory.mktemp("server")), decision_timeout_ms=5000, **UNLIMITED)

    servers = Servers(settings)
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def server(servers: Servers) -> Iterator[Server]:
    """The server of many files. Between them its jobs rest: where a test sets the clock, they keep a processor busy."""
    with servers.newest().with_jobs() as server:
        yield server


@pytest.fixture(autouse=True)
def many_login_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests log in from the same address; tests of the limit itself run in the same process."""
    monkeypatch.setattr(login_limits, "MOST_BY_ADDRESS", 100_000)


@pytest.fixture
def side(request: pytest.FixtureRequest, server: Server) -> Side:
    """The live side of a new merchant, with the example resources."""
    return unchanged(request, "unchanged_side") or with_examples(server)


@pytest.fixture(scope="module")
def unchanged_side(server: Server) -> Side:
    return with_examples(server)


@pytest.fixture
def shop(request: pytest.FixtureRequest, server: Server) -> Side:
    """A merchant with one offer and 50.00 EUR to spend on it."""
    return unchanged(request, "unchanged_shop") or with_offer(request.getfixturevalue("side"))


@pytest.fixture(scope="module")
def unchanged_shop(server: Server) -> Side:
    return with_offer(with_examples(server))


def unchanged(request: pytest.FixtureRequest, name: str) -> Side | None:
    """Return what a fixture of the module gives to tests that change nothing; None for others."""
    return request.getfixturevalue(name) if request.node.get_closest_marker(CHANGES_NOTHING.name) else None


def with_examples(server: Server) -> Side:
    live, _ = server.sides()
    live.create_examples()
    return live


def with_offer(side: Side) -> Side:
    made = [
        side.client.post("/v1/budgets", json={**examples.BUDGET, "amount": 5000}),
        side.client.post("/v1/placements", json={"key": "offers", "name": "Offers", "shape": {"type": "subset"}}),
        side.client.post("/v1/placements/offers/candidates", json={"id": "ten", "label": "Ten", "offer": SPRING_OFFER}),
    ]
    assert [answer.status_code for answer in made] == [201, 201, 201], [answer.text for answer in made]
    return side


@pytest.fixture
def mail_server(server: Server) -> Iterator[MemoryMailServer]:
    """Return a mail server in memory, with a mailer that only the test runs: the server's job keeps its own."""
    mail, memory = server.engine.mail, MemoryMailServer()
    before, mail.mailer = mail.mailer, Mailer(server.engine.database, memory, leads=lambda: True)
    mail.mailer.compose = before.compose
    # Send the mails that other tests left in this server's queue.
    server.run(mail.mailer.run())
    memory.messages.clear()
    yield memory
    mail.mailer = before
