"""Random sequences of takes, redemptions, releases, refunds and expiries, compared with a model at every step."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from engine.migrate import upgrade
from engine.store.connection.database import SQLITE_FILE, sqlite_url
from tests.engine.test_engine_codes_sequences import CodeMachine
from tests.engine.test_engine_ledger import Accounts
from tests.engine.test_engine_ledger_protocol import Protocol, explore

Figure = tuple[str, str, str]

SEQUENCES, STEPS = 10_000, 20
MACHINES = {"the ledger": (Accounts, 1.0), "codes": (CodeMachine, 0.2)}
"""The machines, and what share of the sequences each gets: a step of codes says less."""


def figures_of_sequences(sequences: int = SEQUENCES) -> list[Figure]:
    """Return the rows; a sequence that differs raises with its steps."""
    rows: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tap2-sequences-") as folder:
        asyncio.run(upgrade(sqlite_url(folder)))
        for name, (machine, share) in MACHINES.items():
            count = round(sequences * share)
            machine.template = Path(folder) / SQLITE_FILE
            checks = list(HealthCheck)
            many = settings(max_examples=count, stateful_step_count=STEPS, deadline=None, suppress_health_check=checks)
            run_state_machine_as_test(machine, settings=many)
            rows.append((f"{count:,} random sequences of up to {STEPS} steps of {name}: differences", "0", "0"))
    states, faults = explore(Protocol())
    row = (f"all {states:,} states of 3 workers that hold, redeem, refund and crash: faults", "0", str(len(faults)))
    return [*rows, row]
