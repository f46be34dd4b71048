"""Processes that tests start: forked from one that has loaded the engine, because loading it takes each 1.3 s."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
"""Its processes share nothing with the test's, as after `spawn`, and may be killed at any moment."""
PROCESSES.set_forkserver_preload(["pytest", "engine.service"])
