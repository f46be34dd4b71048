"""Check the standard JSON-logic operators of rule conditions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from rules.json_logic.problems import pointer
from rules.language.checker import MOST_NODES, Check, Checker, OperatorForm, kind_of
from rules.language.tree import BOOLEAN, ITEM, Call, Literal, Node, Read
from rules.language.values import NUMERIC, TEXTUAL

_ANY_NUMBER = MOST_NODES + 1
_ORDERED = NUMERIC | {"date"}
_EQUAL = NUMERIC | TEXTUAL | {"boolean", "date"}
_PRINTED = NUMERIC | TEXTUAL | {"date"}
_OWN_COMPARISON = {
    "datetime": "before, after or between_dates",
    "version": "sem_ver",
    "list": "any_of, all_of or none_of",
    "location": "within_km",
}


def _var(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 1, 2, '"cart.total"'):
        return None
    if check.in_item and form.arguments == [ITEM]:
        return Read(ITEM, "string", form.path)
    read = check.declared(form.arguments[0], form.path)
    if read is None or len(form.arguments) == 1:
        return read
    default = check.constant(form.arguments[1], form.path_of(1), read.type, read)
    return default and Call("default", (read, default), read.type, form.path)


def _connective(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 1, _ANY_NUMBER):
        return None
    parts = [check.condition(part, form.path_of(index), form.depth) for index, part in enumerate(form.arguments)]
    if None in parts:
        return None
    checked = cast(list[Node], parts)
    type_ = "boolean" if all(part.type == "boolean" for part in checked) else "truth"
    return Call(form.operator, tuple(checked), type_, form.path)


def _not(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 1):
        return None
    part = check.condition(form.arguments[0], form.path_of(0), form.depth)
    return part and Call("!", (part,), "boolean", form.path)


def _truthiness(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 1):
        return None
    part = check.condition(form.arguments[0], form.path_of(0), form.depth)
    # an "and" of a single part is that part as true or false
    return part and Call("and", (part,), "boolean", form.path)


def _if(check: Checker, form: OperatorForm) -> Node | None:
    if len(form.arguments) < 3 or len(form.arguments) % 2 == 0:
        check.problem(form.path, "needs a condition, a value and a value for otherwise (or more such pairs)")
        return None
    last = len(form.arguments) - 1
    parts: list[Node | None] = []
    for index, part in enumerate(form.arguments):
        is_condition = index % 2 == 0 and index < last
        read = check.condition if is_condition else check.expression
        parts.append(read(part, form.path_of(index), form.depth))
    values = [*parts[1:last:2], parts[last]]
    if None in parts:
        return None
    return _chosen(check, form, cast(list[Node], parts), cast(list[Node], values))


def _chosen(check: Checker, form: OperatorForm, parts: list[Node], values: list[Node]) -> Node | None:
    types = {value.type for value in values}
    if types <= BOOLEAN:
        type_ = "boolean" if types == {"boolean"} else "truth"
    elif types <= NUMERIC or types <= TEXTUAL:
        type_ = "number" if types <= NUMERIC else "string"
    else:
        described = ", ".join(kind_of(value) for value in values)
        check.problem(form.path, f"must give values of one kind (numbers, texts or conditions), not {described}")
        return None
    return Call("if", tuple(parts), type_, form.path)


def _equality(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[{"var": "geo.country"}, "DE"]'):
        return None
    nodes = [check.expression(part, form.path_of(i), form.depth) for i, part in enumerate(form.arguments)]
    for index, node in enumerate(nodes):
        if node is not None and node.type not in _EQUAL:
            instead = _OWN_COMPARISON.get(node.type, "the condition itself, which is true or false already")
            check.problem(form.path_of(index), f"cannot be compared with {form.operator}: use {instead}")
            nodes[index] = None
    operands = check.same_kind(form, nodes)
    # for values of the same kind, == and === agree
    return Call(form.operator[:2], operands, "boolean", form.path) if operands else None


def _order(check: Checker, form: OperatorForm) -> Node | None:
    most = 3 if form.operator in {"<", "<="} else 2
    if not check.has_arity(form, 2, most, '[{"var": "cart.total"}, 5000]'):
        return None
    nodes = [_ordered(check, form, index) for index in range(len(form.arguments))]
    operands = check.same_kind(form, nodes)
    if operands and operands[0].type not in _ORDERED:
        check.problem(form.path, "cannot order texts; only numbers and days have an order")
        return None
    return Call(form.operator, operands, "boolean", form.path) if operands else None


def _ordered(check: Checker, form: OperatorForm, index: int) -> Node | None:
    node = check.expression(form.arguments[index], form.path_of(index), form.depth)
    # a text may be a day, depending on the value that it is compared with
    if node is None or node.type in _ORDERED or (isinstance(node, Literal) and node.type == "string"):
        return node
    instead = _OWN_COMPARISON.get(node.type, "== or in")
    check.problem(form.path_of(index), f"has no order, being {kind_of(node)}: use {instead}")
    return None


def _arithmetic(least: int, most: int) -> Check:
    def check_arithmetic(check: Checker, form: OperatorForm) -> Node | None:
        if not check.has_arity(form, least, most):
            return None
        nodes = [check.operand(form, i, NUMERIC, "a number") for i in range(len(form.arguments))]
        return None if None in nodes else Call(form.operator, tuple(cast(list[Node], nodes)), "number", form.path)

    return check_arithmetic


def _cat(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 1, _ANY_NUMBER):
        return None
    nodes = [check.operand(form, i, _PRINTED, "a text or a number") for i in range(len(form.arguments))]
    return None if None in nodes else Call("cat", tuple(cast(list[Node], nodes)), "string", form.path)


def _substr(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, 3, '[{"var": "customer.postcode"}, 0, 2]'):
        return None
    text = check.operand(form, 0, TEXTUAL | {"date"}, "a text")
    numbers = [check.operand(form, i, NUMERIC, "a number") for i in range(1, len(form.arguments))]
    if text is None or None in numbers:
        return None
    return Call("substr", (text, *cast(list[Node], numbers)), "string", form.path)


def _in(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[{"var": "geo.country"}, ["DE", "AT"]]'):
        return None
    needle = check.operand(form, 0, NUMERIC | TEXTUAL | {"date"}, "a number or a text")
    if isinstance(form.arguments[1], list):
        return needle and _in_literals(check, form, needle)
    haystack = check.operand(form, 1, TEXTUAL | {"list"}, "a list or a text")
    if needle is None or haystack is None:
        return None
    if needle.type not in TEXTUAL:
        check.problem(form.path_of(0), f"must be a text to be in {kind_of(haystack)}, not {kind_of(needle)}")
        return None
    return Call("in" if haystack.type == "list" else "in_text", (needle, haystack), "boolean", form.path)


def _in_literals(check: Checker, form: OperatorForm, needle: Node) -> Node | None:
    members = check.members(form, 1, *check.reading(needle))
    return members and Call("in", (needle, members), "boolean", form.path)


def _missing(check: Checker, form: OperatorForm) -> Node | None:
    names = form.arguments
    if len(names) == 1 and isinstance(names[0], list):
        form = replace(form, arguments=names[0], path=form.path_of(0), is_listed=True)
        names = form.arguments
    if not check.has_arity(form, 1, _ANY_NUMBER, '["cart.total"]'):
        return None
    return _fewer_than(check, form, len(names), [(name, form.path_of(i)) for i, name in enumerate(names)])


def _missing_some(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[1, ["customer.email", "customer.phone"]]'):
        return None
    needed, names = form.arguments
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_NODES:
        check.problem(form.path_of(1), "must be a list of names of facts")
        return None
    if type(needed) is not int or not 1 <= needed <= len(names):
        check.problem(form.path_of(0), f"must be a whole number from 1 to {len(names)}, how many are needed")
        return None
    return _fewer_than(check, form, needed, [(name, pointer(form.path_of(1), i)) for i, name in enumerate(names)])


def _fewer_than(check: Checker, form: OperatorForm, needed: int, names: list[tuple[object, str]]) -> Node | None:
    reads = [check.declared(name, path) for name, path in names]
    if None in reads:
        return None
    count = Literal(needed, needed, "number", form.path)
    return Call("missing_some", (count, *cast(list[Node], reads)), "truth", form.path)


def _quantifier(check: Checker, form: OperatorForm) -> Node | None:
    usage = '[{"var": "customer.tags"}, {"==": [{"var": ""}, "vip"]}]'
    if not check.has_arity(form, 2, usage=usage):
        return None
    items = check.field(form, 0, frozenset({"list"}), "a list field")
    was_inside, check.in_item = check.in_item, True
    condition = check.condition(form.arguments[1], form.path_of(1), form.depth)
    check.in_item = was_inside
    return items and condition and Call(form.operator, (items, condition), "boolean", form.path)


def _refused(instead: str) -> Check:
    def refuse(check: Checker, form: OperatorForm) -> Node | None:
        check.problem(form.path, f"is not for conditions of rules: {instead}")
        return None

    return refuse


_LISTS = "use some, all, none, any_of, all_of or none_of on a list field"

STANDARD_FORMS: Mapping[str, Check] = {
    "var": _var,
    "and": _connective,
    "or": _connective,
    "!": _not,
    "!!": _truthiness,
    "if": _if,
    "?:": _if,
    **dict.fromkeys(("==", "===", "!=", "!=="), _equality),
    **dict.fromkeys(("<", "<=", ">", ">="), _order),
    **dict.fromkeys(("+", "*", "min", "max"), _arithmetic(1, _ANY_NUMBER)),
    "-": _arithmetic(1, 2),
    "/": _arithmetic(2, 2),
    "%": _arithmetic(2, 2),
    "cat": _cat,
    "substr": _substr,
    "in": _in,
    "missing": _missing,
    "missing_some": _missing_some,
    **dict.fromkeys(("some", "all", "none"), _quantifier),
    **dict.fromkeys(("map", "filter", "reduce", "merge"), _refused(_LISTS)),
    "log": _refused("the explanation of a decision shows the result of each clause"),
}
