"""Export a million decisions as Parquet in bounded memory, and read them with other tools.

`python -m benchmarks.verify export`, fifteen minutes and 1 GB of disk. DuckDB, pandas and obp run in the peers'
environment (benchmarks/peers/README.md). A small version is tests/engine/test_engine_log_export.py.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peers_environment
from benchmarks.checks.copied_log import Copies, multiply
from benchmarks.checks.metric_shop import PLACEMENT, Trade, environment_of, opened, tap2, trade
from benchmarks.process import ROOT, TAP2
from engine.clock import now_ms
from engine.insights.evaluation import MOST
from engine.service import SQLITE_FILE

DECISIONS, DAYS, COPIES = 50_000, 27, Copies(shifts=1, rotations=20)
CANDIDATE = "paypal"
SECONDS_BETWEEN_LOOKS = 0.1
MEGABYTE = 1024
"""In KiB, as the system counts memory."""


class Exported(NamedTuple):
    """The file that the command wrote: its rows, its size in MB, and the most memory of the process in MB."""

    path: Path
    decisions: int
    outcomes: int
    megabytes: float
    memory: float


def figures(decisions: int = DECISIONS, copies: Copies = COPIES) -> Iterator[tuple[str, ...]]:
    """Yield (what, goal, measured)."""
    with tempfile.TemporaryDirectory(prefix="tap2-export-") as name:
        folder = Path(name)
        asyncio.run(_trade(folder, decisions))
        multiply(folder / SQLITE_FILE, copies)
        exported = export(folder)
        what = f"`tap2 export decisions` of {exported.decisions:,} decisions with {exported.outcomes:,} outcomes"
        yield f"{what}: largest memory of the process", "< 500 MB", f"{exported.memory:.0f} MB"
        yield "size of the file", "", f"{exported.megabytes:.0f} MB"
        yield from _read_by_others(folder, exported)


def export(folder: Path) -> Exported:
    """Run the command in a process of its own, and measure it."""
    path, memory = folder / "decisions.parquet", 0
    command = [*TAP2, "export", "decisions", "--merchant", "shop", "--out", str(path), "--json"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment_of(folder), stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        memory = max(memory, _largest_memory(process.pid))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode or process.stdout is None:
        raise RuntimeError("the export failed")
    written = json.loads(process.stdout.read())
    size = path.stat().st_size / 1e6
    return Exported(path, written["decisions"], written["outcomes"], size, memory / MEGABYTE)


def _largest_memory(process: int) -> int:
    """Return the most memory that a process had so far, in KiB; 0 once it has ended.

    The usage that `wait4` reports would count the memory of this process too, which the new one shares until it begins.
    """
    match = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(match[1]) if match else 0


def _read_by_others(folder: Path, exported: Exported) -> Iterator[tuple[str, ...]]:
    """Yield what other tools read, beside the log and `tap2 evaluate log`."""
    command = ("evaluate", "log", PLACEMENT, "--merchant", "shop", "--policy", f"first:{CANDIDATE}")
    ours = json.loads(tap2(folder, *command))
    if not peers_environment.is_there():
        yield "DuckDB, pandas and obp", "", peers_environment.ABSENT
        return
    theirs = peers_environment.log_estimates(exported.path, CANDIDATE, newest=MOST, deciding=ours["deciding"])
    log = _sums_of_log(folder / SQLITE_FILE)
    for reader in ("duckdb", "pandas"):
        differing = [name for name, value in theirs[reader].items() if name in log and value != log[name]]
        read = ", ".join(f"{value:,} {name}" for name, value in theirs[reader].items())
        yield f"{reader} reads the file: sums that differ from the log", "0", f"{len(differing)} ({read})"
    yield from _estimates(ours, theirs)


def _estimates(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield each estimate of `tap2 evaluate log` beside that of obp."""
    rows = ours["decisions"] - ours["deciding"]
    yield f"decisions that both estimate from, {CANDIDATE} first", f"{rows:,}", f"{theirs['rows']:,}"
    values = {name: ours["estimates"][name]["value"] for name in ("logged policy", "IPS", "SNIPS")}
    peers = {"logged policy": theirs["logged"], **theirs["obp"]}
    for name, value in values.items():
        yield f"{name}: obp on the file, less `tap2 evaluate log`", "0", f"{peers[name] - value:.1e} of {value:.5f}"


def _sums_of_log(path: Path) -> dict[str, int]:
    with sqlite3.connect(path) as connection:
        decisions, customers = connection.execute("SELECT COUNT(*), COUNT(DISTINCT customer) FROM decisions").fetchone()
        outcomes = connection.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0]
    return {"decisions": decisions, "customers": customers, "outcomes": outcomes}


async def _trade(folder: Path, decisions: int) -> None:
    async with opened(folder) as shop:
        await trade(shop, Trade(decisions, DAYS, now_ms()), seed=7)
