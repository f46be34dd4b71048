"""Packages from npm in Node, unchanged, against a server of a test."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.process import ROOT

PACKAGES = ROOT / "node_modules"


def run_module(script: str, folder: Path, package: str, **constants: str) -> list[str]:
    """Run a module that imports a package, with constants before it; return the words that it prints."""
    if not shutil.which("node") or not (PACKAGES / package).is_dir():
        pytest.skip(f"Node or the package {package} is missing: npm ci")
    (folder / "node_modules").symlink_to(PACKAGES)
    before = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    (folder / "try.mjs").write_text(before + script)
    command = ["node", "try.mjs"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
