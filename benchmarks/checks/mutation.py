"""Change one operator, number or statement at a time and see whether the nearest tests notice.

`python -m benchmarks.verify mutation` keeps the score in docs/verification.md;
`python -m benchmarks.checks.mutation [MODULE ...] [--sample N] [--seed N] [--jobs N]` prints every survivor.

A mutator of our own rather than mutmut or cosmic-ray: those start from a run of the whole suite, here 12 minutes on two
databases, while a mutant here runs only the test files that name its module, on SQLite, in a fork of a process that has
imported and collected them (`mutation_run`). A sample with a fixed seed is taken per module, so that a score can be
repeated.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.checks.mutation_run import Job
from benchmarks.process import ROOT

COLUMNS = ("module", "goal", "killed", "survivors")
SAMPLE = 40
SEED = 8
GOAL = 0.85
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "node_modules", "data", "build", "dist", ".*_cache", "__pycache__")
# The tests of each module, the fastest first, in addition to those that import it.
MODULES: dict[str, tuple[str, ...]] = {
    "engine/kernel/kernel.py": (
        "tests/engine/test_engine_kernel_limits.py",
        "tests/engine/test_engine_kernel.py",
        "tests/engine/test_engine_replay.py",
    ),
    "engine/decisions/recorder.py": (
        "tests/engine/test_engine_recorder_queue.py",
        "tests/engine/test_engine_recorder.py",
    ),
    "engine/learning/outcome_effects.py": (
        "tests/engine/test_engine_outcome_effects.py",
        "tests/engine/test_engine_learning.py",
        "tests/engine/test_engine_pending_decisions.py",
    ),
    "engine/decisions/outcome_processor.py": (
        "tests/engine/test_engine_receipts.py",
        "tests/engine/test_engine_learning.py",
        "tests/engine/test_engine_recorder.py",
    ),
    "bandits/evidence/delay.py": ("tests/bandits/test_bandit_delay_curve.py", "tests/bandits/test_bandit_delay.py"),
    "bandits/evidence/credit.py": ("tests/bandits/test_bandit_credit.py",),
}

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.Continue: ast.Break, ast.Break: ast.Continue,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """A changed module: where, what was changed in words, and its whole text."""

    path: str
    line: int
    change: str
    text: str


class Result(NamedTuple):
    """The score of a module: mutants tried, and those that no test noticed."""

    path: str
    tried: int
    survivors: list[Mutant]


# Making mutants


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        for change in changes_of(node):
            if _is_passive(tree, node):
                continue
            changed = copy.deepcopy(tree)
            target = next(other for index, other in enumerate(ast.walk(changed)) if index == number)
            before = ast.unparse(target)
            new = _apply(changed, target, change)
            words = f"`{_short(before)}` -> `{_short(ast.unparse(new))}`"
            yield Mutant(path, node.lineno, words, ast.unparse(ast.fix_missing_locations(changed)))  # type: ignore[attr-defined]


def changes_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node may become."""
    match node:
        case ast.Compare(ops=[only]) if type(only) in OPERATORS:
            yield ast.Compare(node.left, [OPERATORS[type(only)]()], node.comparators)  # type: ignore[list-item]
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(op)](), node.right)  # type: ignore[arg-type]
        case ast.BoolOp(op=op):
            yield ast.BoolOp(OPERATORS[type(op)](), node.values)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.UnaryOp(op=ast.USub()):
            yield node.operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield ast.Call(ast.Name(CALLS[name], ast.Load()), node.args, node.keywords)
        case ast.Continue() | ast.Break():
            yield OPERATORS[type(node)]()
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
            yield ast.Pass()
        case ast.If() | ast.IfExp() | ast.While():
            test = ast.UnaryOp(ast.Not(), node.test)
            yield type(node)(**{**dict(ast.iter_fields(node)), "test": test})


def _apply(tree: ast.Module, target: ast.AST, change: ast.AST) -> ast.AST:
    """Replace the target by a copy of the change, and return the different part."""
    new = copy.deepcopy(change)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(part is target for part in value):
                setattr(parent, name, [new if part is target else part for part in value])
    return new


def _is_passive(tree: ast.Module, node: ast.AST) -> bool:
    """Return whether a change of the node cannot be noticed: annotations, options of classes, log lines."""
    return any(
        inner is node for parent in ast.walk(tree) for part in _passive_parts(parent) for inner in ast.walk(part)
    )


def _passive_parts(parent: ast.AST) -> list[ast.AST]:
    match parent:
        case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation) if annotation:
            return [annotation]
        case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns) if returns:
            return [returns]
        case ast.ClassDef(keywords=keywords):
            return list(keywords)
        case ast.Expr() if ast.unparse(parent).startswith("log."):
            return [parent]
        case ast.Subscript() if ast.unparse(parent.value) in ("Annotated", "Literal"):
            return [parent]
    return []


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


# Running tests


def nearest_tests(path: str) -> list[str]:
    """Return the nearest test files: those named above, and those that import the module."""
    dotted = path.removesuffix(".py").replace("/", ".")
    package, _, name = dotted.rpartition(".")
    phrases = (f"from {dotted} import", f"import {dotted}", f"from {package} import {name}")
    files = [str(file.relative_to(ROOT)) for file in sorted((ROOT / "tests").rglob("test_*.py"))]
    importing = [file for file in files if any(phrase in (ROOT / file).read_text() for phrase in phrases)]
    return list(dict.fromkeys([file for file in MODULES.get(path, ()) if file in files] + importing))


def score(path: str, *, sample: int, seed: int, jobs: int) -> Result:
    """Try a seeded sample of a module's mutants. Raises SystemExit if its tests fail without a change."""
    mutants = sorted(mutants_of(path, (ROOT / path).read_text()), key=lambda mutant: mutant.line)
    chosen = sorted(random.Random(seed).sample(mutants, min(sample, len(mutants))), key=lambda mutant: mutant.line)
    with ThreadPoolExecutor(jobs) as pool:
        shares = list(pool.map(lambda share: _survivors(path, share), [chosen[job::jobs] for job in range(jobs)]))
    survivors = sorted((mutant for share in shares for mutant in share), key=lambda mutant: mutant.line)
    return Result(path, len(chosen), survivors)


def _survivors(path: str, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Return the mutants that the tests do not notice, in a copy of the tree."""
    tests = nearest_tests(path)
    job = Job(path, tests, [mutant.text for mutant in mutants])
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(shutil.copytree(ROOT, Path(folder) / "tree", ignore=LEFT_OUT))
        file = Path(folder) / "job.json"
        file.write_bytes(msgspec.json.encode(job))
        command = [sys.executable, "-m", "benchmarks.checks.mutation_run", str(file)]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the tests of {path} fail without a change: {' '.join(tests)}\n{done.stdout[-2000:]}")
        alive = msgspec.json.decode(file.with_suffix(".out").read_bytes(), type=list[bool])
    return [mutant for mutant, survives in zip(mutants, alive, strict=True) if survives]


def row(result: Result) -> tuple[str, str, str, str]:
    killed = result.tried - len(result.survivors)
    survivors = "; ".join(f"line {mutant.line}: {mutant.change}" for mutant in result.survivors)
    return f"`{result.path}`", f"{GOAL:.0%}", f"{killed} of {result.tried} ({killed / result.tried:.0%})", survivors


def figures() -> list[tuple[str, str, str, str]]:
    return [row(score(path, sample=SAMPLE, seed=SEED, jobs=2)) for path in MODULES]


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the mutants that the nearest tests kill.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for path in options.modules or MODULES:
        print(*row(score(path, sample=options.sample, seed=options.seed, jobs=options.jobs)), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
