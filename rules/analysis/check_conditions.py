"""Find conditions, and parts of conditions, that can never or must always be true."""

from collections.abc import Iterator
from itertools import combinations
from typing import cast

from rules.analysis.boxes import Work, product
from rules.analysis.cases import Space
from rules.analysis.findings import RuleFinding
from rules.analysis.rule_set_analysis import CheckContext
from rules.language.tree import Call, Literal, Node, Rule, fields_of, is_connective
from rules.wording.describe import describe


def findings_of_condition(rule: Rule, space: Space, context: CheckContext) -> Iterator[RuleFinding]:
    """Yield the findings of a rule's condition, which must be one that `space` was built for. Raises TooManyCases."""
    if not space.cases(rule.condition):
        yield _never(rule, space, context)
        return
    for part in _dead_parts(rule.condition, space):
        message = (
            f"“{describe(part, context.vocabulary, context.wording)}” can never be true, so this part has no effect."
        )
        yield RuleFinding(rule.id, part.path, "dead part", "warning", message)
    # a condition that reads no facts is always true on purpose
    if fields_of(rule.condition) and not space.cases(rule.condition, False):
        yield RuleFinding(rule.id, rule.condition.path, "always", "note", _always(rule, context))


def _always(rule: Rule, context: CheckContext) -> str:
    names = " and ".join(_label(name, context) for name in fields_of(rule.condition))
    return f"This is always true: the rule fires for every checkout that sends {names}."


def _label(name: str, context: CheckContext) -> str:
    return context.vocabulary[name].label or name


def _never(rule: Rule, space: Space, context: CheckContext) -> RuleFinding:
    node, parts = _culprit(rule.condition, True, space)
    if isinstance(node, Call) and node.operator == "in_list" and parts == [node]:
        name = cast(Literal, node.arguments[1]).value
        message = f"The list “{name}” is empty, so the rule cannot fire until the list has a value."
        return RuleFinding(rule.id, node.path, "never", "warning", message)
    texts = [f"“{describe(part, context.vocabulary, context.wording)}”" for part in parts]
    if len(parts) > 1:
        together = "both" if len(parts) == 2 else "all"
        message = f"{_listed(texts)} can never {together} be true, so the rule never fires."
    else:
        message = f"{texts[0]} can never be {'true' if node is parts[0] else 'false'}, so the rule never fires."
    return RuleFinding(rule.id, node.path, "never", "error", message)


def _listed(texts: list[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _culprit(node: Node, required: bool, space: Space) -> tuple[Node, list[Node]]:
    """Return the innermost node that leaves no cases, and the parts of it that exclude each other."""
    if not is_connective(node) or cast(Call, node).operator == "if":
        return (node, [node]) if required else (node, [Call("!", (node,), "boolean", node.path)])
    parts = cast(Call, node).arguments
    if cast(Call, node).operator == "!":
        return _culprit(parts[0], not required, space)
    if len(parts) == 1:
        return _culprit(parts[0], required, space)
    must_all = (cast(Call, node).operator == "and") is required
    for part in parts if must_all else ():
        if not space.cases(part, required):
            return _culprit(part, required, space)
    if must_all and required:
        return node, _excluding(parts, space)
    return (node, [node]) if required else (node, [Call("!", (node,), "boolean", node.path)])


def _excluding(parts: tuple[Node, ...], space: Space) -> list[Node]:
    """Return two parts that exclude each other, or all parts if no two do."""
    for first, second in combinations(parts, 2):
        if not product(space.cases(first), space.cases(second), Work()):
            return [first, second]
    return list(parts)


def _dead_parts(node: Node, space: Space) -> Iterator[Node]:
    """Yield the alternatives of an `or` that can never be true, outermost first."""
    if not is_connective(node) or cast(Call, node).operator not in {"and", "or"}:
        return
    for part in cast(Call, node).arguments:
        if space.cases(part):
            yield from _dead_parts(part, space)
        elif cast(Call, node).operator == "or":
            yield part
