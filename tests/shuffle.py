"""Run tests in a random order: `pytest --shuffle SEED`. Files stay together, so that their fixtures are made once."""

from __future__ import annotations

import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", metavar="SEED", help="run files, and the tests in each, in the order of this seed")


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption("shuffle")
    return f"shuffled: repeat this order with --shuffle {seed}" if seed else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle first: pytest then puts together what shares a fixture of the file with one parameter."""
    seed = config.getoption("shuffle")
    if seed:
        files: dict[str, list[pytest.Item]] = {}
        for item in items:
            files.setdefault(item.nodeid.partition("::")[0], []).append(item)
        generator = random.Random(seed)
        names = sorted(files)
        generator.shuffle(names)
        for name in names:
            generator.shuffle(files[name])
        items[:] = [item for name in names for item in files[name]]
