"""Count the product's structure: rooms, floors, arrows and circles of its imports, sizes, names and docstrings.

`python -m benchmarks.structure` prints the tables and writes them into docs/architecture.md, beside the commit that the
rooms were first sorted at; `--base REV` names another commit to compare with. tests/test_structure.py holds the limits.

A room is a folder or module directly inside a package; an arrow is a pair of rooms where one imports from the other;
the floor of a room is one above the highest room that it imports from; a circle is a set of rooms, or of modules, that
import each other.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from benchmarks.import_graph import PACKAGES, Module, circles, floors, module_imports, picture, read, room_imports
from benchmarks.process import ROOT
from benchmarks.published import put

FIRST = "28690df"
PAGE = ROOT / "docs" / "architecture.md"
MANY_PARAMETERS = 6
NOUN_CLAUSE = re.compile(r"(?:What|Whether|How|Who|Whose|Where|Which|That)\b")
# Identifiers that the product no longer defines.
OLD_WORDS = """
Shelf Shelves Knower Known Taught teach Classroom hear lessons Young waiting fate Odds Lane Race lots worth Settler
Sitting Bench Desk Deeds Ear Door misfit misfits Ready who why one told known found wanted at places PLACE said asked
asking truth here there news those them whose somebody nobody everybody hand hands wish wishes tell tells furnish
furnished stranger
"""
# Nor these, which name a value of a short test well enough: own and other sides, what was sent and what was answered.
PRODUCT_WORDS = """
seen mine ours theirs whole away what how far say says came comes goes gone stay stays then given took takes alike whom
which everyone meant kept
"""
FORBIDDEN = frozenset(OLD_WORDS.split()) | frozenset(PRODUCT_WORDS.split())
# Identifiers that tests and benchmarks do not define either.
TEST_WORDS = """
place drafted Hand Hands of ASKED KNOWN WANTED
"""
FORBIDDEN_IN_TESTS = frozenset(OLD_WORDS.split()) | frozenset(TEST_WORDS.split())
# A test's name has a noun as its subject and says what happens to it in standard terms.
UNCLEAR_TEST = re.compile(
    r"test_(?:what|who|whoever|whatever|whether|it|nothing|nobody|one_that|one_whose)_|"
    r"_(?:told|tells?|said|asked|wanted|whoever|whatever|nobody|somebody|stranger|wish|wishes)(?:_|$)"
)
TEST_PACKAGES = ("tests", "benchmarks")
# Counted by a review of this project, at structlog 025edaf, warehouse 6b62157 and datasette 481df7ff.
ELSEWHERE = """\
Among the 18,570 names that structlog, warehouse and datasette bind, `one`, `place`, `at`, `wanted` and `told` stand 0
times, `found` and `known` once. Their docstrings open with a noun clause in 2%, 0% and 2% of cases; their functions
have 29, 36 and 49 lines at p90, their files 989, 489 and 978; tests over product are 1.29, 1.80 and 1.36."""


class Function(NamedTuple):
    """A function's place, length in lines without decorators, and parameters without self and cls."""

    path: str
    name: str
    lines: int
    parameters: int


# Sizes, names, docstrings


