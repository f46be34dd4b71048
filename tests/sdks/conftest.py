"""The server of the API's tests, and one in a process of its own that can be killed at any moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.clients.killable import Killable, killable
from tests.sdks import node
from tests.sdks.python_clients import make  # noqa: F401  a fixture
from tests.web.conftest import server, servers, shop, side  # noqa: F401  fixtures


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the JavaScript package, built; each test process has its own, because builds begin by deleting."""
    node.skip_without()
    folder = tmp_path_factory.mktemp("npm") / "javascript"
    shutil.copytree(node.PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copytree(node.PACKAGE.parent / "verifier", folder.parent / "verifier")
    (folder / "node_modules").symlink_to(node.PACKAGE / "node_modules")
    node.run(folder, "node", "build.mjs")
    return folder


@pytest.fixture
def killable_server(tmp_path: Path) -> Iterator[Killable]:
    with killable(tmp_path) as running:
        yield running
