"""Check the static checks of rules: `python -m benchmarks.checks.rule_checks` prints the table in two minutes."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

from rich.console import Console
from rich.table import Table

from rules import Rule
from rules.analysis.check import CheckContext, check_rule, check_rules
from tests.rules import rule_sets
from tests.rules.rule_sets import CANDIDATES, CHECK_CONTEXT, VOCABULARY

Figure = tuple[str, str, str]
MANY_CANDIDATES = {**CANDIDATES, **{name: name for name in ("ideal", "bancontact", "eps", "giropay", "wero")}}


def compare(count: int, *, plain: bool, seed: int) -> tuple[Counter[str], list[str]]:
    """Return findings by kind in generated sets, and by brute force the false and the missing ones."""
    random, kinds, mistakes = Random(seed), Counter[str](), list[str]()
    for _ in range(count):
        generated = rule_sets.rule_set(random, plain=plain)
        kinds.update(finding.kind for finding in check_rules(generated.rules, CHECK_CONTEXT))
        mistakes += rule_sets.mistakes(generated, plain=plain)
    return kinds, mistakes


def large_set(count: int, *, seed: int) -> tuple[Rule, ...]:
    """Generate rules of 3 to 5 comparisons over 8 candidates."""
    return rule_sets.large_set(Random(seed), count, list(MANY_CANDIDATES))


def seconds_for_a_set(rules: tuple[Rule, ...]) -> float:
    """Return the CPU seconds to check a whole set: the median of five."""
    return statistics.median(_seconds(partial(check_rules, rules, _MANY_CANDIDATES_CONTEXT)) for _ in range(5))


def seconds_for_a_rule(rules: tuple[Rule, ...]) -> list[float]:
    """Return the CPU seconds to check a rule beside the others, for a sample of the set, in ascending order."""
    every = rules[:: max(1, len(rules) // 50)]
    return sorted(
        _seconds(partial(check_rule, rule, [r for r in rules if r is not rule], _MANY_CANDIDATES_CONTEXT))
        for rule in every
    )


_MANY_CANDIDATES_CONTEXT = CheckContext(VOCABULARY, {}, MANY_CANDIDATES)


def _seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def figures(*, count: int = 5_000) -> list[Figure]:
    """Return (subject, goal, measured) rows; `count` sets of each kind are generated."""
    lines: list[Figure] = []
    for plain, seed in ((True, 1), (False, 2)):
        kinds, wrong = compare(count, plain=plain, seed=seed)
        missed = sum(text.startswith("missed") for text in wrong)
        what = "finite and ordered fields" if plain else "any operators, two facts compared, lists"
        lines.append((f"{count:,} sets of 5 rules, {what}: false alarms", "0", f"{len(wrong) - missed:,}"))
        if plain:
            lines.append(("  contradictions, shadowed rules, fights missed", "0", f"{missed:,}"))
        lines += [(f"  found: {kind}", "", f"{times:,}") for kind, times in kinds.most_common()]
    rules = large_set(1_000, seed=3)
    lines.append(("1,000 rules checked, CPU time", "under 2 s", f"{seconds_for_a_set(rules):.2f} s"))
    taken = seconds_for_a_rule(rules)
    measured = f"{statistics.median(taken) * 1e3:.0f} ms (the slowest of {len(taken)}: {taken[-1] * 1e3:.0f} ms)"
    return [*lines, ("one rule beside 999, CPU time (median)", "under 50 ms", measured)]


def main() -> None:
    table = Table("what", "goal", "measured", title="Checks of rules")
    for line in figures():
        table.add_row(*line)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
