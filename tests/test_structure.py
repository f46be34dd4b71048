"""Hold the product's structure inside limits; `python -m benchmarks.structure --verbose` lists what is over them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache

from benchmarks.import_graph import PACKAGES, Module, circles, floors, module_imports, read, room_imports
from benchmarks.process import ROOT
from benchmarks.structure import (
    FORBIDDEN_IN_TESTS,
    PAGE,
    TEST_PACKAGES,
    classes_twice,
    docstrings,
    forbidden,
    functions,
    local_names,
    modules_a_folder,
    noun_clauses,
    percentile,
    ratio_of_tests,
    unclear_tests,
    wide,
)


@cache
def modules():
    """Read the whole tree, which takes seconds: only where one of these tests runs."""
    return read(ROOT)


@cache
def modules_of_tests():
    return read(ROOT, TEST_PACKAGES)


@cache
def imports():
    return module_imports(modules())


@cache
def all_functions():
    return functions(modules())


COMING = ("engine/gateways",)

MODULES_A_FOLDER = 15
FILE_LINES_P90 = 300
FUNCTION_LINES_P90 = 20
# Goals that are not reached yet are noted after their limits.
WIDE_FUNCTIONS = 5
NOUN_CLAUSES = 0.015
FORBIDDEN_NAMES = 0
CLASSES_TWICE = 4  # goal 0
TEST_RATIO = 0.7


def module(name: str, text: str) -> Module:
    return Module(name, name.replace(".", "/") + ".py", text, ast.parse(text))


def test_no_two_modules_import_each_other():
    assert circles(imports()) == []


def test_rooms_of_a_package_import_one_way():
    assert {package: rooms for package in PACKAGES if (rooms := circles(room_imports(imports(), package)))} == {}


def test_no_folder_holds_too_many_modules():
    # Migrations are numbered in one folder, and their number only grows.
    counts = {name: count for name, count in modules_a_folder(modules()).items() if name != "migrations/versions"}
    assert {name for name, count in counts.items() if count > MODULES_A_FOLDER} == set()


def test_test_files_have_names_of_their_own():
    # Otherwise one run of all tests, as `make verify` does, cannot import them.
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_most_files_and_functions_are_short():
    assert percentile([module.text.count("\n") for module in modules()], 0.9) <= FILE_LINES_P90
    assert percentile([function.lines for function in all_functions()], 0.9) <= FUNCTION_LINES_P90


def test_few_functions_take_many_parameters():
    assert len(wide(all_functions())) <= WIDE_FUNCTIONS


def test_docstrings_open_with_a_verb():
    assert len(noun_clauses(modules())) / len(docstrings(modules())) < NOUN_CLAUSES


def test_no_identifier_is_forbidden():
    assert len(forbidden(modules())) <= FORBIDDEN_NAMES


def test_no_identifier_of_tests_is_forbidden():
    assert forbidden(modules_of_tests(), FORBIDDEN_IN_TESTS) == []


def test_tests_have_clear_names():
    assert unclear_tests(modules_of_tests()) == []


def test_few_class_names_are_duplicated():
    assert len(classes_twice(modules())) <= CLASSES_TWICE


def test_tests_keep_up_with_the_product():
    assert ratio_of_tests(ROOT) >= TEST_RATIO


# The counting itself


def test_circles_and_floors_follow_the_imports():
    modules = [
        module("p.low", ""),
        module("p.left.x", "from p import low\nfrom p.right import y"),
        module("p.right.y", "def f():\n    import p.left.x"),
        module("p.top", "import p.left.x"),
    ]
    rooms = room_imports(module_imports(modules), "p")
    assert circles(rooms) == [["left", "right"]]
    assert floors(rooms) == {"low": 1, "left": 2, "right": 2, "top": 3}


def test_names_and_docstrings_are_counted_once():
    text = (
        'def f(one):\n    """Whether it is."""\n    at = [row for row in one]\n'
        '    def g():\n        """Return."""\n        at = 1'
    )
    modules = [module("p.m", text)]
    assert local_names(modules) == {"at": 2, "row": 1}
    assert [line for _, line in noun_clauses(modules)] == ["Whether it is."]
    assert [name for _, name in forbidden(modules)] == ["one", "at", "at"]


def test_unclear_names_of_tests_are_found():
    unclear = ["test_what_is_wrong_is_named", "test_cart_is_told", "test_whole_cart_is_asked_for"]
    clear = ["test_invalid_cart_names_the_field", "said_so", "test_aside_cart"]
    text = "".join(f"def {name}(): pass\n" for name in (*unclear, *clear))
    assert [name for _, name in unclear_tests([module("tests.m", text)])] == unclear


def test_parameters_do_not_count_self():
    text = "class A:\n    def f(self, a, b, c, d, e, f): pass\n    def g(self, a, b, c, d, e, f, *, g): pass"
    assert [function.name for function in wide(functions([module("p.m", text)]))] == ["g"]


# The page that draws it


def test_architecture_page_names_files_that_exist():
    paths = set(re.findall(r"`((?:[\w.]+/)+[\w.]*)`", PAGE.read_text()))
    coming = {path for path in paths if path.startswith(COMING)}
    rooms = [ROOT, ROOT / "engine", ROOT / "web", ROOT / "rules", ROOT / "bandits", ROOT / "web" / "templates"]
    homeless = {path for path in paths - coming if not any((room / path).exists() for room in rooms)}
    assert homeless == set()


def test_architecture_page_describes_every_room_of_the_engine():
    rooms = room_imports(imports(), "engine")
    folders = {f"{room}/" for room in rooms if (ROOT / "engine" / room).is_dir()}
    assert folders <= set(re.findall(r"^\| `(\w+/)` \|", PAGE.read_text(), re.MULTILINE))
