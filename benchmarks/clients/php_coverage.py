"""Measure which lines of the PHP client its tests run. Needs PHP with pcov (Debian: php-cli and php-pcov)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.process import ROOT

SOURCES = ROOT / "sdks" / "php" / "src"


class Covered(NamedTuple):
    """Lines that can be executed, those that were, and the files with the least of them."""

    lines: int
    executed: int
    worst: str


def covered() -> Covered:
    """Run the tests of the PHP client; return what they executed."""
    with tempfile.TemporaryDirectory(prefix="tap2-coverage-") as folder:
        environment = {**os.environ, "TAP2_PHP_COVERAGE": folder}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "tests/sdks/test_php.py"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        return _sum([json.loads(path.read_text()) for path in Path(folder).iterdir()])


def _sum(runs: list[dict[str, dict[str, int]]]) -> Covered:
    """Add the runs, each with hits by line and file; a negative number is a line that was not executed."""
    lines: Counter[str] = Counter()
    executed: Counter[str] = Counter()
    of_file: dict[str, dict[str, bool]] = {str(path): {} for path in SOURCES.rglob("*.php")}
    for run in runs:
        for name in run.keys() & of_file.keys():
            for line, hits in run[name].items():
                of_file[name][line] = of_file[name].get(line, False) or hits > 0
    unseen = of_file.keys() - {name for run in runs for name in run}
    if unseen:
        raise SystemExit(f"no run loaded {', '.join(sorted(unseen))}, or PHP has no pcov")
    for name, hit in of_file.items():
        lines[name], executed[name] = len(hit), sum(hit.values())
    worst = sorted((executed[name] / lines[name], Path(name).stem) for name in of_file if lines[name])[:3]
    shown = ", ".join(f"{name} {share:.0%}" for share, name in worst)
    return Covered(sum(lines.values()), sum(executed.values()), shown)
