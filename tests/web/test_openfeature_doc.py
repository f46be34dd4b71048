"""OpenFeature's own providers work with the server, as docs/openfeature.md shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from benchmarks.process import ROOT
from tests.serving import Side
from tests.web.node_packages import run_module
from tests.web.test_openfeature import SHOW_CVV

TEXT = (ROOT / "docs" / "openfeature.md").read_text()
CONTEXT = EvaluationContext("c_123", {"cart": {"total": 12_900, "currency": "EUR"}})


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def flags(side: Side) -> Iterator[Any]:
    """A client of the real provider."""
    assert side.client.post("/v1/placements/payment_methods/rules", json=SHOW_CVV).status_code == 201
    headers = {"Authorization": f"Bearer {side.key}"}
    api.set_provider(OFREPProvider(side.server.url, headers_factory=lambda: headers))
    yield api.get_client()
    api.clear_providers()


def test_the_python_examples_decide_and_report(side: Side, capsys: pytest.CaptureFixture[str]):
    names: dict[str, Any] = {"SERVER": side.server.url, "KEY": side.key}
    for block in blocks("python"):
        exec(block, names)
    api.clear_providers()
    decision = capsys.readouterr().out.split()[-1]
    logged = side.client.get(f"/v1/decisions/{decision}?explain=true").json()
    assert [outcome["event_id"] for outcome in logged["outcomes"]] == ["order-4711"]
    assert [ranked["id"] for ranked in logged["ranking"]] == names["details"].value["ranking"]


def test_the_python_provider_reads_values_and_defaults(flags: Any):
    assert flags.get_boolean_value("payment_methods~show_cvv", False, CONTEXT) is True
    small = EvaluationContext("c_123", {"cart": {"total": 5, "currency": "EUR"}})
    details = flags.get_boolean_details("payment_methods~show_cvv", False, small)
    assert (details.value, details.reason, details.error_code) == (False, Reason.DEFAULT, None)


def test_the_python_provider_understands_our_errors(flags: Any):
    def error(flag: str, default: Any = None, **context: Any) -> ErrorCode:
        details = flags.get_object_details(flag, default or {}, EvaluationContext(None, context))
        assert details.value == (default or {})
        code: ErrorCode = details.error_code
        return code

    assert error("nothing") == ErrorCode.FLAG_NOT_FOUND
    assert error("payment_methods", personalization="no") == ErrorCode.INVALID_CONTEXT
    assert error("payment_methods", customer_token="ct_1") == ErrorCode.TARGETING_KEY_MISSING
    assert error("payment_methods~show_cvv", cart={"total": 50_000}) == ErrorCode.TYPE_MISMATCH


def test_the_javascript_example_decides(side: Side, tmp_path: Path):
    package = "@openfeature/ofrep-provider"
    names = {"SERVER": side.server.url, "KEY": side.key}
    ranking, decision = run_module(blocks("javascript")[0], tmp_path, package, **names)
    logged = side.client.get(f"/v1/decisions/{decision}").json()
    assert [ranked["id"] for ranked in logged["ranking"]] == ranking.split(",")
