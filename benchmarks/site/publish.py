"""`make docs`: add a version of the documentation to a folder that can be served, or opened without a server.

`make docs` adds the working copy as `dev`, `make docs TAG=v1.2.3` a release as `1.2.3`. `SITE=...` names the folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks.process import ROOT
from benchmarks.site import build
from benchmarks.site.versions import DEV, add, is_release

SITE = ROOT / "site"


def publish(tag: str, site: Path) -> str:
    """Build the version of a tag, or the working copy without one, and add it to the site; return its name.

    Raises SystemExit with what is wrong; the site is then as before.
    """
    name = tag.removeprefix("v") if tag else DEV
    if tag and not (tag.startswith("v") and is_release(name)):
        raise SystemExit(f"{tag} is no tag of a release, such as v1.2.3")
    with tempfile.TemporaryDirectory(prefix="tap2-docs-") as folder:
        built = Path(folder) / "built"
        if tag:
            _build_tag(tag, name, built, Path(folder) / "sources")
        else:
            build.main(built, name)
        add(site, name, built)
    return name


def _build_tag(tag: str, name: str, built: Path, sources: Path) -> None:
    """Build a release by its own code, with the packages that are installed now."""
    archive = sources.with_suffix(".tar")
    _run(["git", "archive", f"--output={archive}", f"refs/tags/{tag}"], ROOT)
    with tarfile.open(archive) as files:
        files.extractall(sources, filter="data")
    _run([sys.executable, "-m", "benchmarks.site.build", str(built), name], sources)


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", default="", help="a tag of a release, such as v1.2.3")
    parser.add_argument("--site", type=Path, default=SITE, help="the folder that is published")
    options = parser.parse_args()
    name = publish(options.tag, options.site)
    print(f"Open {options.site / name / 'index.html'}")


if __name__ == "__main__":
    main()
