"""Who may import whom, held by reading the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "rules": {"rules"},
    "bandits": {"bandits"},
    "simulation": {"simulation", "bandits"},
    "engine": {"engine", "rules", "bandits", "migrations"},
    "migrations": {"migrations", "engine"},
    "web": {"web", "engine", "rules", "bandits", "simulation"},
}
ROOMS = set(MAY_IMPORT)
PURE_IN_ENGINE = (
    "amounts", "attributes", "beliefs", "bounds", "contextual", "decision", "difference", "eligibility", "errors",
    "facts", "features", "kernel", "learned", "network", "odds", "ordering", "placement", "plan", "preview",
    "preview_drawing", "preview_effect", "preview_result", "preview_totals", "preview_weight", "scales", "scenario",
    "schedule", "vocabulary", "wording", "worth",
)  # fmt: skip
IMPURE = {"sqlalchemy", "litestar", "asyncio", "random", "time", "secrets", "os", "web", "structlog", "aiosqlite"}
CLOCK_READINGS = {"now", "utcnow", "today"}
LONGEST_FILE = 400

SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
PURE = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("rules", "bandits", "simulation")] + [
    ROOT / "engine" / f"{name}.py" for name in PURE_IN_ENGINE
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(source: str) -> Iterator[str]:
    """The dotted names of all imported modules, wherever in the file they stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def trespasses(room: str, source: str) -> set[str]:
    return {name for name in imports(source) if (top := name.split(".")[0]) in ROOMS and top not in MAY_IMPORT[room]}


def impurities(source: str) -> set[str]:
    found = {name for name in imports(source) if name.split(".")[0] in IMPURE}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READINGS and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_room_imports_only_from_the_rooms_below_it(path):
    room = path.relative_to(ROOT).parts[0]
    assert not trespasses(room, path.read_text())


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_what_is_pure_asks_neither_the_world_nor_the_clock(path):
    assert not impurities(path.read_text())


@pytest.mark.parametrize("name", PURE_IN_ENGINE)
def test_the_pure_part_of_the_engine_stands_on_nothing_impure(name):
    of_engine = {one for one in imports((ROOT / "engine" / f"{name}.py").read_text()) if one.startswith("engine.")}
    assert {one.split(".")[1] for one in of_engine} <= set(PURE_IN_ENGINE)


def test_the_walls_would_notice():
    assert trespasses("rules", "import engine.plan") == {"engine.plan"}
    assert "web.app" in trespasses("engine", "def f():\n from web.app import create_app")
    assert impurities("import time.sub\nfrom datetime import datetime\ndatetime.now()") == {"time.sub", "datetime.now"}


def test_no_file_is_longer_than_a_reader_can_hold():
    folders = (*ROOMS, "tests", "benchmarks", "templates")
    files = [
        path
        for folder in folders
        for kind in ("py", "js", "html", "css")
        for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    lines = {name_of(path): path.read_text().count("\n") for path in files if "vendor" not in path.parts}
    assert len(lines) > 100
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}
