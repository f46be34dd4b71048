"""The Grafana dashboard reads only metrics and labels that a server exposes."""

from __future__ import annotations

import json
import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.process import ROOT
from tests.serving import Server, Side

BOARD = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())
METRIC = re.compile(r"\btap2_\w+")
GROUPED = re.compile(r"by \(([^)]*)\)")
LABELS_OF_TESTS = {
    "fault",
    "kind",
    "result",
    "change",
    "percent",
    "status",
    "route",
    "le",
    "job",
    "version",
    "operation",
}


def targets() -> list[dict[str, Any]]:
    return [target for panel in BOARD["panels"] for target in panel["targets"]]


def names_in(text: str) -> dict[str, set[str]]:
    """The metrics in an exposition with the labels of each."""
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for suffix in suffixes:
            names[f"{family.name}{suffix}"] = set()
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


def test_every_expression_reads_metrics_that_exist(server: Server, side: Side) -> None:
    side.decide()
    exposed = names_in(side.client.get("/metrics").text)
    used = {name for target in targets() for name in METRIC.findall(target["expr"])}
    assert len(used) >= 12
    assert used - exposed.keys() == set()


def test_legends_use_grouped_labels(server: Server, side: Side) -> None:
    side.decide()
    exposed = names_in(side.client.get("/metrics").text)
    for target in targets():
        grouped = {name.strip() for text in GROUPED.findall(target["expr"]) for name in text.split(",")}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped
        [metric, *_] = METRIC.findall(target["expr"])
        assert grouped <= (exposed[metric] or LABELS_OF_TESTS)


def test_every_metric_of_the_server_is_on_the_dashboard(side: Side) -> None:
    side.decide()
    families = text_string_to_metric_families(side.client.get("/metrics").text)
    own = {
        family.name for family in families if family.name.startswith("tap2_") and not family.name.endswith("_created")
    }
    shown = " ".join(target["expr"] for target in targets())
    assert {name for name in own if name not in shown} == set()


def test_panels_have_a_position_and_a_description() -> None:
    positions = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in BOARD["panels"]]
    assert len(set(positions)) == len(BOARD["panels"])
    assert all(panel["title"] and panel["description"] for panel in BOARD["panels"])
