"""Parse, check, compile and explain rules: JSON-logic over declared facts, and effects. Pure: no I/O, no clock."""

from rules.analysis.changes_needed import Need, changes_needed
from rules.compiled.compile import CompiledRules, Firing, compile_rules
from rules.json_logic.logic import apply
from rules.json_logic.problems import Problem, RuleError
from rules.language.effects import Boost, Effect, Exclude, Pin, Require, Set, candidates_of, parse_effects, to_json
from rules.language.own_forms import timezones
from rules.language.parse import parse_condition, parse_rule, parse_rules
from rules.language.strict_json import check_values, loads
from rules.language.tree import Rule
from rules.language.vocabulary import TYPES, Field, Vocabulary
from rules.wording.describe import describe
from rules.wording.explain import ClauseVerdict, RuleExplanation, explain
from rules.wording.terms import Wording

__all__ = [
    "TYPES",
    "Boost",
    "ClauseVerdict",
    "CompiledRules",
    "Effect",
    "Exclude",
    "Field",
    "Firing",
    "Need",
    "Pin",
    "Problem",
    "Require",
    "Rule",
    "RuleError",
    "RuleExplanation",
    "Set",
    "Vocabulary",
    "Wording",
    "apply",
    "candidates_of",
    "changes_needed",
    "check_values",
    "compile_rules",
    "describe",
    "explain",
    "loads",
    "parse_condition",
    "parse_effects",
    "parse_rule",
    "parse_rules",
    "timezones",
    "to_json",
]
