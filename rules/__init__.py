"""Rules: conditions over declared facts in JSON-logic, and what follows from them. Pure: no I/O, no clock."""

from rules.changes import Need, changes_needed
from rules.compile import CompiledRules, Firing, compile_rules
from rules.describe import describe
from rules.effects import Boost, Effect, Exclude, Pin, Require, Set, parse_effects, to_json
from rules.explain import Clause, Explanation, explain
from rules.logic import apply
from rules.parse import parse_condition, parse_rule, parse_rules
from rules.problems import Problem, RuleError
from rules.strict_json import loads
from rules.tree import Rule
from rules.vocabulary import TYPES, Field, Vocabulary
from rules.wording import Wording

__all__ = [
    "TYPES",
    "Boost",
    "Clause",
    "CompiledRules",
    "Effect",
    "Exclude",
    "Explanation",
    "Field",
    "Firing",
    "Need",
    "Pin",
    "Problem",
    "Require",
    "Rule",
    "RuleError",
    "Set",
    "Vocabulary",
    "Wording",
    "apply",
    "changes_needed",
    "compile_rules",
    "describe",
    "explain",
    "loads",
    "parse_condition",
    "parse_effects",
    "parse_rule",
    "parse_rules",
    "to_json",
]
