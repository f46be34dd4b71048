"""Rules: conditions over declared facts in JSON-logic, and what follows from them. Pure: no I/O, no clock."""

from rules.compiled.compile import CompiledRules, Firing, compile_rules
from rules.json_logic.logic import apply
from rules.language.effects import Boost, Effect, Exclude, Pin, Require, Set, parse_effects, to_json
from rules.language.explain import Clause, Explanation, explain
from rules.language.parse import parse_condition, parse_rule, parse_rules
from rules.language.problems import Problem, RuleError
from rules.language.strict_json import loads
from rules.language.tree import Rule
from rules.language.vocabulary import TYPES, Field, Vocabulary
from rules.wording.changes_needed import Need, changes_needed
from rules.wording.describe import describe
from rules.wording.terms import Wording

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
