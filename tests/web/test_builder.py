"""The builder's model: rules keep their JSON to the last character, and edits touch only what they are about."""

from __future__ import annotations

import json

import pytest

from benchmarks.checks.builder import rebuild_rules
from engine.model.standard_vocabulary import STANDARD
from rules.language.codes import COUNTRIES
from web.admin.rules.builder import edits
from web.admin.rules.builder.effects import KINDS
from web.admin.rules.builder.history import MOST_PACKED, MOST_STEPS, History, packed, unpacked
from web.admin.rules.builder.nodes import Group, Raw, Row, from_logic, to_logic
from web.admin.rules.builder.operators import BY_TYPE
from web.admin.rules.builder.rule_form import RuleForm, apply_action, read_rule_form, rule_form
from web.admin.rules.builder.texts import NAMES, Terms, from_text, to_text

TERMS = Terms(
    fields={field.name: field for field in STANDARD},
    lists=("blocked",),
    candidates={"card": "Card", "klarna": "Klarna", "paypal": "PayPal"},
    currency="EUR",
    timezone="Europe/Berlin",
)
LARGE = {">": [{"var": "cart.total"}, 50_000]}
GERMAN = {"in": [{"var": "geo.country"}, ["DE", "AT"]]}
MOBILE = {"===": ["mobile", {"var": "device.type"}]}
ODD = {"<": [{"+": [{"var": "cart.items"}, 1]}, 3]}
HIDE = [{"exclude": ["klarna"]}]


def tree_of(logic: object) -> Group:
    return from_logic(logic, TERMS.types)


def form_of(when: object, effects: object = HIDE) -> RuleForm:
    return rule_form({"when": json.dumps(when), "effects": json.dumps(effects)}, TERMS)


def sent(form: RuleForm, **inputs: str | list[str]) -> RuleForm:
    """Return the form after it was submitted with other values in these inputs; `__` is the dot."""
    typed = {name.replace("__", "."): [value] if isinstance(value, str) else value for name, value in inputs.items()}
    given = {name: [text] for name, text in form.texts.items()} | {"shown": [form.fingerprint]} | typed
    return read_rule_form(given, ("when", "effects"), TERMS)


def when_of(form: RuleForm) -> object:
    return json.loads(form.texts["when"])


def effects_of(form: RuleForm) -> object:
    return json.loads(form.texts["effects"])


def test_amounts_in_other_currencies_are_a_row_like_any_other() -> None:
    form = sent(form_of(LARGE), c__0__0="500; £430")
    by_currency = {"EUR": 50_000, "GBP": 43_000}
    assert when_of(form) == {">": [{"var": "cart.total"}, by_currency]}
    assert tree_of(when_of(form)).parts[0].values == (by_currency,)
    assert to_text("money", by_currency, TERMS, "cart.total") == "EUR 500.00; GBP 430.00"


def test_generated_rules_are_saved_unchanged_and_rewritten_with_the_same_meaning() -> None:
    result = rebuild_rules(400, seed=7)
    assert (result.rules, result.changed, result.refused, result.different) == (400, [], [], [])
    assert result.parts["Row"] > 400, "a good part of them is shown as rows"


@pytest.mark.parametrize("type", list(BY_TYPE))
def test_every_choice_of_every_type_round_trips(type: str) -> None:
    field = next(field.name for field in STANDARD if field.type == type)
    for operator in BY_TYPE[type]:
        values = tuple(["a"] if slot in ("many", "weekdays") else "a" for slot in operator.slots)
        row = tree_of(to_logic(Group("all", (Row(field, operator, values),)))).parts[0]
        assert isinstance(row, Row)
        assert (row.field, row.operator.key, row.values) == (field, operator.key, values)


def test_unsupported_clause_stays_json_among_rows() -> None:
    tree = tree_of({"and": [LARGE, ODD, {"or": [GERMAN, MOBILE]}]})
    assert [type(part) for part in tree.parts] == [Row, Raw, Group]
    assert to_logic(tree) == {"and": [LARGE, ODD, {"or": [GERMAN, MOBILE]}]}


def test_edit_rewrites_only_its_row() -> None:
    after = sent(form_of({"and": [LARGE, MOBILE, ODD]}), c__0__0="620")
    assert when_of(after) == {"and": [{">": [{"var": "cart.total"}, 62_000]}, MOBILE, ODD]}
    assert after.changed == ("c.0.0",)


def test_unedited_form_changes_nothing() -> None:
    form = form_of({"!": [{"or": [LARGE, {"!": [GERMAN]}]}]})
    after = sent(form)
    assert (after.texts, after.changed) == (form.texts, ())


def test_edited_json_overrides_its_rows() -> None:
    after = sent(form_of(LARGE), when=json.dumps(GERMAN), c__0__0="1")
    assert when_of(after) == GERMAN
    assert after.changed == ("json",)


