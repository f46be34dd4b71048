"""Generate rules over a small vocabulary with a field of every type, and facts for them."""

from collections.abc import Callable, Sequence
from random import Random

from rules import CompiledRules, Field, Rule, Vocabulary, explain

VOCABULARY = Vocabulary(
    (
        Field("cart.total", "money", unit="EUR"),
        Field("cart.items", "integer"),
        Field("risk.score", "number"),
        Field("customer.is_new", "boolean"),
        Field("customer.id", "string"),
        Field("customer.email", "string"),
        Field("customer.tags", "list"),
        Field("customer.born", "date"),
        Field("device.type", "string", allowed=("mobile", "tablet", "desktop")),
        Field("geo.country", "country"),
        Field("customer.country", "country"),
        Field("cart.currency", "currency"),
        Field("geo.location", "location"),
        Field("time.now", "datetime"),
        Field("app.version", "version"),
    )
)
LISTS = {"blocked": frozenset({"c1", "c2", "eve@example.org"}), "empty": frozenset()}

_VALUES: dict[str, tuple[object, ...]] = {
    "cart.total": (0, 1, 4999, 5000, 5001, 20_000, -100, 2**53),
    "cart.items": (0, 1, 2, 3, 10),
    "risk.score": (0, 0.5, 1, -1.5, 99.9, 0.1, 1e300),
    "customer.is_new": (True, False),
    "customer.id": ("c1", "c2", "c3", ""),
    "customer.email": ("ann@example.com", "EVE@example.org", "", "straße@example.de", "\U0001f600"),
    "customer.tags": ([], ["vip"], ["vip", "staff"], ["new", ""]),
    "customer.born": ("1999-12-31", "2000-01-01", "2008-02-29"),
    "device.type": ("mobile", "tablet", "desktop"),
    "geo.country": ("DE", "AT", "US"),
    "customer.country": ("DE", "FR"),
    "cart.currency": ("EUR", "USD"),
    "geo.location": ([52.52, 13.405], [48.14, 11.58], [-33.9, 151.2]),
    "time.now": ("2026-11-27T23:30:00+01:00", "2026-11-28T05:00:00Z", "2026-06-01T12:00:00.5-05:00"),
    "app.version": ("1.2.3", "2.0.0-rc.1", "2.0.0", "10.0.0+build"),
}
_WRONG = (None, "x", 1.5, True, [], {}, [1], 2**60, float("nan"), "2026-13-01", "de", "\ud800", ["a", None])
_NUMBERS = ("cart.total", "cart.items", "risk.score")
_TEXTS = ("customer.id", "customer.email", "device.type", "geo.country", "cart.currency")
_ZONES = ("Europe/Berlin", "America/New_York", "UTC")


def facts(random: Random, *, spoilt: bool) -> dict[str, object]:
    """Return flat facts; if `spoilt`, about a third is missing or of another type."""
    values_by_name: dict[str, object] = {}
    for name, values in _VALUES.items():
        draw = random.random()
        if not spoilt or draw > 0.35:
            values_by_name[name] = random.choice(values)
        elif draw < 0.15:
            values_by_name[name] = random.choice(_WRONG)
    return values_by_name


def nested(flat: dict[str, object]) -> dict[str, object]:
    """Return the facts nested, so that JSON-logic's `var` finds them by their dotted names."""
    tree: dict[str, dict[str, object]] = {}
    for name, value in flat.items():
        group, field = name.split(".")
        tree.setdefault(group, {})[field] = value
    return dict(tree)


def rule(random: Random, number: int, *, standard: bool = False) -> dict[str, object]:
    """Return a document that parses; if `standard`, `rules.apply` can evaluate its condition."""
    when = condition(random, standard=standard)
    return {"id": f"r{number:05}", "priority": number % 7, "when": when, "effects": [{"exclude": ["klarna"]}]}


