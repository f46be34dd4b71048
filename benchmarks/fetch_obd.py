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
PRIORS = "obp/policy/conf/prior_bts.yaml"
"""The Beta distributions that the logged Thompson sampling policy is published with."""


def members() -> dict[str, str]:
    """Return the member of the wheel for each file in the folder."""
    logs = {
        f"{policy}-{campaign}.csv": f"{INSIDE}/{policy}/{campaign}/{campaign}.csv"
        for policy in POLICIES
        for campaign in CAMPAIGNS
    }
    items = {f"{campaign}-item_context.csv": f"{INSIDE}/random/{campaign}/item_context.csv" for campaign in CAMPAIGNS}
    return logs | items


def fetch(folder: Path) -> None:
    """Download the missing files of `folder`."""
    if all((folder / name).exists() for name in (*members(), *posteriors())):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(_download(Path(scratch))) as wheel:
        for name, member in members().items():
            _put(folder / name, wheel.read(member))
        published = wheel.read(PRIORS).decode()
        for name, campaign in posteriors().items():
            _put(folder / name, posteriors_of(published, campaign).encode())


def posteriors() -> dict[str, str]:
    """Return the campaign of each posteriors file in the folder."""
    return {f"{campaign}-posteriors.csv": campaign for campaign in CAMPAIGNS}


def posteriors_of(published: str, campaign: str) -> str:
    """Return a CSV of item_id, alpha, beta from the published YAML, a list of numbers under `alpha` and `beta` each."""
    numbers: dict[str, list[str]] = {}
    inside, name = False, ""
    for line in published.splitlines():
        word = line.strip()
        if word.endswith(":"):
            inside, name = (word == f"{campaign}:", "") if line == word else (inside, word[:-1])
        elif inside and word.startswith("- "):
            numbers.setdefault(name, []).append(word[2:])
    pairs = zip(numbers["alpha"], numbers["beta"], strict=True)
    return "item_id,alpha,beta\n" + "".join(f"{item},{a},{b}\n" for item, (a, b) in enumerate(pairs))


def _put(path: Path, content: bytes) -> None:
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        part.replace(path)


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(scratch), PACKAGE]
    subprocess.run(command, check=True)
    return next(scratch.glob("*.whl"))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/obd")
    fetch(folder)
    for name in (*members(), *posteriors()):
        print(folder / name)


if __name__ == "__main__":
    main()
