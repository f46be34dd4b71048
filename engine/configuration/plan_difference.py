"""What differs between two plans, in words and as documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from engine.kernel.plan import PlanDocument
from engine.kernel.rule_sentences import SentenceTerms, sentence_of, terms_of
from engine.model.placement import RuleDocument
from engine.model.resource_kinds import id_of
from rules import Wording

PlanKind = Literal["placement", "candidate", "rule", "field", "list", "budget"]
Mark = Literal["changed", "new", "deleted"]
IN_THE_SENTENCE = {"when", "effects", "active_from", "active_to"}


class Detail(msgspec.Struct, frozen=True):
    """A part of a document that differs, as JSON values."""

    field: str
    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True):
    """One thing before and after, as documents; null where there is none. `was` and `now` say a rule in words."""

    kind: PlanKind
    id: str
    name: str
    mark: Mark
    before: Any
    after: Any
    was: str
    now: str
    details: list[Detail]


def differences(old: PlanDocument, new: PlanDocument, wording: Wording) -> list[Difference]:
    """Return what changed between two plans: rules first, by id."""
    words = terms_of(old, wording), terms_of(new, wording)
    return [
        *_of("rule", old.rules, new.rules, words),
        *_of("candidate", old.candidates, new.candidates, words),
        *_of("placement", [old.placement], [new.placement], words),
        *_of("field", old.fields, new.fields, words),
        *_of("list", old.lists, new.lists, words),
        *_of("budget", old.budgets, new.budgets, words),
    ]


def _of(
    kind: PlanKind, old: Iterable[Any], new: Iterable[Any], words: tuple[SentenceTerms, SentenceTerms]
) -> Iterable[Difference]:
    before, after = ({id_of(document): document for document in documents} for documents in (old, new))
    for id in sorted(before.keys() | after.keys()):
        if before.get(id) != after.get(id):
            yield difference(kind, id, before.get(id), after.get(id), *words)


def difference(kind: PlanKind, id: str, before: Any, after: Any, old: SentenceTerms, new: SentenceTerms) -> Difference:
    """Return what differs between two forms of one thing; at most one of them is None."""
    shown = after or before
    return Difference(
        kind=kind,
        id=id,
        name=getattr(shown, "label", "") or shown.name,
        mark="new" if before is None else "deleted" if after is None else "changed",
        before=before,
        after=after,
        was=_in_words(before, old),
        now=_in_words(after, new),
        details=_details(before, after) if before and after else [],
    )


def _in_words(part: Any, terms: SentenceTerms) -> str:
    return sentence_of(part, terms) if isinstance(part, RuleDocument) else ""


def _details(before: Any, after: Any) -> list[Detail]:
    """Return the differing fields, without those that a rule's sentence says already."""
    left_out = IN_THE_SENTENCE if isinstance(after, RuleDocument) else set()
    old, new = (
        {name: msgspec.to_builtins(part) for name, part in msgspec.structs.asdict(each).items()}
        for each in (before, after)
    )
    return [Detail(name, old[name], new[name]) for name in old if old[name] != new[name] and name not in left_out]
