"""`make verify`: every long check, its table kept in docs/verification.md.

`python -m benchmarks.verify [PART ...]` runs all parts, or some of those below. Hours: `learning`, `mutation`,
`fuzz`, `delays`, `budgets` and `crash` take twenty minutes to over an hour each.
"""

from __future__ import annotations

import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from benchmarks.budgets import run as budgets
from benchmarks.checks import (
    admin_clicks,
    api,
    assignment,
    attacks,
    bandits,
    builder,
    changes,
    coupons,
    crash,
    customers,
    dashboard,
    dashboard_cost,
    dashboard_sums,
    delays,
    demo_month,
    discoveries,
    drawn_orders,
    engine,
    evaluation,
    experiment_coverage,
    experiment_learning,
    experiment_measures,
    experiments,
    floor,
    guardrail_stop,
    incrementality,
    learning,
    lighthouse,
    log_export,
    model_changes,
    money,
    mutation,
    neighbours,
    offer_choice,
    outages,
    pacing,
    partitions,
    past_experiments,
    positions,
    previews,
    publishing,
    rare_arms,
    rule_checks,
    rules,
    verifier,
    webhooks,
)
from benchmarks.choice import check as choice
from benchmarks.clients import generated_clients, offline_shop, quick_start
from benchmarks.clients import run as clients
from benchmarks.fuzzing import run as fuzzing
from benchmarks.privacy import check as privacy
from benchmarks.process import ROOT
from benchmarks.published import put

Figures = Sequence[tuple[str, ...]]


class TablePage(NamedTuple):
    """The page that keeps a part's table, and the columns of the table."""

    page: Path = ROOT / "docs" / "verification.md"
    columns: tuple[str, ...] = ("what", "goal", "measured")


TABLE_PAGES = {
    "choice": TablePage(columns=choice.COLUMNS),
    "learning": TablePage(columns=learning.COLUMNS),
    "mutation": TablePage(columns=mutation.COLUMNS),
}

PARTS: dict[str, Callable[[], Iterable[tuple[str, ...]]]] = {
    "crash": crash.figures,
    "admin-clicks": admin_clicks.figures,
    "api": api.figures,
    "assignment": assignment.figures,
    "attacks": attacks.figures,
    "bandits": bandits.figures,
    "budgets": budgets.figures,
    "builder": builder.figures,
    "changes": changes.figures,
    "choice": choice.figures,
    "checks": rule_checks.figures,
    "clients": clients.figures,
    "offline": offline_shop.figures,
    "coupons": coupons.figures,
    "customers": customers.figures,
    "customer-key": privacy.customer_key,
    "dashboard": dashboard.figures,
    "dashboard-cost": dashboard_cost.figures,
    "dashboard-sums": dashboard_sums.figures,
    "delays": delays.figures,
    "demo": demo_month.figures,
    "discoveries": discoveries.figures,
    "drawn-orders": drawn_orders.figures,
    "engine": engine.figures,
    "evaluate": evaluation.figures,
    "experiment-coverage": experiment_coverage.figures,
    "experiment-learning": experiment_learning.figures,
    "experiment-measures": experiment_measures.figures,
    "experiments": experiments.figures,
    "floor": floor.figures,
    "export": log_export.figures,
    "fuzz": fuzzing.figures,
    "generated-clients": generated_clients.figures,
    "guardrail": guardrail_stop.figures,
    "incrementality": incrementality.figures,
    "learning": learning.figures,
    "lighthouse": lighthouse.figures,
    "model-changes": model_changes.figures,
    "money": money.figures,
    "mutation": mutation.figures,
    "neighbours": neighbours.figures,
    "offer-choice": offer_choice.figures,
    "outages": outages.figures,
    "pacing": pacing.figures,
    "partitions": partitions.figures,
    "past": past_experiments.figures,
    "positions": positions.figures,
    "preview": previews.figures,
    "plain-words": privacy.plain_words,
    "preferences": privacy.preferences,
    "privacy": privacy.privacy,
    "publishing": publishing.figures,
    "quick-start": quick_start.figures,
    "rare-arms": rare_arms.figures,
    "rules": rules.figures,
    "verifier": verifier.figures,
    "webhooks": webhooks.figures,
}


def machine() -> str:
    """Return a description of the machine."""
    packages = ("numpy", "msgspec", "litestar", "sqlalchemy", "hypothesis", "schemathesis")
    parts = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    return ", ".join([*parts, *(f"{name} {version(name)}" for name in packages)])


def markdown(part: str, columns: Sequence[str], figures: Figures, seconds: float) -> str:
    description = (
        f"`python -m benchmarks.verify {part}`, {datetime.now(UTC):%Y-%m-%d}, {seconds / 60:.1f} min; {machine()}."
    )
    rows = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in figures]
    return "\n".join([description, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *rows])


def main(parts: list[str]) -> None:
    console = Console()
    unknown = set(parts) - PARTS.keys()
    if unknown:
        raise SystemExit(f"no such part: {min(unknown)}; there are {', '.join(PARTS)}")
    for part in parts or PARTS:
        console.print(f"{part} ...")
        began = time.monotonic()
        figures = list(PARTS[part]())
        table_page = TABLE_PAGES.get(part, TablePage())
        put(table_page.page, part, markdown(part, table_page.columns, figures, time.monotonic() - began))
        for what, *cells in figures:
            named_cells = zip(table_page.columns[1:], cells, strict=True)
            console.print(f"  {what}: " + "; ".join(f"{name} {cell}" for name, cell in named_cells if cell))


if __name__ == "__main__":
    main(sys.argv[1:])
