"""The walk that turns JSON-logic into a checked tree: shared by the forms of all operators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

from rules.language.problems import Problem, RuleError, nearest, pointer, shown
from rules.language.strict_json import MOST_PROBLEMS
from rules.language.tree import BOOLEAN, ITEM, Call, Literal, Node, Read
from rules.language.values import NUMERIC, READERS, TEXTUAL, WORDS, Reader
from rules.language.vocabulary import Vocabulary

DEEPEST = 32
MOST_NODES = 500
LONGEST_LIST = 1_000


@dataclass(frozen=True, slots=True)
class Form:
    """An operator as written: its arguments, the pointer to it, and how deep it stands."""

    operator: str
    arguments: list[object]
    path: str
    depth: int
    is_listed: bool

    def at(self, index: int) -> str:
        """The pointer to an argument."""
        return pointer(self.path, index) if self.is_listed else self.path


Check = Callable[["Checker", Form], Node | None]


class Checker:
    """Checks one condition, collecting every problem. A node is None where there was one."""

    def __init__(self, vocabulary: Vocabulary, lists: Mapping[str, frozenset[str]], forms: Mapping[str, Check]) -> None:
        self.vocabulary = vocabulary
        self.lists = lists
        self.problems: list[Problem] = []
        self.in_item = False
        self._forms = forms
        self._nodes = 0

    def problem(self, path: str, message: str) -> None:
        """Note a problem, and stop where there are enough of them."""
        self.problems.append(Problem(path, message))
        if len(self.problems) >= MOST_PROBLEMS:
            raise RuleError(self.problems)

    def _stop(self, path: str, message: str) -> NoReturn:
        raise RuleError([*self.problems, Problem(path, message)])

    def condition(self, logic: object, path: str, depth: int = 0) -> Node | None:
        """A node that is true or false."""
        node = self.expression(logic, path, depth)
        if node is None or node.type in BOOLEAN:
            return node
        if isinstance(node, Literal):
            self.problem(path, f"must be a condition, not {kind_of(node)}")
            return None
        return Call("truthy", (node,), "truth", path)

    def expression(self, logic: object, path: str, depth: int) -> Node | None:
        """A node of any type."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(path, f"is beyond the {MOST_NODES} nodes that a rule may have; split the rule or use a list")
        if isinstance(logic, bool | int | float | str):
            return Literal(logic, logic, _type_of(logic), path)
        if not isinstance(logic, dict):
            what = "null; to ask whether a fact is there, use exists" if logic is None else "a list"
            self.problem(path, f"cannot be {what}")
            return None
        if len(logic) != 1:
            self.problem(path, f"must have exactly one operator, not {len(logic)} keys")
            return None
        [(operator, arguments)] = logic.items()
        return self._operator(str(operator), arguments, pointer(path, operator), depth + 1)

    def _operator(self, operator: str, arguments: object, path: str, depth: int) -> Node | None:
        if depth > DEEPEST:
            self._stop(path, f"is nested more than {DEEPEST} operators deep")
        check = self._forms.get(operator)
        if check is None:
            self.problem(path, f"is not an operator{nearest(operator, self._forms)}")
            return None
        if isinstance(arguments, list):
            return check(self, Form(operator, arguments, path, depth, True))
        return check(self, Form(operator, [arguments], path, depth, False))

    # --- what the forms are made of

    def has_arity(self, form: Form, least: int, most: int | None = None, usage: str = "") -> bool:
        """Whether the operator has the right number of arguments."""
        most = least if most is None else most
        if least <= len(form.arguments) <= most:
            return True
        wanted = str(least) if least == most else f"{least} to {most}"
        wanted = f"at least {least}" if most > MOST_NODES else wanted
        hint = f', as in {{"{form.operator}": {usage}}}' if usage else ""
        self.problem(form.path, f"needs {wanted} arguments{hint}; it has {len(form.arguments)}")
        return False

    def operand(self, form: Form, index: int, types: frozenset[str], wanted: str) -> Node | None:
        """An argument that must be of one of `types`."""
        node = self.expression(form.arguments[index], form.at(index), form.depth)
        if node is None or node.type in types:
            return node
        self.problem(form.at(index), f"must be {wanted} for {form.operator}, not {kind_of(node)}")
        return None

    def field(self, form: Form, index: int, types: frozenset[str], wanted: str) -> Read | None:
        """An argument that must be a field of one of `types`."""
        node = self.operand(form, index, types, wanted)
        if node is None or isinstance(node, Read):
            return node
        self.problem(form.at(index), f'must be a field, such as {{"var": "cart.total"}}, not {kind_of(node)}')
        return None

    def declared(self, name: object, path: str) -> Read | None:
        """The read of a field by its name."""
        if isinstance(name, str) and name in self.vocabulary and not self.in_item:
            return Read(name, self.vocabulary[name].type, path)
        if not isinstance(name, str):
            self.problem(path, 'must be the name of a fact, such as "cart.total"')
        elif self.in_item:
            self.problem(path, 'is out of reach inside some, all and none: there {"var": ""} is the element')
        else:
            self.problem(path, f"{shown(name)!r} is not a declared fact{nearest(name, self.vocabulary)}")
        return None

    def constant(self, raw: object, path: str, type_: str, like: Node | None = None) -> Literal | None:
        """A written-out value of a type; with `like`, one that this field can have."""
        field = self.vocabulary[like.name] if isinstance(like, Read) and like.name != ITEM else None
        value = (field.reader if field else READERS[type_])(raw)
        if value is not None:
            return Literal(value, raw, type_, path)
        message = (field and field.problem_with(raw)) or f"must be {WORDS[type_]}"
        self.problem(path, "must be written out, not computed" if isinstance(raw, dict) else message)
        return None

    def members(self, form: Form, index: int, read: Reader, wrong: Callable[[object], str]) -> Literal | None:
        """A written-out list of 1 to 1,000 values that `read` accepts, as a set; `wrong` says why it does not."""
        raw, path = form.arguments[index], form.at(index)
        if not isinstance(raw, list) or not raw:
            self.problem(path, "must be a list of at least one value")
            return None
        if len(raw) > LONGEST_LIST:
            message = f"has {len(raw)} values; at most {LONGEST_LIST} fit here, keep more in a list (in_list)"
            self.problem(path, message)
            return None
        values = [read(item) for item in raw]
        for place, value in enumerate(values):
            if value is None:
                self.problem(pointer(path, place), wrong(raw[place]))
        return None if None in values else Literal(frozenset(values), raw, "set", path)

    def reading(self, like: Node) -> tuple[Reader, Callable[[object], str]]:
        """How to read a value to compare with `like`, and what to say of one that is not."""
        field = self.vocabulary.get(like.name) if isinstance(like, Read) else None
        if field and field.type not in {"integer", "number"}:
            return field.reader, lambda raw: str(field.problem_with(raw))
        type_ = "number" if like.type in NUMERIC else like.type
        return READERS[type_], lambda raw: f"must be {WORDS[type_]}"

    def fitted(self, node: Node, other: Node) -> Node | None:
        """`node`, and if it is a literal, as a value that `other` could have."""
        if not isinstance(node, Literal) or isinstance(other, Literal):
            return node
        if other.type not in NUMERIC:
            return self.constant(node.raw, node.path, other.type, other)
        if node.type != "number":
            self.problem(node.path, f"must be a number, as {kind_of(other)}; not {kind_of(node)}")
            return None
        if other.type == "money" and node.value != int(cast(float, node.value)):
            self.problem(node.path, f"must be {WORDS['money']}, as {kind_of(other)}")
            return None
        return node

    def same_kind(self, form: Form, nodes: list[Node | None]) -> tuple[Node, ...] | None:
        """The nodes as values that can be compared with each other, literals fitted to what is not."""
        if None in nodes:
            return None
        known = cast(list[Node], nodes)
        model = next((node for node in known if not isinstance(node, Literal)), known[0])
        fitted = [self.fitted(node, model) for node in known]
        if None in fitted:
            return None
        for node in cast(list[Node], fitted):
            if not _comparable(node.type, model.type):
                self.problem(form.path, f"cannot compare {kind_of(model)} with {kind_of(node)}")
                return None
        return cast(tuple[Node, ...], tuple(fitted))


def _type_of(value: bool | int | float | str) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def _comparable(first: str, second: str) -> bool:
    if first in NUMERIC:
        return second in NUMERIC
    if first in TEXTUAL and second in TEXTUAL:
        return first == second or "string" in (first, second)
    return first == second


def kind_of(node: Node) -> str:
    """The node in words, for messages."""
    if isinstance(node, Literal):
        return f"the {node.type} {shown(repr(node.raw))}"
    if isinstance(node, Read):
        return f"{node.name or 'the element'} ({node.type})"
    return "a computed condition" if node.type in BOOLEAN else f"a computed {node.type}"
