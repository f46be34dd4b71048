"""Rules of a placement: the list with its order, its switches and its filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import DraftItem
from engine.decisions.usage import DAYS
from engine.kernel.plan import lists_of, rule_source
from engine.kernel.rule_sentences import labels_of
from engine.model.errors import NotFound
from engine.model.placement import Placement, RuleDocument
from rules import RuleError, Wording, describe, parse_rule
from web.admin.rules.draft_rules import DraftRules, keep, load_rules, put_in_order, replace_all
from web.admin.rules.rule_checks import NOTHING_FOUND, Checks, Flag, checks_of
from web.admin.rules.rule_filter import EFFECTS, EVERYTHING, USES, Filter, RuleInList, State, candidates_in, facts_in
from web.admin.rules.rule_uses import Notes, label_of, notes_of
from web.admin.shell.admission import AnyRequest, several_typed, typed
from web.admin.shell.editing import version_of
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.navigation import NO_PAGES, PageLinks
from web.admin.shell.render import SWAPPED, Page
from web.admin.shell.undo import drop
from web.format import Show

PER_PAGE = 50
STATES: Sequence[tuple[State, str, str]] = (
    ("live", "In force", "good"),
    ("changed", "Changed", "info"),
    ("new", "New", "info"),
    ("deleted", "To be deleted", "bad"),
    ("off", "Off", "plain"),
    ("scheduled", "Not yet", "warn"),
    ("over", "Over", "plain"),
)
WORDS = {state: (word, look) for state, word, look in STATES}


@dataclass(frozen=True)
class RuleListRow:
    """A rule in the list, said in one sentence; `state` as a word and its look."""

    id: str
    href: str
    name: str
    sentence: str
    state: tuple[str, str]
    tags: Sequence[str]
    enabled: bool
    version: int
    is_deleted: bool
    fired: int
    warning: str
    flag: Flag | None
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class RowFragment:
    """One row alone, after its switch was turned."""

    row: RuleListRow
    key: str
    changes: int
    checks: Checks
    oob: str = SWAPPED


class FilterChoice(NamedTuple):
    """A filter with the values to choose from; `default` is what no choice means."""

    name: str
    label: str
    default: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class RulesPage:
    """The rules of one placement, the most important first; `placement` is None where there is none at all."""

    placements: Sequence[Placement]
    placement: Placement | None
    rules: Sequence[RuleListRow] = ()
    total: int = 0
    count: int = 0
    filter: Filter = EVERYTHING
    choices: Sequence[FilterChoice] = ()
    pages: PageLinks = NO_PAGES
    list_address: str = ""
    key: str = ""
    changes: int = 0
    findings: Sequence[str] = ()
    checks: Checks = NOTHING_FOUND
    oob: str = ""


@get("/rules")
async def rules_page(request: AnyRequest, frame: NamedDependency[Frame], placement: FromQuery[str] = "") -> Page:
    """Show the rules of a placement that fit the filter in the address, a page at a time."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    chosen = _chosen(configuration, placement)
    if chosen is None:
        return frame.page("rules/rules.html", RulesPage((), None))
    rules = await load_rules(frame, chosen.key)
    return frame.page("rules/rules.html", await _page(frame, rules, Filter.of(dict(request.query_params))))


@post("/rules/{key:str}/{id:str}/toggle", status_code=200)
async def toggle_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Put a rule in force or out of it; what else was changed meanwhile stays."""
    frame.must_draft()
    enabled = (await typed(request)).get("enabled") == "on"
    document = (await load_rules(frame, key)).get(id).shown
    await keep(frame, key, msgspec.structs.replace(document, enabled=enabled), revision=None)
    if not frame.is_htmx:
        return frame.go(f"{frame.base}/rules?placement={key}")
    rules = await load_rules(frame, key)
    notes, checks = await notes_of(frame, rules), await checks_of(frame, rules)
    row = _row(frame, Phrasing(rules, frame), notes, checks, rules, rules.get(id))
    return frame.page("rules/_rule_row_answer.html", RowFragment(row, key, len(rules.draft.changes), checks))


@post("/rules/{key:str}/{id:str}/move", status_code=200)
async def move_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Give a rule another place in the order: one step, or right before another rule, as dragging does."""
    frame.must_draft()
    values = await typed(request)
    rules = await load_rules(frame, key)
    ids = rules.ids
    if id not in ids:
        raise NotFound(f"there is no rule “{id}” in placement “{key}”", field="id")
    await put_in_order(frame, key, _moved(ids, id, values))
    address = values.get("here", "")
    if not frame.is_htmx:
        return frame.go(
            address if address.startswith(f"{frame.base}/rules?") else f"{frame.base}/rules?placement={key}"
        )
    return frame.page(
        "rules/_rule_rows_answer.html", await _page(frame, await load_rules(frame, key), Filter.in_address(address))
    )


