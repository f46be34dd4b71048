"""What learns during an experiment: those that exist share everything"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

Change = Callable[[dict[str, Any]], None]


def upgrade() -> None:
    _change(lambda experiment: experiment.setdefault("learning", "shared"))


def downgrade() -> None:
    _change(lambda experiment: experiment.pop("learning", None))


def _change(change: Change) -> None:
    """Change every experiment: those that are edited, and those in published plans."""

    def inside(plan: dict[str, Any]) -> None:
        for experiment in plan["experiments"]:
            change(experiment)

    resources, plans = _table("resources", "kind", "place", "id"), _table("plans", "placement", "version")
    _rewrite(resources, resources.c.kind == "experiment", change)
    _rewrite(plans, plans.c.document.contains('"experiments":[{'), inside)


def _table(name: str, *key: str) -> sa.TableClause:
    return sa.table(name, sa.column("document", sa.Text()), *map(sa.column, ("merchant_id", *key)))


def _rewrite(table: sa.TableClause, where: sa.ColumnElement[bool], change: Change) -> None:
    connection = op.get_bind()
    for text, *values in connection.execute(sa.select(table).where(where)).all():
        document = json.loads(text)
        change(document)
        changed = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        same = [column == value for column, value in zip(list(table.c)[1:], values, strict=True)]
        connection.execute(sa.update(table).where(*same).values(document=changed))
