"""The versions in a published folder: each in a folder of its own, and beside them what all their pages read.

A version appears as a whole, also when the process is killed: it is copied beside its place, and moved there at once.
The list of versions is made from the folders, so any next run repairs what a killed one has left.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

HERE = Path(__file__).parent
DEV = "dev"
"""The name of the working copy among the versions."""
PAGES = "pages.js"
NEW, OLD = ".new", ".old"
RELEASE = re.compile(r"\d+\.\d+\.\d+")
REDIRECT = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Documentation</title>
  <meta http-equiv="refresh" content="0; url={version}/index.html">
</head>
<body><p><a href="{version}/index.html">Documentation of {version}</a></p></body>
</html>
"""


def is_release(name: str) -> bool:
    """Return whether a name is that of a release, as `1.2.3`."""
    return RELEASE.fullmatch(name) is not None


def versions(site: Path) -> list[str]:
    """Return the names of the versions in a folder: what is not released yet, then releases from new to old."""
    names = [path.parent.name for path in site.glob(f"*/{PAGES}")]
    releases = sorted(filter(is_release, names), key=lambda name: [int(part) for part in name.split(".")], reverse=True)
    return [name for name in names if name == DEV] + releases


def add(site: Path, name: str, built: Path) -> None:
    """Add a built version to a folder, or replace it there; other versions stay as they are."""
    site.mkdir(parents=True, exist_ok=True)
    _repair(site)
    new = site / f".{name}{NEW}"
    shutil.copytree(built, new)
    pages = sorted(path.relative_to(built).as_posix() for path in built.rglob("*.html"))
    (new / PAGES).write_text(f"tap2Pages({json.dumps(name)}, {json.dumps(pages)});\n")
    target, old = site / name, site / f".{name}{OLD}"
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    _write_root(site)


def _repair(site: Path) -> None:
    """Clean up after a run that was killed: put back a version that it had moved away, and remove its copies."""
    for old in site.glob(f".*{OLD}"):
        target = site / old.name[1 : -len(OLD)]
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
    for path in site.glob(f".*{NEW}"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write_root(site: Path) -> None:
    """Write what belongs to all versions: the selector, the list, and a page that leads to the newest release."""
    names = versions(site)
    newest = next(filter(is_release, names), DEV)
    listed = [{"version": name, "title": name, "aliases": ["latest"] if name == newest else []} for name in names]
    script = (HERE / "versions.js").read_text()
    _write(site / "versions.css", (HERE / "versions.css").read_text())
    _write(site / "versions.js", f"{script}\nnew Versions({json.dumps(names)}, {json.dumps(newest)}).show();\n")
    _write(site / "versions.json", json.dumps(listed, indent=1) + "\n")
    _write(site / "index.html", REDIRECT.format(version=newest))


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}{NEW}")
    new.write_text(text)
    new.replace(path)
