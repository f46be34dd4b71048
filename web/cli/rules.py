"""`tap2 rules`: check, test, preview and publish the sets of rules of a repository, from its CI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import click
import msgspec

from engine.configuration.configuration import Change, Configuration
from engine.configuration.validation import check, compiled
from engine.kernel.plan import Plan
from engine.kernel.scenario_check import ScenarioOutcome, try_out
from engine.model.errors import Invalid
from engine.model.placement import Candidate, Placement
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, id_of, kind_of
from rules.analysis.check import check_rules
from rules.analysis.findings import RuleFinding
from rules.analysis.rule_set_analysis import CheckContext
from web.api.rule_sets import RuleSet
from web.cli.common import as_json, show
from web.cli.remote import Remote
from web.http.request_reading import MOST_BULK_BYTES, converted, loads

WRONG = 1
"""The exit status if something is wrong with the rules."""


@click.group()
def rules() -> None:
    """Sets of rules in files: check, test, preview and publish them.

    The exit status is 0 where all is well, 1 where something is wrong with the rules or they were refused, and 2 where
    the command or the server cannot be used.
    """


def _connected(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options and the argument that all commands take: file, server and placement."""
    for option in (
        click.option("--placement", help="The placement's key; by default the file's own."),
        click.option("--key", envvar="TAP2_KEY", help="A secret key; also read from TAP2_KEY."),
        click.option("--url", default="http://127.0.0.1:8000", show_default=True, envvar="TAP2_URL"),
        click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
    ):
        command = option(command)
    return as_json(command)


@rules.command("check")
@_connected
def rules_check(*, file: Path, url: str, key: str | None, placement: str | None, json: bool) -> None:
    """Check the rules and print the findings.

    Works without a server where the file has its vocabulary, as an exported one has.
    """
    plan = _plan(_completed(file, url, key, placement))
    findings = _findings(plan)
    _print(findings, [], json=json)
    raise SystemExit(WRONG if any(finding.severity == "error" for finding in findings) else 0)


@rules.command("test")
@_connected
def rules_test(*, file: Path, url: str, key: str | None, placement: str | None, json: bool) -> None:
    """Check the rules, and run the scenarios of the file on them."""
    rule_set = _completed(file, url, key, placement)
    plan = _plan(rule_set)
    outcomes = [try_out(plan, scenario) for scenario in rule_set.scenarios or ()]
    findings = _findings(plan)
    _print(findings, outcomes, json=json)
    failed = not all(outcome.holds for outcome in outcomes) or any(finding.severity == "error" for finding in findings)
    raise SystemExit(WRONG if failed else 0)


@rules.command("preview")
@_connected
@click.option("--limit", type=click.IntRange(1, 200_000), default=50_000, show_default=True, help="Logged decisions.")
def rules_preview(*, file: Path, url: str, key: str | None, placement: str | None, limit: int, json: bool) -> None:
    """Try the rules on the decisions of the last week, on the server. Changes nothing."""
    rule_set = _read(file)
    with closing(_remote(url, key)) as remote:
        state = remote.preview(_key(rule_set, placement), rule_set.rules, limit=limit)
    if state["state"] != "done":
        raise click.ClickException(f"the preview {state['state']}: {state['problem']}".rstrip(": "))
    show(_summary(state["result"]) if not json else state, json=json)


@rules.command("publish")
@_connected
@click.option("--why", "reason", default="", help="The reason for the change, stored with the version.")
def rules_publish(*, file: Path, url: str, key: str | None, placement: str | None, reason: str, json: bool) -> None:
    """Publish the rules and scenarios of the file, all or none.

    Where a second person must approve, they are sent for review instead.
    """
    rule_set = _read(file)
    with closing(_remote(url, key)) as remote:
        done = remote.publish(_key(rule_set, placement), rule_set, reason=reason)
    show(done, json=json)


def _read(file: Path) -> RuleSet:
    """Read the file as strictly as the server does."""
    try:
        rule_set: RuleSet = converted(loads(file.read_bytes(), most_bytes=MOST_BULK_BYTES), RuleSet)
    except Invalid as error:
        raise _problems(error) from None
    return rule_set


def _key(rule_set: RuleSet, placement_key: str | None) -> str:
    if placement_key or rule_set.placement:
        return placement_key or rule_set.placement.key  # type: ignore[union-attr]
    raise click.UsageError("give the placement with --placement: the file has none")


