"""Parse a decoded JSON document into a checked rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from rules.json_logic.problems import Problem, RuleError, nearest, pointer, shown
from rules.language.checker import Checker
from rules.language.effects import Effect, parse_effects
from rules.language.money import with_currencies
from rules.language.own_forms import OWN_FORMS
from rules.language.standard_forms import STANDARD_FORMS
from rules.language.strict_json import check_values
from rules.language.tree import Node, Rule
from rules.language.vocabulary import Vocabulary

FORMS = {**STANDARD_FORMS, **OWN_FORMS}
"""The check of each operator, including those that conditions must not contain."""

_KEYS = ("id", "name", "priority", "when", "effects")
_LONGEST_ID = 100
_LONGEST_NAME = 200
_HIGHEST_PRIORITY = 1_000_000

Lists = Mapping[str, frozenset[str]]


def parse_rules(
    documents: object, vocabulary: Vocabulary, lists: Lists, *, previous: Iterable[Rule] = ()
) -> tuple[Rule, ...]:
    """Return the rules in a decoded JSON list, by priority (highest first) and then id.

    `previous` are rules parsed earlier with the same vocabulary and lists: a rule whose document is unchanged is
    reused. Raises RuleError with the problems of all documents; each path begins with the index in the list.
    """
    if not isinstance(documents, list):
        raise RuleError.single("", "must be a list of rules")
    rules: list[Rule] = []
    problems: list[Problem] = []
    by_id = {rule.id: rule for rule in previous}
    for index, document in enumerate(documents):
        try:
            rules.append(_reused(by_id, document) or parse_rule(document, vocabulary, lists))
        except RuleError as error:
            problems.extend(Problem(f"/{index}{problem.path}", problem.message) for problem in error.problems)
    problems.extend(_repeated_ids(documents))
    if problems:
        raise RuleError(problems)
    return tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.id)))


def _reused(by_id: Mapping[str, Rule], document: object) -> Rule | None:
    """Return the earlier rule that was parsed from an identical document, if there is one."""
    id_ = document.get("id") if isinstance(document, dict) else None
    rule = by_id.get(id_) if isinstance(id_, str) else None
    return rule if rule and isinstance(document, dict) and _have_equal_values(rule.document, document) else None


def _have_equal_values(first: Mapping[str, object], second: Mapping[str, object]) -> bool:
    return first.keys() == second.keys() and all(_is_identical(value, second[key]) for key, value in first.items())


def _is_identical(first: object, second: object) -> bool:
    """Compare value and spelling: 1, 1.0 and true are equal in Python, but not the same in a rule."""
    return first is second or (first == second and repr(first) == repr(second))


def _repeated_ids(documents: list[object]) -> list[Problem]:
    ids = [str(document.get("id")) if isinstance(document, dict) else None for document in documents]
    first = {id_: index for index, id_ in reversed(list(enumerate(ids)))}
    return [
        Problem(f"/{index}/id", f"{shown(id_)!r} is the id of another rule too")
        for index, id_ in enumerate(ids)
        if id_ is not None and first[id_] < index
    ]


def parse_rule(document: object, vocabulary: Vocabulary, lists: Lists) -> Rule:
    """Parse a decoded JSON document `{"id", "name", "priority", "when", "effects"}` into a rule.

    `name` defaults to the id, `priority` to 0. `lists` holds the merchant's lists by name. Raises RuleError with all
    problems, each with the JSON pointer to its node.
    """
    check_values(document)
    if not isinstance(document, dict):
        raise RuleError.single("", f"must be an object with the keys {', '.join(_KEYS)}")
    head = _HeadChecker(document)
    condition = _condition(document, vocabulary, lists, head.problems)
    effects = _effects(document, head.problems)
    if head.problems:
        raise RuleError(head.problems)
    id_ = cast(str, document["id"])
    priority = cast(int, document.get("priority", 0))
    return Rule(id_, document.get("name", id_), priority, cast(Node, condition), effects, document)


def parse_condition(logic: object, vocabulary: Vocabulary, lists: Lists, *, path: str = "") -> Node:
    """Return the checked tree of a condition; `path` is the prefix of the paths of its nodes. Raises RuleError."""
    check_values(logic)
    checker = Checker(vocabulary, lists, FORMS)
    condition = checker.condition(logic, path)
    if condition is not None and not checker.problems:
        condition = with_currencies(condition, checker)
    if condition is None or checker.problems:
        raise RuleError(checker.problems)
    return condition


def _condition(
    document: dict[str, object], vocabulary: Vocabulary, lists: Lists, problems: list[Problem]
) -> Node | None:
    if "when" not in document:
        return None
    try:
        return parse_condition(document["when"], vocabulary, lists, path="/when")
    except RuleError as error:
        problems.extend(error.problems)
        return None


def _effects(document: dict[str, object], problems: list[Problem]) -> tuple[Effect, ...]:
    if "effects" not in document:
        return ()
    try:
        return parse_effects(document["effects"])
    except RuleError as error:
        problems.extend(error.problems)
        return ()


@dataclass(slots=True)
class _HeadChecker:
    """Checks all of a rule except its condition and effects."""

    document: dict[str, object]
    problems: list[Problem]

    def __init__(self, document: dict[str, object]) -> None:
        self.document = document
        self.problems = []
        self._keys()
        self._text("id", _LONGEST_ID)
        self._text("name", _LONGEST_NAME)
        priority = document.get("priority", 0)
        if type(priority) is not int or abs(priority) > _HIGHEST_PRIORITY:
            message = f"must be a whole number between -{_HIGHEST_PRIORITY} and {_HIGHEST_PRIORITY}"
            self.problems.append(Problem("/priority", message))

    def _keys(self) -> None:
        for key in ("id", "when", "effects"):
            if key not in self.document:
                self.problems.append(Problem("", f"must have the key {key}"))
        for key in list(self.document)[:10]:
            if key not in _KEYS:
                message = f"is not a key of a rule; those are {', '.join(_KEYS)}{nearest(key, _KEYS)}"
                self.problems.append(Problem(pointer("", key), message))

    def _text(self, key: str, longest: int) -> None:
        value = self.document.get(key, "-")
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            self.problems.append(Problem(f"/{key}", f"must be a text of 1 to {longest} characters"))
