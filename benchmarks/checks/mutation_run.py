"""Run tests against the mutants of a module, each in a fork of a process that has imported and collected all of them.

`python -m benchmarks.checks.mutation_run JOB` runs in a copy of the tree. JOB is a JSON file of a `Job`; the list of
which mutants survive is written beside it.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import hypothesis
import msgspec
import numpy as np
import pytest

PLAIN = (bool, int, float, str, tuple, frozenset, np.ndarray)


class Job(msgspec.Struct):
    """A module by its path, its test files, and the texts of its mutants."""

    path: str
    tests: list[str]
    texts: list[str]


class MutantLoop:
    """A pytest plugin that runs the collected tests once as they are, and then once for each mutant."""

    def __init__(self, job: Job, texts: list[str]) -> None:
        self._job = job
        self._texts = texts
        self.passes_unchanged = False
        self.survived: dict[str, bool] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        began = time.monotonic()
        self.passes_unchanged = not session.testsfailed and in_fork(lambda: _run(session), 600)
        limit = 20 + 4 * (time.monotonic() - began)
        module = importlib.import_module(self._job.path.removesuffix(".py").replace("/", "."))
        for text in self._texts if self.passes_unchanged else ():
            self.survived[text] = in_fork(lambda text=text: _run(session, module, text), limit)
        return True


def _run(session: pytest.Session, module: ModuleType | None = None, text: str = "") -> bool:
    """Return whether the collected tests pass, with the code of a module replaced by that of a mutant."""
    if module:
        replace_code(module, text)
    items = session.items
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def replace_code(module: ModuleType, text: str) -> None:
    """Give the functions of an imported module the code of a mutant's, wherever they have been imported to."""
    mutant = ModuleType(module.__name__)
    exec(compile(text, str(module.__file__), "exec"), vars(mutant))
    _replace_members(vars(module), vars(mutant), module.__name__, set_plain=vars(module).__setitem__)


def _replace_members(
    before: Any, after: Any, name: str, *, set_plain: Callable[[str, Any], None] | None = None
) -> None:
    for key, value in after.items():
        old, new = _function(before.get(key)), _function(value)
        if old and new and new.__module__ == name:
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        elif inspect.isclass(value) and value.__module__ == name:
            _replace_members(vars(before[key]), vars(value), name)
        elif set_plain and isinstance(value, PLAIN) and not key.startswith("__"):
            set_plain(key, value)


def _function(value: Any) -> FunctionType | None:
    if isinstance(value, property):
        value = value.fget
    value = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) or value else value
    return value if isinstance(value, FunctionType) else None


def is_inside_functions(source: str, text: str) -> bool:
    """Return whether a mutant differs only in bodies and defaults of functions, which an import need not see."""
    return _skeleton(source) == _skeleton(text)


def _skeleton(text: str) -> str:
    tree = copy.deepcopy(ast.parse(text))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body, node.args.defaults, node.args.kw_defaults = [], [], []
    return ast.dump(tree)


def in_fork(act: Callable[[], bool], seconds: float) -> bool:
    """Return what `act` returns in a forked process; False if it raises or takes too long."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.setsid()
            status = 0 if act() else 1
        finally:
            os._exit(status)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def _passes_as_file(job: Job, text: str) -> bool:
    """Return whether the tests pass with a mutant in the place of the module's file."""
    path, source = Path(job.path), Path(job.path).read_text()
    try:
        _write(path, text)
        return in_fork(lambda: pytest.main(_options(job)) == 0, 600)
    finally:
        _write(path, source)


def _write(path: Path, text: str) -> None:
    """Write a module, and delete its bytecode: that of another mutant of the same second and size would pass for it."""
    path.write_text(text)
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _options(job: Job) -> list[str]:
    return ["-x", "-q", "-p", "no:cacheprovider", "-m", "not postgres", *job.tests]


def main() -> None:
    file = Path(sys.argv[1])
    job = msgspec.json.decode(file.read_bytes(), type=Job)
    # A failing example is not shrunk, because that takes long.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutation", phases=phases, database=None)
    hypothesis.settings.load_profile("mutation")
    source = Path(job.path).read_text()
    quick = [text for text in job.texts if is_inside_functions(source, text)]
    survived = {text: _passes_as_file(job, text) for text in job.texts if text not in quick}
    loop = MutantLoop(job, quick)
    pytest.main(_options(job), plugins=[loop])
    if not loop.passes_unchanged:
        sys.exit(2)
    survived |= loop.survived
    file.with_suffix(".out").write_bytes(msgspec.json.encode([survived[text] for text in job.texts]))


if __name__ == "__main__":
    main()
