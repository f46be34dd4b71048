"""`tap2 rules`: what a repository's CI sees of good and bad rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.serving import Server, Side
from web.cli import main
from web.openapi import examples

HIDE = {"id": "hide-paypal", "name": "Hide PayPal", "when": {"==": [{"var": "geo.country"}, "DE"]},
        "effects": [{"exclude": ["paypal"]}]}  # fmt: skip
HIDDEN = {"id": "s", "name": "No PayPal in DE", "context": {"geo": {"country": "DE"}}, "expect": {"hidden": ["paypal"]}}
FIELD = {"name": "geo.country", "type": "country"}


def tap2(*arguments: str, side: Side | None = None) -> Result:
    learned = {"TAP2_URL": side.server.url, "TAP2_KEY": side.key} if side else {"TAP2_KEY": ""}
    return CliRunner().invoke(main, ["rules", *arguments], env={name: value or None for name, value in learned.items()})


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def rule_file(**document: Any) -> str:
        path = tmp_path / "rules.json"
        path.write_text(json.dumps(document))
        return str(path)

    return rule_file


def test_good_rules_pass_without_a_server(write: Any):
    file = write(rules=[HIDE], scenarios=[HIDDEN], vocabulary=[FIELD])
    assert tap2("check", file).exit_code == 0
    done = tap2("test", file)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "holds: scenario s: No PayPal in DE")


def test_every_mistake_is_named_with_its_rule_and_fails_the_build(write: Any):
    bad = [{**HIDE, "when": {"==": [{"var": "geo.contry"}, "DE"]}}, {**HIDE, "id": "b", "effects": [{"exclude": []}]}]
    done = tap2("check", write(rules=bad, vocabulary=[FIELD]))
    assert done.exit_code == 1
    assert (
        "rule hide-paypal/when/==/0/var: 'geo.contry' is not a declared fact; did you mean geo.country?" in done.output
    )
    assert "rule b/effects/0/exclude" in done.output
    never = {"and": [{"==": [{"var": "geo.country"}, "DE"]}, {"==": [{"var": "geo.country"}, "AT"]}]}
    done = tap2("check", write(rules=[{**HIDE, "when": never}], vocabulary=[FIELD]))
    assert done.exit_code == 1
    assert "error: rule hide-paypal" in done.output


def test_failing_scenario_fails_the_build_and_prints_its_result(write: Any):
    done = tap2("test", write(rules=[], scenarios=[HIDDEN], vocabulary=[FIELD]))
    assert done.exit_code == 1
    assert "FAILS: scenario s" in done.output
    assert "paypal should be hidden, but is shown" in done.output
    as_json = json.loads(tap2("test", write(rules=[], scenarios=[HIDDEN], vocabulary=[FIELD]), "--json").stdout)
    assert as_json["scenarios"][0]["holds"] is False


def test_missing_parts_come_from_the_server(side: Side, write: Any):
    file = write(rules=[{**HIDE, "effects": [{"exclude": ["bitcoin"]}]}])
    done = tap2("check", file, "--placement", "payment_methods", side=side)
    assert done.exit_code == 1
    assert "there is no candidate “bitcoin”" in done.output
    without = tap2("check", file)
    assert without.exit_code == 2
    assert "vocabulary" in without.output


def test_an_export_is_published_again_from_its_file(side: Side, write: Any):
    exported = side.client.get("/v1/placements/payment_methods/rule-set").json()
    file = write(**exported)
    assert tap2("test", file).exit_code == 0
    assert "unchanged" in tap2("publish", file, side=side).output
    exported["rules"].append(HIDE)
    exported["scenarios"] = [HIDDEN]
    done = tap2("publish", write(**exported), "--why", "from CI", "--json", side=side)
    assert done.exit_code == 0, done.output
    version = json.loads(done.stdout)["version"]
    decision = side.decide()
    assert decision["plan_version"] == version
    assert "paypal" not in {item["id"] for item in decision["ranking"]}


def test_refusal_of_the_server_prints_its_reasons(server: Server, side: Side, write: Any):
    file = write(rules=[examples.RULE], scenarios=[HIDDEN])
    done = tap2("publish", file, "--placement", "payment_methods", side=side)
    assert (done.exit_code, "unchanged" in done.output) == (0, True)
    changed = write(rules=[{**examples.RULE, "priority": 1}], scenarios=[HIDDEN])
    done = tap2("publish", changed, "--placement", "payment_methods", side=side)
    assert done.exit_code == 1
    assert "paypal should be hidden" in done.output
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tester"))
    done = tap2("publish", write(rules=[HIDE]), "--placement", "payment_methods", side=side)
    assert (done.exit_code, "in review" in done.output) == (0, True)
    assert tap2("publish", write(rules=[HIDE])).exit_code == 2


def test_rules_are_previewed_on_the_servers_log(side: Side, write: Any):
    for _ in range(3):
        side.decide()
    done = tap2("preview", write(rules=[HIDE]), "--placement", "payment_methods", "--json", side=side)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["result"]["read"] == 3


def test_unreachable_server_has_another_status_than_invalid_rules(write: Any):
    file = write(rules=[HIDE])
    done = CliRunner().invoke(
        main, ["rules", "publish", file, "--placement", "p", "--url", "http://127.0.0.1:9", "--key", "sk_live_x"]
    )
    assert done.exit_code == 2
    assert "no answer from" in done.output
