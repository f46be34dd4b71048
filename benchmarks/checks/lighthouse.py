"""Lighthouse's scores of six pages of the demo, as on a desk and as on a phone.

`python -m benchmarks.verify lighthouse`, ten minutes on a machine that does nothing else; it downloads Lighthouse from
npm and needs Chromium. The score of performance is the middle one of several runs, because it varies.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

from benchmarks.checks.admin_clicks import demo, logged_in
from benchmarks.chromium import chromium_path

LIGHTHOUSE = "lighthouse@12"
RUNS = 3
GOAL = 95
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PAGES = {
    "overview": "/admin/live/",
    "placement": "/admin/live/placements/payment_methods",
    "rules": "/admin/live/rules",
    "new rule": "/admin/live/rules/new",
    "experiments": "/admin/live/experiments",
    "decisions": "/admin/live/decisions",
}
FORMS = {"desk": ("--preset=desktop",), "phone": ()}
BROWSER = "--chrome-flags=--headless --no-sandbox --disable-gpu"


class Scores(NamedTuple):
    """A page's scores from 0 to 100, and its largest shift of the layout."""

    performance: float
    accessibility: float
    best_practices: float
    seo: float
    layout_shift: float

    @property
    def text(self) -> str:
        return f"{' / '.join(f'{score:.0f}' for score in self[:4])}, layout shift {self.layout_shift:.3f}"


def figures() -> Iterator[tuple[str, str, str]]:
    """Yield (what, goal, measured)."""
    browser = chromium_path()
    if browser is None or shutil.which("npm") is None:
        raise SystemExit("this check needs npm and Chromium")
    with tempfile.TemporaryDirectory(prefix="tap2-lighthouse-") as name, demo() as server:
        folder = Path(name)
        _run(["npm", "install", "--silent", LIGHTHOUSE], folder)
        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            with logged_in(chromium, server, "en-GB") as page:
                cookies = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())
        headers = folder / "headers.json"
        headers.write_text(json.dumps({"Cookie": cookies}))
        for title, path in PAGES.items():
            for form, options in FORMS.items():
                url = f"http://127.0.0.1:{server.port}{path}"
                runs = [_report(folder, browser, url, headers, options) for _ in range(RUNS)]
                scores = Scores(*(statistics.median(values) for values in zip(*runs, strict=True)))
                yield (
                    f"{title}, {form}: performance / accessibility / best practices / SEO",
                    f">= {GOAL} in all, shift <= 0.05",
                    scores.text,
                )


def _report(folder: Path, browser: str, url: str, headers: Path, options: tuple[str, ...]) -> Scores:
    command = ["npx", "lighthouse", url, "--quiet", "--output=json", f"--extra-headers={headers}", BROWSER, *options]
    command.append(f"--only-categories={','.join(CATEGORIES)}")
    report: Mapping[str, Any] = json.loads(_run(command, folder, {"CHROME_PATH": browser}))
    scores = [100 * report["categories"][name]["score"] for name in CATEGORIES]
    return Scores(*scores, report["audits"]["cumulative-layout-shift"]["numericValue"])


def _run(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    own = {**os.environ, **(environment or {})}
    ran = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=300)
    if ran.returncode:
        raise RuntimeError(f"{command[:2]} failed:\n{ran.stderr[-2000:]}")
    return ran.stdout