@post("/rules/{key:str}/-/switch", status_code=200)
async def switch_rules(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Turn several rules on or off at once, or delete them."""
    frame.must_draft()
    values = await several_typed(request)
    chosen, act = set(values.get("id", ())), values.get("act", [""])[-1]
    rules = await load_rules(frame, key)
    after = [_switched(document, act) if document.id in chosen else document for document in rules.documents]
    remaining = [document for document in after if document is not None]
    await replace_all(frame, key, remaining, revision=rules.draft.head.revision)
    done = {"on": "turned on", "off": "turned off", "delete": "deleted"}.get(act, "left as they are")
    return frame.go(
        values.get("here", [""])[-1] or f"{frame.base}/rules?placement={key}",
        notice=Notice(f"{frame.show.count(len(chosen & set(rules.ids)), 'rule')} {done}."),
    )


@post("/rules/{key:str}/{id:str}/delete", status_code=200)
async def delete_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Delete a rule; the notice offers to take it back."""
    frame.must_draft()
    deleted = await frame.engine.drafts.rule(frame.merchant.id, key, id)
    undo = await drop(frame, key, deleted, version=version_of(await typed(request)))
    notice = Notice(f"“{deleted.shown.name}” will be deleted when the changes are published.", undo=undo)
    return frame.go(f"{frame.base}/rules?placement={key}", notice=notice)


class Phrasing:
    """Says the rules of one placement in words; made once for a whole list."""

    def __init__(self, rules: DraftRules, frame: Frame) -> None:
        show: Show = frame.show
        self._vocabulary = rules.configuration.vocabulary()
        self._lists = lists_of(rules.configuration.documents("list"))
        labels = labels_of(rules.configuration.documents("candidate", rules.key))
        self._wording = Wording(labels, frame.merchant.currency, show.money, show.country)

    def sentence(self, document: RuleDocument) -> str:
        """Put a rule into a sentence."""
        try:
            rule = parse_rule({**rule_source(document), "when": document.when}, self._vocabulary, self._lists)
        except RuleError as error:
            return f"Cannot be read: {error.problems[0].message}"
        text = describe(rule, self._vocabulary, self._wording)
        return text[:1].upper() + text[1:]


async def _page(frame: Frame, rules: DraftRules, narrowed: Filter) -> RulesPage:
    phrasing, notes, checks = Phrasing(rules, frame), await notes_of(frame, rules), await checks_of(frame, rules)
    every = await _all(frame, rules, phrasing, notes, checks)
    filtered = [rule.item for rule in every if narrowed.fits(rule)]
    start = next((index + 1 for index, rule in enumerate(filtered) if rule.id == narrowed.after), 0)
    page = filtered[start : start + PER_PAGE]
    is_more = bool(page) and start + PER_PAGE < len(filtered)
    more = narrowed.address(frame.base, rules.key, after=page[-1].id) if is_more else ""
    return RulesPage(
        placements=rules.configuration.placements,
        placement=placement_of(rules.configuration, rules.key),
        rules=[_row(frame, phrasing, notes, checks, rules, rule) for rule in page],
        total=len(every),
        count=len(filtered),
        filter=narrowed,
        choices=_choices(rules, every),
        pages=PageLinks(narrowed.address(frame.base, rules.key) if start else "", more),
        list_address=narrowed.address(frame.base, rules.key, after=narrowed.after),
        key=rules.key,
        changes=len(rules.draft.changes),
        findings=[finding.message for finding in notes.lists],
        checks=checks.among(filtered),
        oob=SWAPPED if frame.is_htmx else "",
    )


async def _all(frame: Frame, rules: DraftRules, phrasing: Phrasing, notes: Notes, checks: Checks) -> list[RuleInList]:
    authors = await frame.engine.catalogue.last_changed_by(frame.merchant.id, "rule", rules.key)
    return [
        RuleInList(
            item=rule,
            state=state_of(rule, frame.show.now),
            sentence=phrasing.sentence(rule.shown),
            author=rule.changed_by or authors.get(rule.id, ""),
            has_fired=notes.fired(rule.id, days=DAYS) > 0,
            has_findings=rule.id in checks.flags,
        )
        for rule in rules.draft.rules
    ]


def _choices(rules: DraftRules, every: Sequence[RuleInList]) -> list[FilterChoice]:
    """Return the filters that tell rules apart, with the values that some rule has."""
    documents = [rule.item.shown for rule in every]
    labels = labels_of(rules.configuration.documents("candidate", rules.key))
    named = {id for document in documents for id in candidates_in(document)}
    facts = sorted({name for document in documents for name in facts_in(document.when)})
    kinds = {kind for document in documents for effect in document.effects for kind in effect}
    tags = sorted({tag for document in documents for tag in document.tags})
    authors = sorted({rule.author for rule in every if rule.author})
    states, vocabulary = Counter(rule.state for rule in every), rules.configuration.vocabulary()
    state_options = [(name, f"{word} ({states[name]})") for name, word, _ in STATES if states[name]]
    choices = [
        FilterChoice("candidate", "Names", "Any candidate", [(id, labels[id]) for id in labels if id in named]),
        FilterChoice("fact", "Reads", "Any fact", [(name, label_of(vocabulary, name)) for name in facts]),
        FilterChoice("effect", "Effect", "Any effect", [pair for pair in EFFECTS if pair[0] in kinds]),
        FilterChoice("mark", "State", "All states", state_options),
        FilterChoice("use", "Use", "Any use", USES),
        FilterChoice("tag", "Tag", "All tags", [(tag, tag) for tag in tags]),
        FilterChoice("author", "Last changed by", "Changed by anyone", [(name, name) for name in authors]),
    ]
    return [choice for choice in choices if choice.options]


def state_of(rule: DraftItem, now: int) -> State:
    """Return the state of a rule that its badge shows."""
    document = rule.shown
    if rule.mark != "live":
        return rule.mark
    if not document.enabled:
        return "off"
    if document.active_to and epoch_ms(document.active_to) <= now:
        return "over"
    return "scheduled" if document.active_from and epoch_ms(document.active_from) > now else "live"


def epoch_ms(moment: str) -> int:
    """Convert RFC 3339 to epoch milliseconds."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def placement_of(configuration: Configuration, key: str) -> Placement:
    """Return the placement; `NotFound` where there is none."""
    resource = configuration.find("placement", "", key)
    if resource is None:
        raise NotFound(f"there is no placement “{key}”", field="placement")
    document: Placement = resource.document
    return document


def _chosen(configuration: Configuration, key: str) -> Placement | None:
    if key:
        return placement_of(configuration, key)
    usual = configuration.find("placement", "", "payment_methods")
    if usual:
        document: Placement = usual.document
        return document
    return configuration.placements[0] if configuration.placements else None


def _row(
    frame: Frame, phrasing: Phrasing, notes: Notes, checks: Checks, rules: DraftRules, rule: DraftItem
) -> RuleListRow:
    document, ids = rule.shown, rules.ids
    return RuleListRow(
        id=rule.id,
        href=f"{frame.base}/rules/{rules.key}/{rule.id}",
        name=document.name,
        sentence=phrasing.sentence(document),
        state=WORDS[state_of(rule, frame.show.now)],
        tags=document.tags,
        enabled=document.enabled,
        version=rule.revision,
        is_deleted=rule.after is None,
        fired=notes.fired(rule.id),
        warning=notes.warning(rule.id),
        flag=checks.flags.get(rule.id),
        is_first=bool(ids) and rule.id == ids[0],
        is_last=bool(ids) and rule.id == ids[-1],
    )


def _moved(ids: Sequence[str], id: str, values: Mapping[str, str]) -> list[str]:
    """Move a rule one step up or down, or beside the rule that it was dragged to."""
    rest, index = [other for other in ids if other != id], ids.index(id)
    if values.get("direction") in ("up", "down"):
        index += -1 if values["direction"] == "up" else 1
    elif values.get("before") in rest:
        index = rest.index(values["before"])
    elif values.get("after") in rest:
        index = rest.index(values["after"]) + 1
    return [*rest[: max(0, index)], id, *rest[max(0, index) :]]


def _switched(document: RuleDocument, act: str) -> RuleDocument | None:
    """Apply an action for several rules to one; None where it deletes the rule."""
    if act == "delete":
        return None
    return msgspec.structs.replace(document, enabled=act == "on") if act in ("on", "off") else document


handlers = [rules_page, toggle_rule, move_rule, switch_rules, delete_rule]
