"""One server for all tests of the API; each test has a merchant of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.accounts import login_limits
from engine.settings import Settings
from tests.serving import UNLIMITED, Server, Side, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    settings = Settings(data=str(folder), decision_timeout_ms=5000, **UNLIMITED)
    with pytest.MonkeyPatch.context() as patch, serving(settings) as server:
        # All tests log in from one address.
        patch.setattr(login_limits, "MOST_BY_ADDRESS", 100_000)
        yield server


@pytest.fixture
def side(server: Server) -> Side:
    """The live side of a new merchant, furnished with the examples."""
    live, _ = server.sides()
    live.furnish()
    return live
