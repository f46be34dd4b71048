"""Node and the JavaScript package, where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.process import ROOT

PACKAGE = ROOT / "sdks" / "javascript"
NODE = shutil.which("node") or ""


def skip_without() -> None:
    if not NODE or not (PACKAGE / "node_modules").is_dir():
        pytest.skip("Node or the packages of sdks/javascript are missing: npm ci")


def run(package: Path, *command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command of the package and return its output, which the test shows if the command fails."""
    tools = f"{PACKAGE / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    merged = {**os.environ, "PATH": tools, **(environment or {})}
    done = subprocess.run(
        command, cwd=package, env=merged, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
