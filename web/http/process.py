"""Settings of the Python process that a server wants and a command does not."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0005


def tune() -> None:
    """Call once everything is loaded.

    What is loaded now stays, so the collector need not look at it again. While it looks at what came since, nothing
    else runs, so it does that often and at little each time: 50,000 of a rule set's nodes at once take 30 ms. The
    writer's thread asks for the interpreter some five times a commit, and by default waits 5 ms each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 2_000)
    sys.setswitchinterval(SWITCH_SECONDS)
