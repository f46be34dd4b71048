"""What can be said of a rule's condition by itself: that it, or a part of it, can never or must always be true."""

from collections.abc import Iterator
from itertools import combinations
from typing import cast

from rules.analysis.boxes import Work, product
from rules.analysis.cases import Space
from rules.analysis.findings import Finding
from rules.analysis.study import Setting
from rules.language.tree import Call, Literal, Node, Rule, fields_of, is_connective
from rules.wording.describe import describe


def findings_of_condition(rule: Rule, space: Space, setting: Setting) -> Iterator[Finding]:
    """Of a rule whose condition is one of those that `space` was made for. Raises TooMuch."""
    if not space.cases(rule.condition):
        yield _never(rule, space, setting)
        return
    for part in _dead_parts(rule.condition, space):
        message = (
            f"“{describe(part, setting.vocabulary, setting.wording)}” can never be true, so that this part has no use."
        )
        yield Finding(rule.id, part.path, "dead part", "warning", message)
    # a condition that reads nothing was written to be always true
    if fields_of(rule.condition) and not space.cases(rule.condition, False):
        yield Finding(rule.id, rule.condition.path, "always", "note", _always(rule, setting))


def _always(rule: Rule, setting: Setting) -> str:
    names = " and ".join(_label(name, setting) for name in fields_of(rule.condition))
    return f"This is true whatever the values are: the rule fires for everybody whose checkout sends {names}."


def _label(name: str, setting: Setting) -> str:
    return setting.vocabulary[name].label or name


def _never(rule: Rule, space: Space, setting: Setting) -> Finding:
    node, parts = _culprit(rule.condition, True, space)
    if isinstance(node, Call) and node.operator == "in_list" and parts == [node]:
        name = cast(Literal, node.arguments[1]).value
        message = f"The list “{name}” is empty: until there is something on it, the rule never fires."
        return Finding(rule.id, node.path, "never", "warning", message)
    texts = [f"“{describe(part, setting.vocabulary, setting.wording)}”" for part in parts]
    if len(parts) > 1:
        together = "both" if len(parts) == 2 else "all"
        message = f"{_listed(texts)} can never {together} be true, so the rule never fires."
    else:
        message = f"{texts[0]} can never be {'true' if node is parts[0] else 'false'}, so the rule never fires."
    return Finding(rule.id, node.path, "never", "error", message)


def _listed(texts: list[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _culprit(node: Node, wanted: bool, space: Space) -> tuple[Node, list[Node]]:
    """The innermost node because of which nothing is left, and those of its parts that exclude each other."""
    if not is_connective(node) or cast(Call, node).operator == "if":
        return (node, [node]) if wanted else (node, [Call("!", (node,), "boolean", node.path)])
    parts = cast(Call, node).arguments
    if cast(Call, node).operator == "!":
        return _culprit(parts[0], not wanted, space)
    if len(parts) == 1:
        return _culprit(parts[0], wanted, space)
    must_all = (cast(Call, node).operator == "and") is wanted
    for part in parts if must_all else ():
        if not space.cases(part, wanted):
            return _culprit(part, wanted, space)
    if must_all and wanted:
        return node, _excluding(parts, space)
    return (node, [node]) if wanted else (node, [Call("!", (node,), "boolean", node.path)])


def _excluding(parts: tuple[Node, ...], space: Space) -> list[Node]:
    """Two parts that exclude each other, or all if it takes more."""
    for first, second in combinations(parts, 2):
        if not product(space.cases(first), space.cases(second), Work()):
            return [first, second]
    return list(parts)


def _dead_parts(node: Node, space: Space) -> Iterator[Node]:
    """The alternatives of an `or` that cannot be true by themselves, outermost first."""
    if not is_connective(node) or cast(Call, node).operator not in {"and", "or"}:
        return
    for part in cast(Call, node).arguments:
        if space.cases(part):
            yield from _dead_parts(part, space)
        elif cast(Call, node).operator == "or":
            yield part
