"""What a row can say of a field: the words, the inputs, and the JSON-logic, by the field's type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from web.admin.rules.builder.templates import FIELD, FIELD_NAME, Hole, match


class Operator(NamedTuple):
    """One choice between a field and its value.

    `slots` are the kinds of the inputs; `value` and `many` are of the field's own type. `written` is the
    JSON-logic that a changed row gets, `also` are other ways to write the same, which are read only.
    """

    key: str
    words: str
    slots: tuple[str, ...]
    written: object
    also: tuple[object, ...] = ()


A, B, C = Hole(0), Hole(1), Hole(2)
MANY, ALONE = Hole(0, many=True), Hole(0, many=True, alone=True)


def _both_ways(name: str, *more: str) -> tuple[object, ...]:
    """Return an equality with its sides exchanged, and the spellings that mean the same."""
    spellings = ({key: sides} for key in (name, *more) for sides in ([FIELD, A], [A, FIELD]))
    return tuple(spellings)[1:]


IS = Operator("is", "is", ("value",), {"==": [FIELD, A]}, _both_ways("==", "==="))
IS_NOT = Operator("is_not", "is not", ("value",), {"!=": [FIELD, A]}, _both_ways("!=", "!=="))
ANY_OF = Operator("any_of", "is any of", ("many",), {"in": [FIELD, MANY]})
NONE_OF = Operator("none_of", "is none of", ("many",), {"!": {"in": [FIELD, MANY]}})
KNOWN = Operator("known", "is known", (), {"exists": [FIELD]})
UNKNOWN = Operator("unknown", "is missing", (), {"!": {"exists": [FIELD]}})
THERE = (KNOWN, UNKNOWN)

BOOLEANS = (
    Operator("yes", "is yes", (), {"==": [FIELD, True]}, (
        FIELD, {"==": [True, FIELD]}, {"===": [FIELD, True]}, {"!=": [FIELD, False]}, {"!!": FIELD},
    )),
    Operator("no", "is no", (), {"==": [FIELD, False]}, (
        {"!": FIELD}, {"==": [False, FIELD]}, {"===": [FIELD, False]}, {"!=": [FIELD, True]},
    )),
    *THERE,
)  # fmt: skip

NUMBERS = (
    Operator("over", "is over", ("value",), {">": [FIELD, A]}, ({"<": [A, FIELD]},)),
    Operator("at_least", "is at least", ("value",), {">=": [FIELD, A]}, ({"<=": [A, FIELD]},)),
    Operator("under", "is under", ("value",), {"<": [FIELD, A]}, ({">": [A, FIELD]},)),
    Operator("at_most", "is at most", ("value",), {"<=": [FIELD, A]}, ({">=": [A, FIELD]},)),
    Operator("between", "is between", ("value", "value"), {"between": [FIELD, A, B]}, ({"<=": [A, FIELD, B]},)),
    Operator(
        "not_between", "is not between", ("value", "value"),
        {"!": {"between": [FIELD, A, B]}}, ({"!": {"<=": [A, FIELD, B]}},),
    ),
    IS, IS_NOT, ANY_OF, NONE_OF, *THERE,
)  # fmt: skip

ON_A_LIST = (
    Operator("on_list", "is on the list", ("list",), {"in_list": [FIELD, A]}),
    Operator("not_on_list", "is not on the list", ("list",), {"!": {"in_list": [FIELD, A]}}),
)
SHARE = Operator(
    "share", "falls into the share", ("text", "percent", "percent"), {"percent_bucket": [FIELD, A, B, C]}
)  # fmt: skip
PARTS_OF_TEXT = (
    Operator("starts", "starts with", ("text",), {"starts_with": [FIELD, A]}),
    Operator("ends", "ends with", ("text",), {"ends_with": [FIELD, A]}),
    Operator("contains", "contains", ("text",), {"contains": [FIELD, A]}),
    Operator("not_contains", "does not contain", ("text",), {"!": {"contains": [FIELD, A]}}),
)
CODES = (ANY_OF, NONE_OF, IS, IS_NOT, *ON_A_LIST, *PARTS_OF_TEXT, SHARE, *THERE)
TEXTS = (IS, IS_NOT, ANY_OF, NONE_OF, *PARTS_OF_TEXT, *ON_A_LIST, SHARE, *THERE)

DAYS = (
    Operator("before", "is before", ("value",), {"before": [FIELD, A]}, ({"<": [FIELD, A]}, {">": [A, FIELD]})),
    Operator("after", "is after", ("value",), {"after": [FIELD, A]}, ({">": [FIELD, A]}, {"<": [A, FIELD]})),
    Operator("until", "is at latest", ("value",), {"<=": [FIELD, A]}, ({">=": [A, FIELD]},)),
    Operator("since", "is at earliest", ("value",), {">=": [FIELD, A]}, ({"<=": [A, FIELD]},)),
    Operator("between", "is between", ("value", "value"), {"between_dates": [FIELD, A, B]}, (
        {"between": [FIELD, A, B]}, {"<=": [A, FIELD, B]},
    )),
    IS, IS_NOT, ANY_OF, NONE_OF, *THERE,
)  # fmt: skip

MOMENTS = (
    Operator(
        "on_days", "is on the days between", ("day", "day", "zone"),
        {"between_dates": [FIELD, A, B, C]},
    ),
    Operator("weekday", "is on", ("weekdays", "zone"), {"weekday_in": [FIELD, MANY, B]}),
    Operator("not_weekday", "is not on", ("weekdays", "zone"), {"!": {"weekday_in": [FIELD, MANY, B]}}),
    Operator("clock", "is between the hours", ("clock", "clock", "zone"), {"time_between": [FIELD, A, B, C]}),
    Operator(
        "not_clock", "is not between the hours", ("clock", "clock", "zone"),
        {"!": {"time_between": [FIELD, A, B, C]}},
    ),
    Operator("before", "is before", ("value",), {"before": [FIELD, A]}),
    Operator("after", "is after", ("value",), {"after": [FIELD, A]}),
    Operator("between", "is between", ("value", "value"), {"between_dates": [FIELD, A, B]}),
    *THERE,
)  # fmt: skip

LISTS = (
    Operator("has_any", "has any of", ("many",), {"any_of": [FIELD, MANY]}, ({"in": [ALONE, FIELD]},)),
    Operator("has_all", "has all of", ("many",), {"all_of": [FIELD, MANY]}),
    Operator("has_none", "has none of", ("many",), {"none_of": [FIELD, MANY]}, (
        {"!": {"any_of": [FIELD, MANY]}}, {"!": {"in": [ALONE, FIELD]}},
    )),
    *THERE,
)  # fmt: skip

NEAR = ("latitude", "longitude", "km")
PLACES = (
    Operator("near", "is near", NEAR, {"within_km": [FIELD, [A, B], C]}),
    Operator("far", "is not near", NEAR, {"!": {"within_km": [FIELD, [A, B], C]}}),
    *THERE,
)


def _version(key: str, words: str, sign: str, *more: str) -> Operator:
    also = tuple({"sem_ver": [FIELD, other, A]} for other in more)
    return Operator(key, words, ("value",), {"sem_ver": [FIELD, sign, A]}, also)


VERSIONS = (
    _version("at_least", "is at least", ">="),
    _version("under", "is under", "<"),
    _version("over", "is over", ">"),
    _version("at_most", "is at most", "<="),
    _version("is", "is", "=", "=="),
    _version("is_not", "is not", "!="),
    *THERE,
)

BY_TYPE: Mapping[str, tuple[Operator, ...]] = {
    "boolean": BOOLEANS,
    "integer": NUMBERS,
    "number": NUMBERS,
    "money": NUMBERS,
    "string": TEXTS,
    "country": CODES,
    "currency": CODES,
    "date": DAYS,
    "datetime": MOMENTS,
    "list": LISTS,
    "location": PLACES,
    "version": VERSIONS,
}
OF_NO_TYPE = (IS, IS_NOT, *NUMBERS[:6], ANY_OF, NONE_OF, *PARTS_OF_TEXT, *ON_A_LIST, *LISTS[:3], *THERE)
"""For a field that is not chosen yet or not declared (any more): whatever its clause says can be shown."""


def operators_of(type: str) -> tuple[Operator, ...]:
    """Return the choices for a field of a type, the usual one first; `type` is empty where there is no such field."""
    return BY_TYPE.get(type, OF_NO_TYPE)


Read = tuple[str, Operator, tuple[object, ...]]


def read(logic: object, types: Mapping[str, str]) -> Read | None:
    """Return the field, operator and values of a clause that a row can show. `types`: the fields' types."""
    name = _field_in(logic)
    if name is None:
        return None
    for operator in operators_of(types.get(name, "")):
        for template in (operator.written, *operator.also):
            holes = match(template, logic)
            if holes is not None:
                values = tuple(holes[index] for index in range(len(operator.slots)))
                if template is operator.written or _rise(values):
                    return name, operator, values
    return None


def _field_in(logic: object) -> str | None:
    """Return the only field that the clause reads; None where there is none or more than one."""
    names = set(_names_in(logic))
    return names.pop() if len(names) == 1 else None


def _names_in(logic: object) -> Iterator[str]:
    holes = match(FIELD, logic)
    if holes is not None:
        yield str(holes[FIELD_NAME])
    elif isinstance(logic, dict | list):
        for part in logic.values() if isinstance(logic, dict) else logic:
            yield from _names_in(part)


def _rise(values: tuple[object, ...]) -> bool:
    """Return whether two ends make a range that is not empty."""
    if len(values) != 2:
        return True
    low, high = values
    if isinstance(low, str) or isinstance(high, str):
        return isinstance(low, str) and isinstance(high, str) and low <= high
    return bool(low <= high)  # type: ignore[operator]
