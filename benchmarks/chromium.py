"""Find the browser that tests and checks drive."""

from __future__ import annotations

import shutil


def chromium_path() -> str | None:
    """Return the path of Chromium, None if it is not installed.

    The headless shell comes first: it has no windows of its own to draw, and takes a third less time.
    """
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")
