"""What the customer center shows, in the customer's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.customers.center import OwnData
from engine.customers.consents import StoredConsent
from engine.model.documents.consent import ConsentNotice, ConsentPolicy
from web.center.languages import LANGUAGES, Language
from web.center.preference_form import PreferenceValues
from web.format import Show

MOST_CHANGES = 20
NOTICE_VERSION = "customer center"


@dataclass(frozen=True)
class CenterFrame:
    """The language and look of a page, and where forms lead; `languages` are those to choose from."""

    language: Language
    path: str
    languages: Sequence[Language] = ()
    theme: str = "system"


@dataclass(frozen=True)
class PurposeChoice:
    """A purpose with its switch; `is_own`: the customer chose it."""

    id: str
    name: str
    about: str
    details: str
    is_allowed: bool
    is_own: bool


@dataclass(frozen=True)
class MethodPreference:
    """A payment method, and what the customer wants of it: `none`, `favorite` or `excluded`."""

    id: str
    label: str
    choice: str


@dataclass(frozen=True)
class PastChange:
    """A change of the past: when (epoch ms), what in one or two lines, and by whom."""

    changed_at: int
    lines: Sequence[str]
    by: str


@dataclass(frozen=True)
class CenterPage:
    """The page. `done` and `problem` are keys of texts about the last act."""

    shop: str
    is_personalized: bool
    purposes: Sequence[PurposeChoice]
    default_method: str
    methods: Sequence[MethodPreference]
    own_language: str
    own_languages: Sequence[tuple[str, str]]
    parts: Sequence[tuple[str, int]]
    conclusions: Sequence[tuple[str, int]]
    changes: Sequence[PastChange]
    retention_days: int
    done: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ErasedPage:
    """The receipt of an erasure."""

    request_id: int
    erased_at: int
    decisions: int


@dataclass(frozen=True)
class MessagePage:
    """A page with a title and a text, by their keys; `opens`: it follows the link in its address first."""

    title: str
    text: str
    opens: bool = field(default=False)


@dataclass(frozen=True)
class CenterWords:
    """Turns what is stored into words of a language."""

    language: Language
    policy: ConsentPolicy
    methods: Mapping[str, str]

    def purpose(self, name: str) -> str:
        """Return the name of a purpose; the shop's own are written as the shop wrote them."""
        return self.language.texts.get(f"purpose_{name}") or name.replace("_", " ").capitalize()

    def about(self, name: str) -> str:
        """Return what a purpose does: in the shop's words if it has some in this language."""
        assumed = self.policy.purposes.get(name)
        by_language = {tag.partition("-")[0]: text for tag, text in assumed.texts.items()} if assumed else {}
        own = by_language.get(self.language.code)
        return own or self.language.texts.get(f"about_{name}") or self.language.text("about_other")

    def several(self, names: Sequence[str]) -> str:
        """Join names as the language does."""
        return ("، " if self.language.code == "ar" else ", ").join(names)


def purposes_of(data: OwnData, words: CenterWords) -> list[PurposeChoice]:
    """Return the purposes that the customer can allow."""
    return [
        PurposeChoice(
            state.purpose,
            words.purpose(state.purpose),
            words.about(state.purpose),
            words.several(data.details.get(state.purpose, ())),
            is_allowed=state.allowed,
            is_own=state.state != "unknown",
        )
        for state in data.consent.purposes
    ]


def notice_of(choices: Sequence[PurposeChoice]) -> ConsentNotice:
    """Return what the customer read, for the history."""
    text = "\n".join(f"{choice.name}: {choice.about}" for choice in choices)
    return ConsentNotice(version=NOTICE_VERSION, text=text[:10_000])


def page_of(
    data: OwnData, words: CenterWords, values: PreferenceValues, *, shop: str, retention_days: int, **more: str
) -> CenterPage:
    """Return the page with everything that is known; `values` stand in the form."""
    return CenterPage(
        shop,
        data.consent.personalized,
        purposes_of(data, words),
        values.default_method,
        [MethodPreference(id, label, values.by_method[id]) for id, label in words.methods.items()],
        values.language,
        list(_languages(data.preferences.preferences.language)),
        [(section.name, len(section.rows)) for section in data.sections if _has_content(section.rows)],
        [
            (words.methods.get(row["candidate"], row["candidate"]), row["purchases"])
            for section in data.sections
            if section.name == "affinities"
            for row in section.rows
        ],
        changes_of(data, words),
        retention_days,
        **more,
    )


def changes_of(data: OwnData, words: CenterWords) -> list[PastChange]:
    """Return the latest changes, the newest first."""
    text = words.language.text
    consents = [
        PastChange(each.recorded_at, _lines(each, words), text(f"by_{each.changer.source}")) for each in data.consents
    ]
    preferences = [
        PastChange(each.changed_at, [text("preferences_changed")], text(f"by_{each.changer.source}"))
        for each in data.versions
    ]
    return sorted((*consents, *preferences), key=lambda change: -change.changed_at)[:MOST_CHANGES]


def show_for(language: Language, timezone: str, now: int) -> Show:
    """Return the formats of figures and times."""
    return Show(locale=language.locale, timezone=timezone, now=now)


def _lines(consent: StoredConsent, words: CenterWords) -> list[str]:
    groups = (("allowed", True), ("refused", False))
    lines = [
        words.language.text(key, purposes=words.several([words.purpose(name) for name in names]))
        for key, accepts in groups
        if (names := [name for name, accepted in consent.record.purposes.items() if accepted is accepts])
    ]
    return lines or [words.language.text("dismissed")]


def _languages(own: str | None) -> Iterator[tuple[str, str]]:
    """Yield the languages to choose from; one that the center does not speak stays as it is."""
    yield from ((language.code, language.name) for language in LANGUAGES.values())
    if own and own not in LANGUAGES:
        yield own, own


def _has_content(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a section says anything: preferences are always one row, of which all may be empty."""
    return any(value not in (None, "", "{}", "[]") for row in rows for value in row.values())
