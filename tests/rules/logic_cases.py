"""Generate cases of standard JSON-logic, including unusual types."""

from random import Random

SCALARS = (
    *(None, True, False, 0, 1, -1, 2, 3, -0.5, 1.5, 10, 1e21, 1e-7, 123456789.125, 2**53),
    *("", "0", "1", "a", "abc", "10", " 12 ", "1e3", "-1", "0x1f", "Infinity", "true", "null", "1,2", "b"),
    *(".5", "5px", "é", "\U0001f600x", "9" * 30, "a.b", "length"),
)
NAMES = (
    *("a", "b", "c", "a.b", "a.0", "b.c", "", None, 0, 1, "current", "accumulator", "l", "l.1", "l.length"),
    *("s.0", "missing", ["zz", 5]),
)
SCOPED = ("map", "filter", "reduce", "all", "none", "some")
OPERATORS = (
    *("var", "missing", "missing_some", "if", "?:", "==", "===", "!=", "!==", "!", "!!", "or", "and"),
    *(">", ">=", "<", "<=", "max", "min", "+", "-", "*", "/", "%", "merge", "in", "cat", "substr", "log"),
    *SCOPED,
)


def value(random: Random, depth: int = 0) -> object:
    """Return a JSON value, small and often unusual."""
    draw = random.random()
    if draw < 0.75 or depth > 2:
        return random.choice(SCALARS)
    if draw < 0.9:
        return [value(random, depth + 1) for _ in range(random.randint(0, 3))]
    keys = random.sample(("a", "b", "c", "a.b", "length", "x"), random.choice((0, 1, 2, 2, 3)))
    return {key: value(random, depth + 1) for key in keys}


def data(random: Random) -> object:
    """Return data with the names that `logic` reads."""
    if random.random() < 0.1:
        return value(random)
    return {
        **{key: value(random) for key in "abc"},
        "l": [value(random, 1) for _ in range(random.randint(0, 4))],
        "o": [{"a": value(random, 1), "x": value(random, 2)} for _ in range(2)],
        "s": random.choice(("hello", "", "1")),
    }


def logic(random: Random, depth: int = 0) -> object:
    """Return JSON-logic of any operator on any types, sometimes with too few or too many arguments."""
    if depth > 3 or random.random() < 0.3:
        return value(random, 1) if random.random() < 0.5 else {"var": random.choice(NAMES)}
    operator = random.choice(OPERATORS)
    if operator in SCOPED:
        return {operator: _scoped(random, operator, depth)}
    if operator == "missing_some" and random.random() < 0.8:
        names = [random.choice(("a", "b", "zz", "l", "a.b")) for _ in range(random.randint(0, 3))]
        return {operator: [random.randint(0, 3), names]}
    if random.random() < 0.1:
        return {operator: logic(random, depth + 1)}
    return {operator: [logic(random, depth + 1) for _ in range(random.choice((0, 1, 1, 2, 2, 2, 2, 3, 3, 4)))]}


def _scoped(random: Random, operator: str, depth: int) -> list[object]:
    if random.random() < 0.7:
        items: object = {"var": random.choice("lao")}
    else:
        items = [value(random, 1) for _ in range(random.randint(0, 3))]
    arguments = [items, logic(random, depth + 1)]
    if operator == "reduce":
        arguments.append(logic(random, depth + 2))
    return arguments[: random.randint(0, 2)] if random.random() < 0.1 else arguments