def test_invalid_json_is_kept() -> None:
    after = sent(form_of(LARGE), when='{"<": [')
    assert after.texts["when"] == '{"<": ['
    assert after.condition is None


def test_countries_are_added_by_name_and_removed() -> None:
    form = form_of(GERMAN)
    assert when_of(sent(form, c__0__0=["", "Germany", "Austria"], c__0__0__add="netherlands")) == {
        "in": [{"var": "geo.country"}, ["DE", "AT", "NL"]]
    }
    assert when_of(sent(form, c__0__0=["", "Austria"])) == {"in": [{"var": "geo.country"}, ["AT"]]}


def test_new_field_gets_a_valid_operator_and_new_operator_keeps_the_value() -> None:
    assert when_of(sent(form_of(LARGE), c__0__field="geo.country")) == {"in": [{"var": "geo.country"}, []]}
    assert when_of(sent(form_of(LARGE), c__0__operator="at_most")) == {"<=": [{"var": "cart.total"}, 50_000]}
    item = {"==": [{"var": "geo.country"}, "DE"]}
    assert when_of(sent(form_of(item), c__0__operator="any_of")) == {"in": [{"var": "geo.country"}, ["DE"]]}


def test_invalid_amount_is_kept_for_correction() -> None:
    after = sent(form_of(LARGE), c__0__0="a lot")
    assert when_of(after) == {">": [{"var": "cart.total"}, "a lot"]}
    assert when_of(sent(after, c__0__0="99,90")) == {">": [{"var": "cart.total"}, 9990]}


def test_rule_is_built_with_buttons_and_inputs() -> None:
    form = apply_action(form_of(True), "add_row:c", TERMS)
    form = sent(sent(form, c__0__field="cart.total"), c__0__0="50")
    form = apply_action(form, "add_group:c", TERMS)
    assert form.focus == "c.1.0"
    form = sent(sent(form, c__1__0__field="customer.returning"), c__1__0__operator="no")
    form = sent(form, c__1__kind="none")
    assert when_of(form) == {
        "and": [{">": [{"var": "cart.total"}, 5000]}, {"!": {"or": [{"==": [{"var": "customer.returning"}, False]}]}}]
    }


def test_rows_are_moved_copied_grouped_and_removed() -> None:
    form = form_of({"and": [LARGE, {"or": [GERMAN, MOBILE]}]})
    assert when_of(apply_action(form, "down:c.0", TERMS)) == {"and": [{"or": [GERMAN, MOBILE]}, LARGE]}
    assert when_of(apply_action(form, "up:c.1.0", TERMS)) == {"and": [LARGE, GERMAN, {"or": [MOBILE]}]}
    assert when_of(apply_action(form, "down:c.1.1", TERMS)) == {"and": [LARGE, {"or": [GERMAN]}, MOBILE]}
    assert when_of(apply_action(form, "duplicate:c.0", TERMS)) == {"and": [LARGE, LARGE, {"or": [GERMAN, MOBILE]}]}
    assert when_of(apply_action(form, "wrap:c.0", TERMS)) == {"and": [{"or": [LARGE]}, {"or": [GERMAN, MOBILE]}]}
    assert when_of(apply_action(form, "unwrap:c.1", TERMS)) == {"and": [LARGE, GERMAN, MOBILE]}
    assert when_of(apply_action(form, "remove:c.1.0", TERMS)) == {"and": [LARGE, {"or": [MOBILE]}]}
    alone = form_of({"and": [LARGE, {"or": [MOBILE]}]})
    assert when_of(apply_action(alone, "remove:c.1.0", TERMS)) == LARGE, "a group goes with its last part"
    for act in ("remove:c.7.1", "remove:c.2", "duplicate:c.2", "up:c.0", "wrap:c.9", "unwrap:c", "add_row:c.0"):
        assert apply_action(form, act, TERMS).texts == form.texts, "what cannot be done is left alone"


@pytest.mark.parametrize(
    ("source", "to", "expected", "focus"),
    [
        ("c.0", "c.1.1", {"and": [{"or": [GERMAN, LARGE, MOBILE]}]}, "c.0.1"),
        ("c.1.0", "c.0", {"and": [GERMAN, LARGE, {"or": [MOBILE]}]}, "c.0"),
        ("c.0", "c.2", {"and": [{"or": [GERMAN, MOBILE]}, LARGE]}, "c.1"),
        ("c.1", "c.1.0", {"and": [LARGE, {"or": [GERMAN, MOBILE]}]}, ""),
    ],
)
def test_row_is_dragged_anywhere_but_into_itself(source: str, to: str, expected: object, focus: str) -> None:
    after = apply_action(form_of({"and": [LARGE, {"or": [GERMAN, MOBILE]}]}), f"move:{source}>{to}", TERMS)
    assert when_of(after) == expected
    assert after.focus == focus


def test_dragging_the_last_part_removes_its_group() -> None:
    after = apply_action(form_of({"and": [{"or": [MOBILE]}, LARGE, GERMAN]}), "move:c.0.0>c.2", TERMS)
    assert when_of(after) == {"and": [LARGE, MOBILE, GERMAN]}
    assert after.focus == "c.1"


