"""One request about one rule: its form, the page around it, and the templates that fit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from engine.configuration.draft_overlay import DraftItem
from engine.model.errors import Invalid
from engine.model.placement import RuleDocument
from rules import timezones
from web.admin.candidates.candidate_list import in_order
from web.admin.rules.builder.effects import KINDS
from web.admin.rules.builder.history import History, packed
from web.admin.rules.builder.overlay import FormFields
from web.admin.rules.builder.rule_form import RuleForm, read_rule_form, rule_form
from web.admin.rules.builder.rule_view import RuleContext, RuleView
from web.admin.rules.builder.view import Option, field_groups, offers
from web.admin.rules.draft_rules import DraftRules
from web.admin.rules.rule_templates import Shop, templates_for
from web.admin.rules.rule_texts import NAMES, document_of, example_texts, own_texts, texts_of
from web.admin.rules.trial.panel import Panel
from web.admin.shell.editing import Difference
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame
from web.admin.shell.render import SWAPPED

NEW = "~new"
"""Stands in addresses for a rule that is not saved yet; no rule can have this id."""

EVERY_PART = frozenset({"basics", "builder", "json"})


@dataclass(frozen=True)
class RulePage:
    """The form of one rule.

    `replaced` names the parts of the page that an answer to htmx replaces besides those that it always does: `basics`,
    `builder`, `json`. `shown` is the fingerprint of the JSON that the rows were made of. `conflicts` lists what others
    saved meanwhile, `starts` the templates (id, name, what for), `before` is the rule before a save, for its undo.
    `tried` is the panel with a trial, for browsers without scripts; others load it after the page.
    """

    title: str
    action: str
    base: str
    changes: str
    mark: str
    placement: str
    form: Form
    rule_view: RuleView
    shown: str
    history: str
    can_undo: bool
    can_redo: bool
    focus: str
    field_groups: Sequence[tuple[str, Sequence[Option]]]
    known_fields: frozenset[str]
    effect_kinds: Sequence[Option]
    offers: Mapping[str, Sequence[str]]
    oob: Markup
    try_action: str
    saved: bool = False
    conflicts: Sequence[Difference] = ()
    starts: Sequence[tuple[str, str, str]] = ()
    before: str = ""
    replaced: frozenset[str] = frozenset()
    tried: Panel | None = None


@dataclass
class RuleEdit:
    """A request about a rule: what was sent, the stored rule (None for a new one) and what to check it against.

    With 1,000 rules, making one takes up to 130 ms: make it, and its page, in a thread.
    """

    frame: Frame
    rules: DraftRules
    stored: DraftItem | None
    form_fields: FormFields = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.rules.key
        self.id = self.stored.id if self.stored else self.rules.free_id("new rule")
        self.context = RuleContext(self.rules, self.frame.merchant, self.frame.show, id=self.id)
        self.sent = {name: values[-1] for name, values in self.form_fields.items() if values}

    @property
    def texts(self) -> dict[str, str]:
        """Return the stored rule, or the example to start from, as a form shows it."""
        if self.stored is None:
            return example_texts(list(self.context.labels))
        return texts_of(self.stored.shown, self.context.terms) | {"version": str(self.stored.revision)}

    @property
    def address(self) -> str:
        """Return the address of the rule; what is done to it stands below."""
        return f"{self.frame.base}/rules/{self.key}/{self.stored.id if self.stored else NEW}"

    def read(self) -> RuleForm:
        """Read the form that was sent."""
        return read_rule_form(self.form_fields, tuple(NAMES), self.context.terms)

    def form_of(self, texts: Mapping[str, str]) -> RuleForm:
        """Make a form of texts that nobody has edited yet."""
        return rule_form(own_texts(texts), self.context.terms)

    def document(self, form: RuleForm) -> RuleDocument:
        """Make the rule that a form describes; raises `Invalid`."""
        return document_of(form, self.context.terms, id=self.id, old=self.stored.shown if self.stored else None)

    def document_or_none(self, form: RuleForm) -> RuleDocument | None:
        """Make the rule that a form describes; None where something is wrong with it."""
        try:
            return self.document(form)
        except Invalid:
            return None

    def templates(self) -> list[RuleDocument]:
        """Return the rules for common needs that fit the placement."""
        configuration, merchant = self.rules.configuration, self.frame.merchant
        shop = Shop(
            candidates=in_order(configuration.documents("candidate", self.key)),
            vocabulary=self.context.vocabulary,
            lists=self.context.lists,
            country=merchant.country,
            currency=merchant.currency,
            timezone=merchant.timezone,
        )
        return templates_for(shop, taken=[rule.id for rule in self.rules.draft.rules])

    async def shown(self, form: RuleForm, history: History, **more: Any) -> RulePage:
        """Make the page in a thread, so that decisions need not wait for it."""
        return await asyncio.to_thread(self.page, form, history, **more)

    def page(self, form: RuleForm, history: History, *, texts: Form | None = None, **more: Any) -> RulePage:
        """Make the page of a form. `texts` are its texts with their problems, where there are any."""
        return RulePage(
            title=self.stored.shown.name if self.stored else "New rule",
            action=self.address if self.stored else f"{self.frame.base}/rules/new",
            base=f"{self.frame.base}/rules?placement={self.key}",
            changes=f"{self.frame.base}/placements/{self.key}/changes",
            mark=self.stored.mark if self.stored else "",
            placement=self.key,
            form=texts or Form({**self.sent, **form.texts, "version": self._version()}),
            rule_view=self.context.rule_view(form),
            shown=form.fingerprint,
            history=packed(history),
            can_undo=bool(history.past),
            can_redo=bool(history.future),
            focus=form.focus,
            field_groups=field_groups(self.context.terms),
            known_fields=frozenset(self.context.terms.fields),
            effect_kinds=list(KINDS.items()),
            offers=offers(self.context.terms, timezones()),
            oob=SWAPPED if self.frame.is_htmx else Markup(),
            try_action=f"{self.address}/try",
            **more,
        )

    def _version(self) -> str:
        return self.sent.get("version") or (str(self.stored.revision) if self.stored else "")
