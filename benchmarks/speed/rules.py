"""Our compiled rules beside other implementations, interleaved in one run: `python -m benchmarks.speed.rules`."""

import statistics
import time
from collections.abc import Callable
from random import Random

import datalogic_py
from rich.console import Console
from rich.table import Table

from rules import Field, Rule, Vocabulary, compile_rules, parse_rules
from tests.rules.oracles import panzi, qubit

Figure = tuple[str, str, str]
Run = Callable[[], list[int]]

FIELDS = 40
COUNTRIES = ("DE", "AT", "CH", "FR", "IT", "ES", "NL", "US")
WORDS = ("web", "ios", "android", "kiosk", "phone", "mail")
_TYPES = ("money", "number", "string", "country")


def make_vocabulary() -> Vocabulary:
    """40 fields: money, numbers, texts and countries."""
    return Vocabulary(Field(f"g{i // 8}.f{i}", _TYPES[i % 4]) for i in range(FIELDS))


def make_facts(vocabulary: Vocabulary, random: Random) -> dict[str, object]:
    """A value for each field."""
    makers: dict[str, Callable[[], object]] = {
        "money": lambda: random.randrange(20_000),
        "number": lambda: random.random() * 100,
        "string": lambda: random.choice(WORDS),
        "country": lambda: random.choice(COUNTRIES),
    }
    return {field.name: makers[field.type]() for field in vocabulary.values()}


def make_rules(count: int, vocabulary: Vocabulary, random: Random) -> tuple[Rule, ...]:
    """Rules of 3 to 5 comparisons each, all of them or the first and one of the others."""
    return parse_rules([_document(i, vocabulary, random) for i in range(count)], vocabulary, {})


def _document(number: int, vocabulary: Vocabulary, random: Random) -> dict[str, object]:
    clauses = [_comparison(random.choice(list(vocabulary.values())), random) for _ in range(random.randint(3, 5))]
    when: object = {"and": clauses if random.random() < 0.7 else [clauses[0], {"or": clauses[1:]}]}
    return {"id": f"r{number:05}", "when": when, "effects": [{"exclude": ["klarna"]}]}


def _comparison(field: Field, random: Random) -> object:
    read = {"var": field.name}
    if field.type in {"money", "number"}:
        return {
            random.choice(("<", "<=", ">", ">=")): [read, random.randrange(20_000 if field.type == "money" else 100)]
        }
    words = COUNTRIES if field.type == "country" else WORDS
    return random.choice(
        (
            {"==": [read, random.choice(words)]},
            {"!=": [read, random.choice(words)]},
            {"in": [read, random.sample(words, 3)]},
        )
    )


def contenders(rules: tuple[Rule, ...], vocabulary: Vocabulary, facts: dict[str, object]) -> dict[str, Run]:
    """Return a function for each implementation that maps the facts of a request to the indices of the firing rules."""
    conditions = [rule.document["when"] for rule in rules]
    data: dict[str, dict[str, object]] = {}
    for name, value in facts.items():
        data.setdefault(name.split(".")[0], {})[name.split(".")[1]] = value
    lacking = {name: value for name, value in facts.items() if name != "g0.f0"}
    compiled = compile_rules(rules, vocabulary, {})
    return {
        "ours": lambda: list(compiled.evaluate(facts).fired),
        "ours, one fact missing": lambda: list(compiled.evaluate(lacking).fired),
        "datalogic-py": _datalogic(conditions, data),
        "panzi-json-logic": _interpreted(panzi(), conditions, data),
        "json-logic-qubit": _interpreted(qubit(), conditions, data),
    }


def _interpreted(apply: Callable[[object, object], object], conditions: list[object], data: object) -> Run:
    return lambda: [index for index, condition in enumerate(conditions) if apply(condition, data)]


def _datalogic(conditions: list[object], data: object) -> Run:
    """Its fastest way: rules compiled once, the data converted once a request, answers as booleans."""
    engine = datalogic_py.Engine()
    compiled = [engine.compile(condition) for condition in conditions]
    session = engine.session()

    def run() -> list[int]:
        handle = datalogic_py.DataHandle(data)
        truthy = session.evaluate_truthy
        return [index for index, rule in enumerate(compiled) if truthy(rule, handle)]

    return run


def p50_us(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """Median time of each in microseconds; every round runs all of them, the slow ones in every tenth only.

    Each runs once untimed before it is timed, or it would pay for the caches that the one before it filled.
    """
    times: dict[str, list[int]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name, run in runs.items():
            if turn % 10 and times[name][-1] > 1_000_000:
                continue
            run()
            begun = time.perf_counter_ns()
            run()
            times[name].append(time.perf_counter_ns() - begun)
    return {name: statistics.median(taken) / 1e3 for name, taken in times.items()}


def figures(*, rounds: int = 1_000) -> list[Figure]:
    """Return (subject, goal, measured) rows."""
    return [
        line for count, goal in ((50, "a few us"), (1_000, "at most 60 us")) for line in _figures(count, goal, rounds)
    ]


def _figures(count: int, goal: str, rounds: int) -> list[Figure]:
    random = Random(count)
    vocabulary = make_vocabulary()
    rules, facts = make_rules(count, vocabulary, random), make_facts(vocabulary, random)
    runs = contenders(rules, vocabulary, facts)
    agreed = runs["ours"]()
    for name, run in runs.items():
        if name != "ours, one fact missing" and run() != agreed:
            raise AssertionError(f"{name} does not fire the same rules")
    medians = p50_us(runs, rounds)
    return [
        (
            f"{count:,} rules over {FIELDS} facts, {name}",
            goal if name == "ours" else "",
            f"{medians[name]:,.1f} us" + ("" if name == "ours" else f" ({medians[name] / medians['ours']:.1f} x)"),
        )
        for name in runs
    ]


def main() -> None:
    table = Table("what, p50", "goal", "measured", title="Rules in process")
    for line in figures():
        table.add_row(*line)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
