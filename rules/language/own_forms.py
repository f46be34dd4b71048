"""Check the operators of rule conditions that standard JSON-logic does not have."""

from collections.abc import Mapping
from datetime import date, time
from functools import cache
from typing import cast
from zoneinfo import available_timezones

from rules.json_logic.problems import nearest, shown
from rules.language.checker import Check, Checker, OperatorForm, kind_of
from rules.language.codes import decimals_of
from rules.language.functions import zone
from rules.language.tree import Amounts, Call, Literal, Node, Read
from rules.language.values import NUMERIC, TEXTUAL

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COMPARISONS = ("=", "==", "!=", "<", "<=", ">", ">=")
_DATETIME = frozenset({"datetime"})
_TIMES = frozenset({"date", "datetime"})
_ORDERED = NUMERIC | {"date"}
_MOMENT = "a datetime field"


@cache
def timezones() -> frozenset[str]:
    """Return the names of the IANA database's timezones. Listing the files takes 10 ms, so that happens once."""
    return frozenset(available_timezones()) - {"localtime"}


def _call(form: OperatorForm, *arguments: Node | None, operator: str = "") -> Node | None:
    """Return the call, or None if one of its arguments had a problem."""
    if None in arguments:
        return None
    return Call(operator or form.operator, cast(tuple[Node, ...], arguments), "boolean", form.path)


def _zone(check: Checker, form: OperatorForm, index: int) -> Literal | None:
    name, path = form.arguments[index], form.path_of(index)
    if isinstance(name, str) and name in timezones():
        return Literal(zone(name), name, "zone", path)
    suggestion = nearest(name, timezones()) if isinstance(name, str) else ""
    check.problem(path, f'must be a timezone of the IANA database, such as "Europe/Berlin"{suggestion}')
    return None


def _number(check: Checker, form: OperatorForm, index: int, least: float, most: float, expected: str) -> Literal | None:
    raw, path = form.arguments[index], form.path_of(index)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not least <= raw <= most:
        check.problem(path, f"must be {expected}")
        return None
    return Literal(raw, raw, "number", path)


def _between(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 3, usage='[{"var": "cart.total"}, 5000, 20000]'):
        return None
    value = check.operand(form, 0, _ORDERED, "a number or a day (for moments use between_dates)")
    bounds = [check.expression(form.arguments[i], form.path_of(i), form.depth) for i in (1, 2)]
    operands = check.same_kind(form, [value, *bounds])
    return _call(form, *operands) if operands and _rising(check, form, *operands) else None


def _rising(check: Checker, form: OperatorForm, value: Node, low: Node, high: Node) -> bool:
    if isinstance(low, Literal) and isinstance(high, Literal) and _is_falling(low.value, high.value):
        bound = _bound_in_words(check, value, low)
        check.problem(form.path_of(2), f"must not be less than {bound}, or the condition is never true")
        return False
    return True


def _bound_in_words(check: Checker, value: Node, low: Literal) -> str:
    """Return the lower end as people write it: 20.00 EUR instead of 2000."""
    if isinstance(low.value, Amounts):
        return ", ".join(_amount_in_words(amount, currency) for currency, amount in low.value.by_currency)
    if isinstance(value, Read) and value.type == "money" and check.vocabulary.currency:
        return _amount_in_words(cast(int, low.value), check.vocabulary.own_currency(value.name))
    return shown(str(low.raw))


def _amount_in_words(minor: int, currency: str) -> str:
    digits = decimals_of(currency)
    return f"{minor / 10**digits:,.{digits}f} {currency}"


def _is_falling(low: object, high: object) -> bool:
    """Return whether nothing lies between the bounds, in one of the currencies if they give amounts by currency."""
    if not isinstance(low, Amounts) and not isinstance(high, Amounts):
        return cast(float, low) > cast(float, high)
    if not isinstance(low, Amounts) or not isinstance(high, Amounts):
        return False
    highest = dict(high.by_currency)
    return any(amount > highest.get(currency, amount) for currency, amount in low.by_currency)


