"""The server of the API's tests, and one in a process of its own that can be killed at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdks import node
from tests.sdks.killable import Killable, killable
from tests.sdks.python_clients import make  # noqa: F401  a fixture
from tests.web.conftest import server, shop, side  # noqa: F401  fixtures


@pytest.fixture(scope="session")
def package() -> Path:
    """The JavaScript package, built."""
    node.skip_without()
    node.run("node", "build.mjs")
    return node.PACKAGE


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Killable]:
    with killable(tmp_path) as running:
        yield running