def test_effects_are_edited_as_rows_or_json() -> None:
    form = form_of(True, [{"exclude": ["klarna"]}, {"boost": {"factor": 2, "candidates": ["card"]}}, {"odd": 1}])
    assert effects_of(sent(form)) == effects_of(form)
    changed = sent(form, e__0__candidates=["", "klarna", "paypal"])
    assert effects_of(changed)[0] == {"exclude": ["klarna", "paypal"]}  # type: ignore[index]
    assert effects_of(changed)[1:] == effects_of(form)[1:]  # type: ignore[index]
    assert effects_of(sent(form, e__1__factor="1,5"))[1] == {"boost": {"candidates": ["card"], "factor": 1.5}}  # type: ignore[index]
    assert effects_of(sent(form, e__0__kind="pin"))[0] == {"pin": {"candidate": "klarna", "slot": 1}}  # type: ignore[index]
    assert effects_of(apply_action(form, "effect_add:set", TERMS))[-1] == {"set": {"name": "", "value": True}}  # type: ignore[index]
    assert effects_of(apply_action(form, "effect_remove:e.0", TERMS)) == effects_of(form)[1:]  # type: ignore[index]
    assert form.rows[2].kind == ""  # type: ignore[index]


@pytest.mark.parametrize("kind", ["hide", "", "Exclude", "exclude.0"])
def test_an_effect_of_an_unknown_kind_is_not_added(kind: str) -> None:
    form = form_of(True)
    assert effects_of(apply_action(form, f"effect_add:{kind}", TERMS)) == HIDE


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_effect_can_be_added(kind: str) -> None:
    added = effects_of(apply_action(form_of(True), f"effect_add:{kind}", TERMS))
    assert [list(effect) for effect in added] == [["exclude"], [kind]]  # type: ignore[attr-defined]


def test_a_value_in_the_answer_changes_its_type() -> None:
    form = form_of(True, [{"set": {"name": "show_cvv", "value": True}}])
    assert effects_of(sent(form, e__0__value="no")) == [{"set": {"name": "show_cvv", "value": False}}]
    number = sent(form, e__0__value__type="number")
    assert effects_of(sent(number, e__0__value="2.5")) == [{"set": {"name": "show_cvv", "value": 2.5}}]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("money", 4999, "49.99"),
        ("number", 2.5, "2.5"),
        ("integer", 3, "3"),
        ("country", "DE", "Germany"),
        ("currency", "EUR", "EUR · Euro"),
        ("date", "2026-11-27", "2026-11-27"),
        ("datetime", "2026-11-27T22:30:00+01:00", "2026-11-27T22:30"),
        ("candidates", "klarna", "klarna"),
    ],
)
def test_typed_values_are_parsed(kind: str, value: object, text: str) -> None:
    assert to_text(kind, value, TERMS) == text
    read = from_text(kind, text, TERMS)
    assert read == (value if kind != "datetime" else "2026-11-27T22:30:00+01:00")


def test_a_moment_gets_the_offset_that_the_merchant_has_on_that_day() -> None:
    assert from_text("datetime", "2026-07-01T12:00", TERMS) == "2026-07-01T12:00:00+02:00"
    assert to_text("datetime", "2026-11-27T22:30:00Z", TERMS) == "2026-11-27T23:30"


def test_country_is_recognised_by_code_and_name() -> None:
    for code in COUNTRIES:
        assert from_text("country", code.lower(), TERMS) == code
        assert from_text("country", NAMES["country"][code], TERMS) == code


def test_undo_and_redo_treat_typing_in_an_input_as_one_step() -> None:
    history = History().after({"name": "a"}, "")
    for name in ("ab", "abc", "abcd"):
        history = history.after({"name": name}, "name")
    history = history.after({"name": "abcd", "when": "true"}, "c.0")
    assert history.undone().present == {"name": "abcd"}
    assert history.undone().undone().present == {"name": "a"}
    assert history.undone().undone().undone().present == {"name": "a"}
    assert history.undone().undone().redone().redone() == history.undone().redone()
    assert history.undone().after({"name": "new"}, "").future == ()


def test_history_is_bounded_and_invalid_history_is_empty() -> None:
    history = History()
    for number in range(200):
        history = history.after({"when": json.dumps({"and": [LARGE] * (number % 50)})}, "")
    assert len(history.past) == MOST_STEPS
    assert len(packed(history)) <= MOST_PACKED
    assert unpacked(packed(history)) == history
    assert unpacked("bm90IGEgaGlzdG9yeQ==") == unpacked("?") == unpacked("") == History()


def test_moving_the_only_row_changes_nothing() -> None:
    tree = tree_of(LARGE)
    for act in (edits.up, edits.down):
        assert to_logic(act(tree, (0,))[0]) == LARGE
