"""Turn JSON-logic into a checked tree: the walk that the forms of all operators share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

from rules.json_logic.problems import Problem, RuleError, nearest, pointer, shown
from rules.language.codes import CURRENCIES
from rules.language.strict_json import MOST_PROBLEMS
from rules.language.tree import BOOLEAN, ITEM, Amounts, Call, Literal, Node, Read
from rules.language.values import NUMERIC, READERS, TEXTUAL, WORDS, Reader, complete_version
from rules.language.vocabulary import Vocabulary

DEEPEST = 32
MOST_NODES = 500
LONGEST_LIST = 1_000


@dataclass(frozen=True, slots=True)
class OperatorForm:
    """An operator as written: its arguments, the JSON pointer to it, and its depth."""

    operator: str
    arguments: list[object]
    path: str
    depth: int
    is_listed: bool

    def path_of(self, index: int) -> str:
        """Return the pointer to an argument."""
        return pointer(self.path, index) if self.is_listed else self.path


Check = Callable[["Checker", OperatorForm], Node | None]


class Checker:
    """Checks a condition and collects every problem. Methods return None where there was one."""

    def __init__(self, vocabulary: Vocabulary, lists: Mapping[str, frozenset[str]], forms: Mapping[str, Check]) -> None:
        self.vocabulary = vocabulary
        self.lists = lists
        self.problems: list[Problem] = []
        self.in_item = False
        self._forms = forms
        self._nodes = 0

    def problem(self, path: str, message: str) -> None:
        """Record a problem. Raises RuleError if there are as many as a document may report."""
        self.problems.append(Problem(path, message))
        if len(self.problems) >= MOST_PROBLEMS:
            raise RuleError(self.problems)

    def _stop(self, path: str, message: str) -> NoReturn:
        raise RuleError([*self.problems, Problem(path, message)])

    def condition(self, logic: object, path: str, depth: int = 0) -> Node | None:
        """Return a node that is true or false."""
        node = self.expression(logic, path, depth)
        if node is None or node.type in BOOLEAN:
            return node
        if isinstance(node, Literal):
            self.problem(path, f"must be a condition, not {kind_of(node)}")
            return None
        return Call("truthy", (node,), "truth", path)

    def expression(self, logic: object, path: str, depth: int) -> Node | None:
        """Return a node of any type."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(path, f"is beyond the {MOST_NODES} nodes that a rule may have; split the rule or use a list")
        if isinstance(logic, bool | int | float | str):
            return Literal(logic, logic, _type_of(logic), path)
        if not isinstance(logic, dict):
            description = "null; to check whether a fact is present, use exists" if logic is None else "a list"
            self.problem(path, f"cannot be {description}")
            return None
        if not CURRENCIES.isdisjoint(logic):
            return self._amounts(logic, path)
        if len(logic) != 1:
            self.problem(path, f"must have exactly one operator, not {len(logic)} keys")
            return None
        [(operator, arguments)] = logic.items()
        return self._operator(str(operator), arguments, pointer(path, operator), depth + 1)

    def _amounts(self, raw: dict[str, object], path: str) -> Literal | None:
        """Return a literal of amounts by currency."""
        wrong = next((code for code in raw if code not in CURRENCIES), None)
        if wrong is not None:
            self.problem(pointer(path, wrong), f"must be {WORDS['currency']}{nearest(wrong, CURRENCIES)}")
            return None
        amounts = {code: amount for code, raw_amount in raw.items() if (amount := _integer(raw_amount)) is not None}
        for code in raw.keys() - amounts.keys():
            self.problem(pointer(path, code), f"must be {WORDS['money']}")
        return Literal(Amounts(tuple(amounts.items())), raw, "money", path) if len(amounts) == len(raw) else None

    def _operator(self, operator: str, arguments: object, path: str, depth: int) -> Node | None:
        if depth > DEEPEST:
            self._stop(path, f"is nested more than {DEEPEST} operators deep")
        check = self._forms.get(operator)
        if check is None:
            self.problem(path, f"is not an operator{nearest(operator, self._forms)}")
            return None
        if isinstance(arguments, list):
            return check(self, OperatorForm(operator, arguments, path, depth, True))
        return check(self, OperatorForm(operator, [arguments], path, depth, False))

    # --- building blocks of the forms

    def has_arity(self, form: OperatorForm, least: int, most: int | None = None, usage: str = "") -> bool:
        """Return whether the operator has the right number of arguments; record a problem if not."""
        most = least if most is None else most
        if least <= len(form.arguments) <= most:
            return True
        expected = str(least) if least == most else f"{least} to {most}"
        expected = f"at least {least}" if most > MOST_NODES else expected
        hint = f', as in {{"{form.operator}": {usage}}}' if usage else ""
        self.problem(form.path, f"needs {expected} arguments{hint}; it has {len(form.arguments)}")
        return False

    def operand(self, form: OperatorForm, index: int, types: frozenset[str], expected: str) -> Node | None:
        """Return an argument that must be of one of `types`."""
        node = self.expression(form.arguments[index], form.path_of(index), form.depth)
        if node is None or node.type in types:
            return node
        self.problem(form.path_of(index), f"must be {expected} for {form.operator}, not {kind_of(node)}")
        return None

    def field(self, form: OperatorForm, index: int, types: frozenset[str], expected: str) -> Read | None:
        """Return an argument that must be a field of one of `types`."""
        node = self.operand(form, index, types, expected)
        if node is None or isinstance(node, Read):
            return node
        self.problem(form.path_of(index), f'must be a field, such as {{"var": "cart.total"}}, not {kind_of(node)}')
        return None

    def declared(self, name: object, path: str) -> Read | None:
        """Return the read of a field, given its name."""
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
        """Return a literal value of a type; with `like`, a value that this field can have."""
        field = self.vocabulary[like.name] if isinstance(like, Read) and like.name != ITEM else None
        written = complete_version(raw) if type_ == "version" else raw
        value = (field.reader if field else READERS[type_])(written)
        if value is not None:
            return Literal(value, raw, type_, path)
        message = (field and field.problem_with(raw)) or f"must be {WORDS[type_]}"
        self.problem(path, "must be written out, not computed" if isinstance(raw, dict) else message)
        return None

    def members(self, form: OperatorForm, index: int, read: Reader, wrong: Callable[[object], str]) -> Literal | None:
        """Return a literal list of 1 to 1,000 values as a set; `wrong` describes a value that `read` refuses."""
        raw, path = form.arguments[index], form.path_of(index)
        if not isinstance(raw, list) or not raw:
            self.problem(path, "must be a list of at least one value")
            return None
        if len(raw) > LONGEST_LIST:
            message = f"has {len(raw)} values; at most {LONGEST_LIST} fit here, keep more in a list (in_list)"
            self.problem(path, message)
            return None
        values = [read(item) for item in raw]
        for position, value in enumerate(values):
            if value is None:
                self.problem(pointer(path, position), wrong(raw[position]))
        return None if None in values else Literal(frozenset(values), raw, "set", path)

    def reading(self, like: Node) -> tuple[Reader, Callable[[object], str]]:
        """Return the reader of values to compare with `like`, and a function that describes a refused value."""
        field = self.vocabulary.get(like.name) if isinstance(like, Read) else None
        if field and field.type not in {"integer", "number"}:
            return field.reader, lambda raw: str(field.problem_with(raw))
        type_ = "number" if like.type in NUMERIC else like.type
        return READERS[type_], lambda raw: f"must be {WORDS[type_]}"

    def fitted(self, node: Node, other: Node) -> Node | None:
        """Return `node`; a literal is converted to a value that `other` can have."""
        if not isinstance(node, Literal) or isinstance(other, Literal):
            return node
        if other.type not in NUMERIC:
            return self.constant(node.raw, node.path, other.type, other)
        if isinstance(node.value, Amounts):
            return node
        if node.type != "number":
            self.problem(node.path, f"must be a number, as {kind_of(other)}; not {kind_of(node)}")
            return None
        if other.type == "money" and node.value != int(cast(float, node.value)):
            self.problem(node.path, f"must be {WORDS['money']}, as {kind_of(other)}")
            return None
        return node

    def same_kind(self, form: OperatorForm, nodes: list[Node | None]) -> tuple[Node, ...] | None:
        """Return the nodes as values of one kind, with literals converted to the type of the others."""
        if None in nodes:
            return None
        checked = cast(list[Node], nodes)
        model = next((node for node in checked if not isinstance(node, Literal)), checked[0])
        fitted = [self.fitted(node, model) for node in checked]
        if None in fitted:
            return None
        for node in cast(list[Node], fitted):
            if not _comparable(node.type, model.type):
                self.problem(form.path, f"cannot compare {kind_of(model)} with {kind_of(node)}")
                return None
        return cast(tuple[Node, ...], tuple(fitted))


def _integer(raw: object) -> int | None:
    """Return a JSON number as an integer, or None if it is none."""
    number = READERS["number"](raw)
    return int(cast(float, number)) if number is not None and number == int(cast(float, number)) else None


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
    """Describe the node, for messages."""
    if isinstance(node, Literal):
        return f"the {node.type} {shown(repr(node.raw))}"
    if isinstance(node, Read):
        return f"{node.name or 'the element'} ({node.type})"
    return "a computed condition" if node.type in BOOLEAN else f"a computed {node.type}"
