"""Tune the Python process for a server; commands do not need it."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0005


def tune() -> None:
    """Tune garbage collection and thread switching. Call once everything is loaded.

    Freeze what is loaded: it lives as long as the process. Collect often and little, because nothing else runs
    meanwhile: 50,000 nodes of a rule set at once take 30 ms. Switch threads faster, because the writer's thread
    takes the interpreter about five times a commit and would wait 5 ms each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 2_000)
    sys.setswitchinterval(SWITCH_SECONDS)