def percentile(values: Iterable[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def functions(modules: Iterable[Module]) -> list[Function]:
    return [
        Function(module.path, node.name, (node.end_lineno or node.lineno) - node.lineno + 1, _parameters(node))
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = node.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def modules_a_folder(modules: Iterable[Module]) -> Counter[str]:
    paths = (Path(module.path) for module in modules)
    return Counter(str(path.parent) for path in paths if path.name != "__init__.py")


def docstrings(modules: Iterable[Module]) -> list[tuple[str, str]]:
    """Return (path, docstring) of every function and class that has one."""
    return [
        (module.path, text)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (text := ast.get_docstring(node))
    ]


def noun_clauses(modules: Iterable[Module]) -> list[tuple[str, str]]:
    return [(path, text.splitlines()[0]) for path, text in docstrings(modules) if NOUN_CLAUSE.match(text)]


def local_names(modules: Iterable[Module]) -> Counter[str]:
    """Count the names that functions and comprehensions bind, except parameters and `_`."""
    names: Counter[str] = Counter()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.comprehension):
                names.update(_bound(node))
    del names["_"]
    return names


def _bound(node: ast.AST) -> Iterator[str]:
    inner = [node.target] if isinstance(node, ast.comprehension) else list(_own_nodes(node))
    for part in inner:
        yield from (name.id for name in ast.walk(part) if isinstance(name, ast.Name) and _stored(name))


def _own_nodes(function: ast.AST) -> Iterator[ast.expr]:
    """Yield the names of a function, without those of functions, classes and comprehensions inside it."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.comprehension):
            continue
        if isinstance(node, ast.Name):
            yield node
        pending.extend(ast.iter_child_nodes(node))


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def defined_names(modules: Iterable[Module]) -> Iterator[tuple[str, str]]:
    """Yield (path, identifier) of each class, function, parameter, variable and attribute that is defined."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield module.path, node.name
            elif isinstance(node, ast.arg):
                yield module.path, node.arg
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield module.path, node.id if isinstance(node, ast.Name) else node.attr
            elif isinstance(node, ast.alias) and node.asname:
                yield module.path, node.asname


def forbidden(modules: Iterable[Module], words: frozenset[str] = FORBIDDEN) -> list[tuple[str, str]]:
    return [(path, name) for path, name in defined_names(modules) if name.lstrip("_") in words]


def unclear_tests(modules: Iterable[Module]) -> list[tuple[str, str]]:
    """Return (path, name) of each test function whose name has a pronoun for its subject or an unclear verb."""
    names = ((function.path, function.name) for function in functions(modules))
    return [(path, name) for path, name in names if name.startswith("test_") and UNCLEAR_TEST.search(name)]


def classes_twice(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Return the names of classes at the top level of more than one module, with their paths."""
    paths: dict[str, list[str]] = {}
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                paths.setdefault(node.name.lstrip("_"), []).append(module.path)
    return {name: where for name, where in sorted(paths.items()) if len(where) > 1}


def ratio_of_tests(root: Path) -> float:
    """Return the lines of tests over the lines of the product, both in Python."""
    tests = sum(path.read_text().count("\n") for path in (root / "tests").rglob("*.py"))
    product = sum(path.read_text().count("\n") for name in PACKAGES for path in (root / name).rglob("*.py"))
    return tests / product


# Tables


def graph_rows(root: Path) -> list[tuple[str, ...]]:
    """Return (package, modules, lines, rooms, floors, arrows, circles of rooms, largest folder) of each package."""
    modules = read(root)
    imports = module_imports(modules)
    rows = []
    for package in PACKAGES:
        own = [module for module in modules if module.name.split(".")[0] == package]
        if not own:
            continue
        rooms = room_imports(imports, package)
        arrows = sum(map(len, rooms.values()))
        lines = sum(module.text.count("\n") for module in own)
        folder = max(modules_a_folder(own).values())
        counts = (len(own), lines, len(rooms), max(floors(rooms).values()), arrows, len(circles(rooms)), folder)
        rows.append((f"`{package}`", *(f"{count:,}" for count in counts)))
    return rows


def size_rows(root: Path) -> list[tuple[str, str]]:
    modules = read(root)
    lengths = [module.text.count("\n") for module in modules]
    callables = functions(modules)
    texts = docstrings(modules)
    return [
        ("circles of modules", str(len(circles(module_imports(modules))))),
        ("most modules in a folder", str(max(modules_a_folder(modules).values()))),
        ("lines a file, p90 / longest", f"{percentile(lengths, 0.9)} / {max(lengths)}"),
        ("lines a function, p90 / longest", _spread(callables)),
        ("functions with more than 6 parameters", str(len(wide(callables)))),
        ("docstrings that open with a noun clause", f"{len(noun_clauses(modules)) / len(texts):.1%}"),
        ("class names at the top of two modules", str(len(classes_twice(modules)))),
        ("identifiers of the old words", str(len(forbidden(modules)))),
        ("lines of tests over lines of product", f"{ratio_of_tests(root):.2f}"),
    ]


def _spread(callables: list[Function]) -> str:
    lengths = [function.lines for function in callables]
    return f"{percentile(lengths, 0.9)} / {max(lengths)}"


def wide(callables: Iterable[Function]) -> list[Function]:
    return [function for function in callables if function.parameters > MANY_PARAMETERS]


def name_row(modules: Iterable[Module]) -> str:
    return ", ".join(f"`{name}` {count}" for name, count in local_names(modules).most_common(10))


def structlog_modules() -> list[Module]:
    import structlog

    return read(Path(structlog.__file__).parent.parent, ["structlog"])


def markdown(root: Path, base: Path, revision: str) -> str:
    """Return the tables for the page: this tree beside an earlier one."""
    columns = ("package", "modules", "lines", "rooms", "floors", "arrows", "circles", "largest folder")
    before = {row[0]: row[1:] for row in graph_rows(base)}
    after = graph_rows(root)
    packages = [(row[0], *map(_change, before.get(row[0], ("",) * len(row[1:])), row[1:])) for row in after]
    sizes = [(name, old, new) for (name, old), (_, new) in zip(size_rows(base), size_rows(root), strict=True)]
    names = [
        (f"here, {revision}", name_row(read(base))),
        ("here, now", name_row(read(root))),
        ("structlog", name_row(structlog_modules())),
    ]
    return "\n\n".join(
        [
            f"`python -m benchmarks.structure`: {revision} -> now.",
            _table(columns, packages),
            _table(("what", revision, "now"), sizes),
            ELSEWHERE,
            _table(("where", "the ten commonest local names, with how often they are bound"), names),
        ]
    )


def _change(before: str, after: str) -> str:
    return after if before in ("", after) else f"{before} -> {after}"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def unpack(revision: str, folder: Path) -> Path:
    """Put the files of a commit into a folder."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Count the structure of the product, beside that of an earlier commit."
    )
    parser.add_argument("--base", default=FIRST, metavar="REV", help=f"the commit to compare with (default {FIRST})")
    parser.add_argument("--verbose", action="store_true", help="also list what is over a limit, with its path")
    options = parser.parse_args()
    console = Console(width=160)
    with tempfile.TemporaryDirectory() as folder:
        text = markdown(ROOT, unpack(options.base, Path(folder)), options.base)
    console.print(text, markup=False, highlight=False)
    put(PAGE, "picture", picture(module_imports(read(ROOT))))
    if options.base == FIRST:
        put(PAGE, "structure", text)
    if options.verbose:
        modules = read(ROOT)
        console.print(forbidden(modules), noun_clauses(modules), classes_twice(modules), wide(functions(modules)))
        tests = read(ROOT, TEST_PACKAGES)
        console.print(forbidden(tests, FORBIDDEN_IN_TESTS), unclear_tests(tests))


if __name__ == "__main__":
    main()