def condition(random: Random, depth: int = 0, *, standard: bool = False) -> object:
    """Return connectives over clauses."""
    draw = random.random()
    if depth > 3 or draw < 0.45:
        return _clause(random, standard)

    def part() -> object:
        return condition(random, depth + 1, standard=standard)

    if draw < 0.85:
        return {random.choice(("and", "or")): [part() for _ in range(random.randint(1, 4))]}
    if draw < 0.93:
        return {random.choice(("!", "!!")): random.choice(([part()], part()))}
    return {random.choice(("if", "?:")): [{"!!": [part()]} for _ in range(random.choice((3, 3, 5)))]}


def _clause(random: Random, standard: bool) -> object:
    make_clause = random.choice(_STANDARD if standard or random.random() < 0.6 else _OWN)
    return make_clause(random)


def _var(name: str) -> dict[str, object]:
    return {"var": name}


def _number(random: Random) -> object:
    """Return a numeric expression."""
    draw = random.random()
    if draw < 0.5:
        return _var(random.choice(_NUMBERS))
    if draw < 0.6:
        return {"var": [random.choice(_NUMBERS), random.randint(-2, 9)]}
    if draw < 0.75:
        return random.choice((0, 1, 2, -1, 100))
    operator = random.choice(("+", "-", "*", "/", "%", "min", "max"))
    if draw > 0.95:
        return {"if": [condition(random, 3, standard=True), _number(random), _number(random)]}
    count = 2 if operator in {"-", "/", "%"} else random.randint(1, 3)
    return {operator: [random.choice((_number(random), 0.5)) for _ in range(count)]}


def _text(random: Random) -> object:
    draw = random.random()
    if draw < 0.7:
        return _var(random.choice(_TEXTS))
    if draw < 0.85:
        return {"cat": [_var(random.choice(_TEXTS)), _number(random), "x"]}
    return {"substr": [_var(random.choice(_TEXTS)), random.randint(-4, 4), random.randint(-3, 4)]}


def _value_of(random: Random, name: str) -> object:
    return random.choice(_VALUES[name])


def _ordered(random: Random) -> object:
    operator = random.choice(("<", "<=", ">", ">="))
    if random.random() < 0.15:
        return {operator: [_var("customer.born"), _value_of(random, "customer.born")]}
    count = random.choice((2, 3)) if operator in {"<", "<="} else 2
    return {operator: [_number(random) for _ in range(count)]}


def _simple_order(random: Random) -> object:
    name = random.choice(_NUMBERS)
    sides = [_var(name), _value_of(random, name)]
    random.shuffle(sides)
    return {random.choice(("<", "<=", ">", ">=", "==", "!=")): sides}


def _equal(random: Random) -> object:
    operator = random.choice(("==", "===", "!=", "!=="))
    draw = random.random()
    if draw < 0.5:
        name = random.choice((*_TEXTS, "customer.is_new", "customer.born"))
        sides = [_var(name), _value_of(random, name)]
    elif draw < 0.6:
        sides = [_var("geo.country"), _var("customer.country")]
    elif draw < 0.8:
        sides = [_text(random), _var("customer.email")]
    else:
        sides = [_number(random), _number(random)]
    random.shuffle(sides)
    return {operator: sides}


def _member(random: Random) -> object:
    name = random.choice((*_TEXTS, *_NUMBERS, "customer.born"))
    draw = random.random()
    if draw < 0.7:
        return {"in": [_var(name), random.sample(_VALUES[name], random.randint(1, 2))]}
    if draw < 0.85:
        return {"in": [random.choice(("vip", "", "c1")), _var("customer.tags")]}
    return {"in": [random.choice(("example", "")), _text(random)]}


def _existence(random: Random) -> object:
    names = random.sample(list(_VALUES), random.randint(1, 3))
    return random.choice(({"missing": names}, {"missing_some": [random.randint(1, len(names)), names]}))


def _quantifier(random: Random) -> object:
    inner = random.choice(
        (
            {"==": [_var(""), "vip"]},
            {"in": [_var(""), ["vip", "new"]]},
            {"or": [{"!": _var("")}, {"!=": [_var(""), "staff"]}]},
        )
    )
    return {random.choice(("some", "all", "none")): [_var("customer.tags"), inner]}


