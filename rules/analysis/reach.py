"""Tell whether a condition can be true if some facts are never sent."""

from typing import NamedTuple, cast

from rules.language.tree import BOOLEAN, Call, Literal, Node, fields_of, is_connective, required_fields


class Reach(NamedTuple):
    """The verdicts that a node can surely have, judged by the missing facts alone."""

    true: bool
    false: bool

    def __invert__(self) -> "Reach":
        return Reach(self.false, self.true)


EITHER = Reach(True, True)
NEITHER = Reach(False, False)


def can_fire(condition: Node, absent: frozenset[str]) -> bool:
    """Return False only if the condition can never be true because the fields in `absent` are in no facts."""
    return _reach(condition, absent).true


def _reach(node: Node, absent: frozenset[str]) -> Reach:
    if is_connective(node):
        return _combined(cast(Call, node), absent)
    if isinstance(node, Literal) and node.type in BOOLEAN:
        return Reach(bool(node.value), not node.value)
    if absent.intersection(required_fields(node)):
        return NEITHER
    if isinstance(node, Call) and node.operator == "exists" and absent.intersection(fields_of(node)):
        return Reach(False, True)
    return EITHER


def _combined(call: Call, absent: frozenset[str]) -> Reach:
    parts = [_reach(part, absent) for part in call.arguments]
    match call.operator:
        case "and":
            return Reach(all(part.true for part in parts), any(part.false for part in parts))
        case "or":
            return Reach(any(part.true for part in parts), all(part.false for part in parts))
        case "!":
            return ~parts[0]
        case _:
            return EITHER