def _before(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[{"var": "time.now"}, "2026-11-27T00:00:00+01:00"]'):
        return None
    moment = check.operand(form, 0, _TIMES, "a date or datetime field")
    other = check.expression(form.arguments[1], form.path_of(1), form.depth)
    operands = check.same_kind(form, [moment, other])
    return _call(form, *operands, operator="<" if form.operator == "before" else ">") if operands else None


def _between_dates(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 3, 4, '[{"var": "time.now"}, "2026-11-27", "2026-11-30", "Europe/Berlin"]'):
        return None
    moment = check.operand(form, 0, _TIMES, "a date or datetime field")
    if moment is None:
        return None
    if len(form.arguments) == 4:
        return _between_days(check, form, moment)
    low, high = (check.constant(form.arguments[i], form.path_of(i), moment.type) for i in (1, 2))
    rising = low and high and _rising(check, form, moment, low, high)
    return _call(form, moment, low, high, operator="between") if rising else None


def _between_days(check: Checker, form: OperatorForm, moment: Node) -> Node | None:
    """Check days on the calendar of a timezone, which is what a merchant means by "until the 30th"."""
    if moment.type != "datetime":
        check.problem(form.path_of(3), f"has no meaning for {kind_of(moment)}: a day has no timezone")
        return None
    first, last = (check.constant(form.arguments[i], form.path_of(i), "date") for i in (1, 2))
    timezone = _zone(check, form, 3)
    if first is None or last is None or not _rising(check, form, moment, first, last):
        return None
    return _call(form, moment, _day(first), _day(last), timezone, operator="days_between")


def _day(literal: Literal) -> Literal:
    return Literal(date.fromisoformat(str(literal.raw)), literal.raw, "day", literal.path)


def _weekday_in(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 3, usage='[{"var": "time.now"}, ["sat", "sun"], "Europe/Berlin"]'):
        return None
    moment = check.operand(form, 0, _DATETIME, _MOMENT)
    days = form.arguments[1]
    if not isinstance(days, list) or not days or not all(day in WEEKDAYS for day in days):
        check.problem(form.path_of(1), f"must be a list of days out of {', '.join(WEEKDAYS)}")
        return None
    numbers = frozenset(WEEKDAYS.index(day) for day in days)
    return _call(form, moment, Literal(numbers, days, "days", form.path_of(1)), _zone(check, form, 2))


def _time_between(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 4, usage='[{"var": "time.now"}, "22:00", "06:00", "Europe/Berlin"]'):
        return None
    moment = check.operand(form, 0, _DATETIME, _MOMENT)
    start, end = _clock(check, form, 1), _clock(check, form, 2)
    timezone = _zone(check, form, 3)
    if start and end and start.value == end.value:
        check.problem(form.path_of(2), "must differ from the start, or the time is never between them")
        return None
    return _call(form, moment, start, end, timezone)


def _clock(check: Checker, form: OperatorForm, index: int) -> Literal | None:
    raw, path = form.arguments[index], form.path_of(index)
    if isinstance(raw, str) and len(raw) == 5 and raw[2] == ":":
        hours, minutes = raw[:2], raw[3:]
        if (hours + minutes).isascii() and (hours + minutes).isdigit() and hours < "24" and minutes < "60":
            return Literal(time(int(hours), int(minutes)), raw, "clock", path)
    check.problem(path, 'must be a time of day, such as "22:00"')
    return None


def _affix(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[{"var": "customer.email"}, "example.com"]'):
        return None
    text = check.operand(form, 0, TEXTUAL, "a text (for lists use any_of)")
    raw, path = form.arguments[1], form.path_of(1)
    if not isinstance(raw, str) or not raw:
        check.problem(path, 'must be a text that is not empty, such as "example.com"')
        return None
    return _call(form, text, Literal(raw.casefold(), raw, "string", path))


def _set_of(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[{"var": "customer.tags"}, ["vip", "staff"]]'):
        return None
    field = check.field(form, 0, frozenset({"list"}), "a list field (for a single text use in)")
    allowed = check.vocabulary[field.name].allowed if field else ()

    def read(raw: object) -> object | None:
        return raw if isinstance(raw, str) and (not allowed or raw in allowed) else None

    def wrong(raw: object) -> str:
        if not isinstance(raw, str) or not field:
            return "must be a text"
        return f"{shown(raw)!r} is never in {field.name}{nearest(raw, allowed)}"

    return _call(form, field, check.members(form, 1, read, wrong))


def _in_list(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 2, usage='[{"var": "customer.email"}, "blocked-emails"]'):
        return None
    text = check.operand(form, 0, TEXTUAL, "a text")
    name, path = form.arguments[1], form.path_of(1)
    if not isinstance(name, str) or name not in check.lists:
        suggestion = nearest(name, check.lists) if isinstance(name, str) else ""
        check.problem(path, f"must be the name of one of the merchant's lists{suggestion}")
        return None
    return _call(form, text, Literal(name, name, "list name", path))


def _exists(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 1, usage='[{"var": "cart.total"}]'):
        return None
    every = frozenset(field.type for field in check.vocabulary.values())
    field = check.field(form, 0, every | {"string"}, "a field")
    if field and not field.name:
        check.problem(form.path_of(0), "is the element, which is always there")
        return None
    return _call(form, field)


def _within_km(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 3, usage='[{"var": "geo.location"}, [52.52, 13.405], 50]'):
        return None
    location = check.operand(form, 0, frozenset({"location"}), "a location field")
    centre = check.constant(form.arguments[1], form.path_of(1), "location")
    distance = _number(check, form, 2, 0, 20_100, "a distance in kilometres, from 0 to 20100")
    return _call(form, location, centre, distance)


def _percent_bucket(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 4, usage='[{"var": "customer.id"}, "new-checkout", 0, 10]'):
        return None
    value = check.field(form, 0, TEXTUAL, "a text field")
    salt = check.constant(form.arguments[1], form.path_of(1), "string")
    low = _number(check, form, 2, 0, 100, "a percentage from 0 to 100")
    high = _number(check, form, 3, 0, 100, "a percentage from 0 to 100")
    if low and high and cast(float, low.value) >= cast(float, high.value):
        check.problem(form.path_of(3), "must be over the lower end, or nobody is in the bucket")
        return None
    return _call(form, value, salt, low, high)


def _sem_ver(check: Checker, form: OperatorForm) -> Node | None:
    if not check.has_arity(form, 3, usage='[{"var": "app.version"}, ">=", "2.1.0"]'):
        return None
    version = check.operand(form, 0, frozenset({"version"}), "a version field")
    operator = form.arguments[1]
    if operator not in COMPARISONS:
        check.problem(form.path_of(1), f"must be one of {', '.join(COMPARISONS)}")
        return None
    other = check.constant(form.arguments[2], form.path_of(2), "version")
    return _call(form, version, other, operator="==" if operator == "=" else str(operator))


OWN_FORMS: Mapping[str, Check] = {
    "between": _between,
    "before": _before,
    "after": _before,
    "between_dates": _between_dates,
    "weekday_in": _weekday_in,
    "time_between": _time_between,
    **dict.fromkeys(("starts_with", "ends_with", "contains"), _affix),
    **dict.fromkeys(("any_of", "all_of", "none_of"), _set_of),
    "in_list": _in_list,
    "exists": _exists,
    "within_km": _within_km,
    "percent_bucket": _percent_bucket,
    "sem_ver": _sem_ver,
}
