"""Run the scripts in benchmarks/peers/ with the peers' own Python, if that environment exists."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.process import ROOT

PYTHON = ROOT / ".venv-peers" / "bin" / "python"
ABSENT = "not run: see benchmarks/peers/README.md"


class PeerFailed(Exception):
    """Raised if a peer's script ends with an error; the message is its last line of output."""


def is_there() -> bool:
    return PYTHON.exists()


def regrets(scenario: Path, peer: str, seeds: int) -> NDArray[np.float64]:
    """Return a peer's regret for the seeds 0 to `seeds` - 1."""
    arguments = (str(scenario), peer, "--seeds", str(seeds), "--workers", str(os.cpu_count() or 1))
    return np.array(_document("play", *arguments)["regrets"], np.float64)


def timings() -> dict[str, float]:
    """Return the microseconds per decision, by name."""
    return {str(name): float(value) for name, value in _document("timings").items()}


def log_estimates(path: Path, candidate: str, *, newest: int, deciding: int) -> dict[str, Any]:
    """Return what DuckDB, pandas and obp say of an exported log; see `benchmarks.peers.log_estimates`."""
    document: dict[str, Any] = _document("log_estimates", str(path), candidate, str(newest), str(deciding))
    return document


def _document(script: str, *arguments: str) -> Any:
    command = [str(PYTHON), "-W", "ignore", "-m", f"benchmarks.peers.{script}", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise PeerFailed(f"{script}: {(ran.stderr.strip().splitlines() or ['no word of it'])[-1]}")
    return json.loads(ran.stdout.splitlines()[-1])