def _completed(file: Path, url: str, key: str | None, placement: str | None) -> RuleSet:
    """Return the file with everything its rules name; the server supplies what is missing."""
    rule_set = _read(file)
    if rule_set.vocabulary is not None:
        return rule_set
    if key is None:
        raise click.UsageError("the file has no vocabulary: give it one (see the export), or a server with --key")
    with closing(_remote(url, key)) as remote:
        exported = remote.rule_set(_key(rule_set, placement))
    lacking = {name: getattr(exported, name) for name in ("placement", "candidates", "vocabulary", "lists")}
    own = {name: getattr(rule_set, name) for name in lacking if getattr(rule_set, name) is not None}
    return msgspec.structs.replace(rule_set, **(lacking | own))


def _plan(rule_set: RuleSet) -> Plan:
    """Compile the rules into a plan; end the command with every problem if that fails."""
    target = rule_set.placement or Placement(key="placement", name="Placement")
    configuration = Configuration(_resources(rule_set, target), 0)
    resources = (
        *configuration.inside(target.key),
        *(resource for resource in _resources(rule_set, target) if resource.kind in ("field", "list")),
    )
    document = configuration.plan_document(target.key)
    try:
        check(configuration, [Change(None, resource) for resource in resources])
        if document is None:
            raise click.ClickException("there is no placement")
        return compiled(target.key, document, 0)
    except Invalid as error:
        raise _problems(
            error, {str(index): f"{resource.kind} {resource.id}" for index, resource in enumerate(resources)}
        ) from None


def _resources(rule_set: RuleSet, target: Placement) -> list[Resource]:
    """Return the file as resources. Without candidates, use those that rules and scenarios name."""
    candidates = rule_set.candidates if rule_set.candidates is not None else _named(rule_set)
    optional = (rule_set.scenarios or (), rule_set.vocabulary or (), rule_set.lists or ())
    resources = []
    for document in (target, *candidates, *rule_set.rules, *chain.from_iterable(optional)):
        kind = KINDS[kind_of(document)]
        parent = target.key if kind.in_placement else ""
        resources.append(Resource(kind.kind, parent, id_of(document), 1, document, 0))
    return resources


def _named(rule_set: RuleSet) -> list[Candidate]:
    ids: dict[str, None] = {}
    for effect in (effect for rule in rule_set.rules for effect in rule.effects):
        for value in effect.values():
            parts = value.get("candidates", [value.get("candidate")]) if isinstance(value, dict) else value
            ids |= dict.fromkeys(id for id in parts if isinstance(id, str)) if isinstance(parts, list) else {}
    for scenario in rule_set.scenarios or ():
        pinned = [pin.candidate for pin in scenario.expect.pinned]
        ids |= dict.fromkeys((*scenario.expect.shown, *scenario.expect.hidden, *pinned))
    return [Candidate(id=id, label=id, position=position) for position, id in enumerate(ids)]


def _findings(plan: Plan) -> list[RuleFinding]:
    labels = {candidate.id: candidate.label for candidate in plan.candidates}
    return check_rules(plan.rules, CheckContext(plan.vocabulary, plan.lists, labels))


def _print(findings: list[RuleFinding], outcomes: list[ScenarioOutcome], *, json: bool) -> None:
    if json:
        named = ("rule", "path", "severity", "message")
        rows = [{name: getattr(finding, name) for name in named} for finding in findings]
        show({"findings": rows, "scenarios": outcomes}, json=True)
        return
    for finding in findings:
        click.echo(f"{finding.severity}: rule {finding.rule}{finding.path}: {finding.message}")
    for outcome in outcomes:
        click.echo(f"{'holds' if outcome.holds else 'FAILS'}: scenario {outcome.id}: {outcome.name}")
        for miss in outcome.misses:
            click.echo(f"  {miss.text}")
    if not findings and not outcomes:
        click.echo("No problems found")


def _summary(result: Mapping[str, Any]) -> dict[str, Any]:
    effect = result["effect"]
    interval = f"{effect['value']:+.4f} ({effect['low']:+.4f} to {effect['high']:+.4f})"
    return {
        "decisions": result["read"],
        "answers that change": result["changed"],
        "answers left empty": result["emptied"],
        "effect on the reward": effect["refused"] or interval,
        **{f"matches of {rule['id']}": rule["fired"] for rule in result["rules"]},
    }


def _problems(error: Invalid, names: Mapping[str, str] | None = None) -> click.ClickException:
    """Return all problems, a line each."""
    lines = []
    for problem in error.problems:
        index, _, rest = problem.field.partition("/")
        field = f"{names[index]}/{rest}" if names and index in names else problem.field
        lines.append(f"{field}: {problem.message}")
    return click.ClickException("\n".join(lines))


def _remote(url: str, key: str | None) -> Remote:
    if key is None:
        raise click.UsageError("give a secret key with --key or TAP2_KEY")
    return Remote(url, key)
