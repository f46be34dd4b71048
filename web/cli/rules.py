"""`tap2 rules`: sets of rules that live in a repository are checked, tested, previewed and published from its CI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
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
from engine.model.resource import Kind, Resource
from rules.analysis.check import check_rules
from rules.analysis.findings import RuleFinding
from rules.analysis.rule_set_analysis import CheckContext
from web.api.rule_sets import RuleSet
from web.cli.common import as_json, show
from web.cli.remote import Remote
from web.http.request_reading import MOST_BULK_BYTES, converted, loads

WRONG = 1
"""The exit status where something is wrong with the rules."""


@click.group()
def rules() -> None:
    """Sets of rules in files: check, test, preview and publish them.

    The exit status is 0 where all is well, 1 where something is wrong with the rules or they were refused, and 2 where
    the command or the server cannot be used.
    """


def _connected(command: Callable[..., None]) -> Callable[..., None]:
    """The file and the server, as all commands take them."""
    for option in (
        click.option("--placement", help="The placement's key; the file's own unless given."),
        click.option("--key", envvar="TAP2_KEY", help="A secret key; also read from TAP2_KEY."),
        click.option("--url", default="http://127.0.0.1:8000", show_default=True, envvar="TAP2_URL"),
        click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
    ):
        command = option(command)
    return as_json(command)


@rules.command("check")
@_connected
def rules_check(*, file: Path, url: str, key: str | None, placement: str | None, json: bool) -> None:
    """Check whether the rules make sense, and say what looks wrong.

    Works without a server where the file has its vocabulary, as an exported one has.
    """
    plan = _plan(_completed(file, url, key, placement))
    findings = _findings(plan)
    _say(findings, [], json=json)
    raise SystemExit(WRONG if any(one.severity == "error" for one in findings) else 0)


@rules.command("test")
@_connected
def rules_test(*, file: Path, url: str, key: str | None, placement: str | None, json: bool) -> None:
    """Check the rules, and try the scenarios of the file on them."""
    wanted = _completed(file, url, key, placement)
    plan = _plan(wanted)
    outcomes = [try_out(plan, scenario) for scenario in wanted.scenarios or ()]
    findings = _findings(plan)
    _say(findings, outcomes, json=json)
    failed = not all(one.holds for one in outcomes) or any(one.severity == "error" for one in findings)
    raise SystemExit(WRONG if failed else 0)


@rules.command("preview")
@_connected
@click.option("--limit", type=click.IntRange(1, 200_000), default=50_000, show_default=True, help="Logged decisions.")
def rules_preview(*, file: Path, url: str, key: str | None, placement: str | None, limit: int, json: bool) -> None:
    """Try the rules on the decisions of the last week, on the server; nothing is changed."""
    wanted = _read(file)
    with closing(_remote(url, key)) as remote:
        state = remote.preview(_key(wanted, placement), wanted.rules, limit=limit)
    if state["state"] != "done":
        raise click.ClickException(f"the preview {state['state']}: {state['problem']}".rstrip(": "))
    show(_summary(state["result"]) if not json else state, json=json)


@rules.command("publish")
@_connected
@click.option("--why", default="", help="What the change is for; it stands beside the version.")
def rules_publish(*, file: Path, url: str, key: str | None, placement: str | None, why: str, json: bool) -> None:
    """Put the rules and scenarios of the file in force, all or none.

    Where a second person must approve, they are sent for review instead.
    """
    wanted = _read(file)
    with closing(_remote(url, key)) as remote:
        done = remote.publish(_key(wanted, placement), wanted, why=why)
    show(done, json=json)


def _read(file: Path) -> RuleSet:
    """The file, read as strictly as the server reads it."""
    try:
        found: RuleSet = converted(loads(file.read_bytes(), most_bytes=MOST_BULK_BYTES), RuleSet)
    except Invalid as error:
        raise _wrong(error) from None
    return found


def _key(wanted: RuleSet, given: str | None) -> str:
    if given or wanted.placement:
        return given or wanted.placement.key  # type: ignore[union-attr]
    raise click.UsageError("say which placement with --placement: the file has none")


def _completed(file: Path, url: str, key: str | None, placement: str | None) -> RuleSet:
    """The file with all that its rules name; what it lacks comes from the server."""
    wanted = _read(file)
    if wanted.vocabulary is not None:
        return wanted
    if key is None:
        raise click.UsageError("the file has no vocabulary: give it one (see the export), or a server with --key")
    with closing(_remote(url, key)) as remote:
        known = remote.rule_set(_key(wanted, placement))
    lacking = {name: getattr(known, name) for name in ("placement", "candidates", "vocabulary", "lists")}
    given = {name: getattr(wanted, name) for name in lacking if getattr(wanted, name) is not None}
    return msgspec.structs.replace(wanted, **(lacking | given))


def _plan(wanted: RuleSet) -> Plan:
    """The plan that the rules make; ends the command with every problem where they make none."""
    place = wanted.placement or Placement(key="placement", name="Placement")
    configuration = Configuration(_resources(wanted, place), 0)
    inside = (
        *configuration.inside(place.key),
        *(one for one in _resources(wanted, place) if one.kind in ("field", "list")),
    )
    document = configuration.plan_document(place.key)
    try:
        check(configuration, [Change(None, one) for one in inside])
        if document is None:
            raise click.ClickException("there is no placement")
        return compiled(place.key, document, 0)
    except Invalid as error:
        raise _wrong(error, {str(number): f"{one.kind} {one.id}" for number, one in enumerate(inside)}) from None


def _resources(wanted: RuleSet, place: Placement) -> list[Resource]:
    """The file as a shelf. Candidates that nobody listed are those that rules and scenarios name."""
    known = wanted.candidates if wanted.candidates is not None else _named(wanted)
    found: list[tuple[Kind, str, str, Any]] = [("placement", "", place.key, place)]
    found += [("candidate", place.key, one.id, one) for one in known]
    found += [("rule", place.key, one.id, one) for one in wanted.rules]
    found += [("scenario", place.key, one.id, one) for one in wanted.scenarios or ()]
    found += [("field", "", one.name, one) for one in wanted.vocabulary or ()]
    found += [("list", "", one.name, one) for one in wanted.lists or ()]
    return [Resource(kind, where, id, 1, document, 0) for kind, where, id, document in found]


def _named(wanted: RuleSet) -> list[Candidate]:
    ids: dict[str, None] = {}
    for effect in (effect for rule in wanted.rules for effect in rule.effects):
        for value in effect.values():
            parts = value.get("candidates", [value.get("candidate")]) if isinstance(value, dict) else value
            ids |= dict.fromkeys(id for id in parts if isinstance(id, str)) if isinstance(parts, list) else {}
    for scenario in wanted.scenarios or ():
        pinned = [pin.candidate for pin in scenario.expect.pinned]
        ids |= dict.fromkeys((*scenario.expect.shown, *scenario.expect.hidden, *pinned))
    return [Candidate(id=id, label=id, position=place) for place, id in enumerate(ids)]


def _findings(plan: Plan) -> list[RuleFinding]:
    labels = {candidate.id: candidate.label for candidate in plan.candidates}
    return check_rules(plan.rules, CheckContext(plan.vocabulary, plan.lists, labels))


def _say(findings: list[RuleFinding], outcomes: list[ScenarioOutcome], *, json: bool) -> None:
    if json:
        named = ("rule", "path", "severity", "message")
        said = [{name: getattr(one, name) for name in named} for one in findings]
        show({"findings": said, "scenarios": outcomes}, json=True)
        return
    for one in findings:
        click.echo(f"{one.severity}: rule {one.rule}{one.path}: {one.message}")
    for outcome in outcomes:
        click.echo(f"{'holds' if outcome.holds else 'FAILS'}: scenario {outcome.id}: {outcome.name}")
        for miss in outcome.misses:
            click.echo(f"  {miss.text}")
    if not findings and not outcomes:
        click.echo("nothing found")


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


def _wrong(error: Invalid, names: Mapping[str, str] | None = None) -> click.ClickException:
    """All problems, a line each."""
    lines = []
    for problem in error.problems:
        number, _, rest = problem.field.partition("/")
        where = f"{names[number]}/{rest}" if names and number in names else problem.field
        lines.append(f"{where}: {problem.message}")
    return click.ClickException("\n".join(lines))


def _remote(url: str, key: str | None) -> Remote:
    if key is None:
        raise click.UsageError("give a secret key with --key or TAP2_KEY")
    return Remote(url, key)
