"""Check who may import whom, by reading the source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "rules": {"rules"},
    "bandits": {"bandits"},
    "simulation": {"simulation", "bandits"},
    "engine": {"engine", "rules", "bandits", "migrations"},
    "migrations": {"migrations", "engine"},
    "evaluation": {"evaluation", "bandits"},
    "web": {"web", "engine", "rules", "bandits", "simulation", "evaluation"},
}
ROOMS = set(MAY_IMPORT)
PURE_FOLDERS = (
    "rules",
    "bandits",
    "simulation",
    "engine/model",
    "engine/kernel",
    "engine/intake",
    "engine/statistics",
    "engine/previews/estimation",
)
IMPURE = {"sqlalchemy", "litestar", "asyncio", "random", "time", "secrets", "os", "web", "structlog", "aiosqlite"}
CLOCKS = {"datetime", "date"}
CLOCK_READINGS = {"now", "utcnow", "today"}
LONGEST_FILE = 400
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def pure_folder(name: str) -> str | None:
    """Return the pure folder that a path or a module's dotted name lies in."""
    path = name.replace(".", "/") + "/"
    return next((folder for folder in PURE_FOLDERS if path.startswith(folder + "/")), None)


PURE = [path for path in SOURCES if pure_folder(str(path.relative_to(ROOT).with_suffix("")))]


@cache
def imports(source: str) -> frozenset[str]:
    """Return the dotted names of all modules that a file imports at any depth."""
    return frozenset(name for node in ast.walk(ast.parse(source)) for name in names_of(node))


def names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute here"
        yield str(node.module)
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def trespasses(room: str, source: str) -> set[str]:
    return {name for name in imports(source) if (top := name.split(".")[0]) in ROOMS and top not in MAY_IMPORT[room]}


def impurities(source: str) -> set[str]:
    names = {name for name in imports(source) if name.split(".")[0] in IMPURE}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READINGS and getattr(node.value, "id", "") in CLOCKS:
            names.add(f"{ast.unparse(node.value)}.{node.attr}")
    return names


def unclean(paths: Iterable[Path], check: Callable[[str], set[str]]) -> dict[str, set[str]]:
    """Return what a check finds in sources, by file."""
    return {name_of(path): names for path in paths if (names := check(path.read_text()))}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_package_imports_only_packages_below(room):
    sources = [path for path in SOURCES if path.relative_to(ROOT).parts[0] == room]
    assert sources
    assert unclean(sources, lambda source: trespasses(room, source)) == {}


def test_the_product_imports_no_client():
    names = {name.split(".")[0] for path in SOURCES for name in imports(path.read_text())}
    assert not names & {"sdks", "tap2_personalize"}


def test_web_never_imports_the_store():
    readers = {
        name_of(path)
        for path in (ROOT / "web").rglob("*.py")
        if any(name.startswith("engine.store") for name in imports(path.read_text()))
    }
    assert readers == set(), "take structs from engine/model and rows from services instead"


def impure_modules(source: str) -> set[str]:
    return {name for name in imports(source) if name.startswith("engine.") and not pure_folder(name)}


def test_pure_modules_read_neither_world_nor_clock():
    assert len(PURE) > 100
    assert unclean(PURE, impurities) == {}


def test_pure_modules_import_only_pure_modules():
    assert unclean(PURE, impure_modules) == {}


def test_walls_notice_a_trespass():
    assert trespasses("rules", "import engine.plan") == {"engine.plan"}
    assert "web.app" in trespasses("engine", "def f():\n from web.app import create_app")
    assert impurities("import time.sub\nfrom datetime import datetime\ndatetime.now()") == {"time.sub", "datetime.now"}


def test_no_file_is_too_long():
    folders = (*ROOMS, "tests", "benchmarks")
    files = [
        path
        for folder in folders
        for kind in ("py", "js", "html", "css")
        for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    lines = {name_of(path): path.read_text().count("\n") for path in files if "vendor" not in path.parts}
    assert len(lines) > 100
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}
