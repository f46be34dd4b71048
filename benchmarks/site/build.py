"""Build one version of the documentation site: `python -m benchmarks.site.build FOLDER VERSION`.

The pages and the configuration are written to a folder of their own, from which Zensical builds strictly: a link that
leads nowhere, or a page that is missing from the navigation, fails the build. `benchmarks.site.publish` also calls this
module of earlier releases.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT
from benchmarks.site import reference
from benchmarks.site.pages import asset_paths, page, page_paths
from engine.settings import Settings
from web.app import create_app
from web.openapi.document import document

HERE = Path(__file__).parent


def main(target: Path, version: str) -> None:
    """Build the site into the new folder `target`. Raises SystemExit with what is wrong."""
    with tempfile.TemporaryDirectory(prefix="tap2-site-") as name:
        folder = Path(name)
        write_sources(folder, version)
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", "zensical.toml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}")
        shutil.copytree(folder / "site", target)


def write_sources(folder: Path, version: str) -> None:
    """Write the configuration and the pages, as Zensical reads them, into a folder."""
    docs = folder / "docs"
    own, generated = guides(), reference.pages(api())
    for target, text in (own | generated).items():
        _write(docs / target, text)
    for source, target in asset_paths(ROOT).items():
        (docs / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, docs / target)
    shutil.copyfile(ROOT / "web" / "static" / "mark.svg", docs / "mark.svg")
    for name in ("site.css", "site.js", "iframe-worker.js"):
        shutil.copyfile(HERE / name, docs / name)
    text = configuration(own, generated, version)
    listed, pages = navigation(text), Counter((own | generated).keys())
    astray = (listed - pages) | (pages - listed)
    if astray:
        raise SystemExit(f"not once in the navigation of benchmarks/site/zensical.toml: {', '.join(sorted(astray))}")
    _write(folder / "zensical.toml", text)


def guides() -> dict[str, str]:
    """Return the Markdown of the repository's pages by their paths on the site."""
    sources = page_paths(ROOT)
    targets = sources | asset_paths(ROOT)
    return {target: page((ROOT / source).read_text(), source, targets) for source, target in sources.items()}


def configuration(own: Mapping[str, str], generated: Mapping[str, str], version: str) -> str:
    """Return the configuration with the version and with the pages of the API and of decisions in the navigation."""
    decisions = {target: text for target, text in sorted(own.items()) if target.startswith("decisions/")}
    return (
        (HERE / "zensical.toml")
        .read_text()
        .replace("{version}", version)
        .replace("{reference}", _entries(generated))
        .replace("{decisions}", _entries(decisions))
    )


def navigation(configuration: str) -> Counter[str]:
    """Return how often each page is in the navigation of a configuration."""
    return Counter(_leaves(tomllib.loads(configuration)["project"]["nav"]))


def _leaves(entries: Iterable[Any]) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            yield from [target] if isinstance(target, str) else _leaves(target)


def _entries(pages: Mapping[str, str]) -> str:
    """Return entries of the navigation in TOML: pages under their titles."""
    titles = ((text.splitlines()[0].removeprefix("# "), target) for target, text in pages.items())
    return "\n".join(
        f"    {{ {json.dumps(title, ensure_ascii=False)} = {json.dumps(target)} }}," for title, target in titles
    )


def api() -> dict[str, Any]:
    """Return the product's OpenAPI document."""
    with tempfile.TemporaryDirectory(prefix="tap2-site-") as data:
        return document(create_app(Settings(data=data)))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