def _truthy(random: Random) -> object:
    return random.choice((_var(random.choice(list(_VALUES))), _number_or_true(random)))


def _number_or_true(random: Random) -> object:
    return random.choice((True, False, {"/": [_number(random), _number(random)]}))


def _moment(random: Random) -> object:
    now = _var("time.now")
    zone = random.choice(_ZONES)
    return random.choice(
        (
            {random.choice(("before", "after")): [now, "2026-11-27T22:30:00Z"]},
            {"between_dates": [now, "2026-06-01", "2026-11-27", zone]},
            {"between_dates": [now, "2026-06-01T00:00:00Z", "2026-11-27T22:30:00Z"]},
            {"between_dates": [_var("customer.born"), "2000-01-01", "2010-01-01"]},
            {"weekday_in": [now, random.sample(("mon", "fri", "sat"), 2), zone]},
            {"time_between": [now, *random.choice((("22:00", "06:00"), ("08:00", "18:00"))), zone]},
        )
    )


def _text_match(random: Random) -> object:
    affix = random.choice(("starts_with", "ends_with", "contains"))
    sets = random.choice(("any_of", "all_of", "none_of"))
    return random.choice(
        (
            {affix: [_text(random), random.choice(("EVE", "example", "STRASSE", "c"))]},
            {sets: [_var("customer.tags"), random.sample(("vip", "staff", "new"), 2)]},
            {"in_list": [_var(random.choice(("customer.id", "customer.email"))), random.choice(list(LISTS))]},
        )
    )


def _misc(random: Random) -> object:
    name = random.choice(list(_VALUES))
    low = random.randint(0, 50)
    return random.choice(
        (
            {"exists": [_var(name)]},
            {"between": [_number(random), low, low + 5000]},
            {"within_km": [_var("geo.location"), [52.5, 13.4], random.choice((10, 600))]},
            {"percent_bucket": [_var("customer.id"), "salt", low, low + 50]},
            {"sem_ver": [_var("app.version"), random.choice(("<", "=", ">=")), "2.0.0"]},
            {"var": ["customer.is_new", random.choice((True, False))]},
        )
    )


MakeClause = Callable[[Random], object]
_STANDARD: tuple[MakeClause, ...] = (_simple_order, _ordered, _equal, _member, _existence, _quantifier, _truthy)
_OWN: tuple[MakeClause, ...] = (_moment, _text_match, _misc)


Verdicts = list[tuple[str, str | None]]


def compiled_verdicts(compiled: CompiledRules, facts: dict[str, object]) -> Verdicts:
    """Return `true`, `false` or `unknown` for each rule, and the field that it lacked."""
    firing = compiled.evaluate(facts)
    verdicts: Verdicts = [("false", None)] * len(compiled.rules)
    for index in firing.fired:
        verdicts[index] = ("true", None)
    for index, field in firing.skipped:
        verdicts[index] = ("unknown", field)
    return verdicts


def explained_verdicts(rules: Sequence[Rule], facts: dict[str, object]) -> Verdicts:
    """Return the same according to the explanation."""
    explanations = [explain(rule, facts, VOCABULARY, LISTS) for rule in rules]
    return [(explanation.verdict, explanation.lacked) for explanation in explanations]


def well_typed_condition(random: Random) -> object:
    """Return comparisons of a field with values of its own type, on which all implementations agree."""
    clauses = [random.choice((_simple_order, _equal_to_value, _in_values))(random) for _ in range(3)]
    return {"and": [clauses[0], {"or": clauses[1:]}]}


def _equal_to_value(random: Random) -> object:
    name = random.choice(_TEXTS)
    return {random.choice(("==", "!=", "===", "!==")): [_var(name), _value_of(random, name)]}


def _in_values(random: Random) -> object:
    name = random.choice(_TEXTS)
    return {"in": [_var(name), random.sample(_VALUES[name], 2)]}
