"""`python -m benchmarks.event_types` writes the table of events, and examples of them, into docs/webhooks.md."""

from __future__ import annotations

import msgspec

from benchmarks.process import ROOT
from benchmarks.published import put
from engine.model.events.event_types import EVENT_TYPES, SUBSCRIBABLE

PAGE = ROOT / "docs" / "webhooks.md"


def table() -> str:
    """Return one row for each type: what it says, what keeps its order, and its `data`."""
    rows = ["| type | when | in order by | `data` |", "|---|---|---|---|"]
    for type in (*SUBSCRIBABLE, "endpoint.test"):
        kind = EVENT_TYPES[type]
        order = ", ".join(f"`{name}`" for name in kind.subject)
        about = f"{kind.summary} {kind.note}".strip()
        rows.append(f"| `{type}` | {about} | {order} | `{msgspec.json.encode(kind.example).decode()}` |")
    return "\n".join(rows)


if __name__ == "__main__":
    put(PAGE, "events", table())
