"""The results of an experiment as rows of a table file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.experiments.results import Results
from engine.model.documents.metric import METRICS, Quantity
from engine.model.experiment import Experiment
from web.csv_text import Rows

FILE_UNITS: Mapping[Quantity, str] = {
    "share": "share",
    "number": "number",
    "money": "minor units",
    "time": "milliseconds",
}


def csv_rows(document: Experiment, results: Results) -> Rows:
    """Return every metric of every variant as a table; lifts are relative changes, `unit` is that of the values."""
    counted = {variant.id: variant for variant in results.variants}
    head = (
        "metric",
        "variant",
        "units",
        "matured",
        "value",
        "control_value",
        "lift",
        "low",
        "high",
        "chance_to_win",
        "unit",
    )
    rows: list[Sequence[object]] = [head]
    for each in results.comparisons:
        units = counted[each.variant]
        unit = FILE_UNITS[METRICS[each.metric].quantity]
        values = (each.value, each.control_value, each.lift, each.low, each.high, each.chance_to_win, unit)
        rows.append((each.metric, each.variant, units.units, units.matured, *("" if v is None else v for v in values)))
    return rows
