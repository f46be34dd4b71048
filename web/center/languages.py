"""The languages of the customer center."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from babel import Locale

from engine.customers.center_links import CenterLanguage
from rules.sent.language_tags import language_tag

FOLDER = Path(__file__).parent / "texts"
"""Has one table of texts a language, as JSON."""


@dataclass(frozen=True)
class Language:
    """A language: its own name, where lines begin, and its texts by key."""

    code: CenterLanguage
    name: str
    direction: Literal["ltr", "rtl"]
    texts: Mapping[str, str]

    @property
    def locale(self) -> Locale:
        """Return how the language writes figures and dates."""
        return Locale(self.code)

    def text(self, key: str, **names: object) -> str:
        """Return a text with its names filled in; raise `KeyError` for an unknown key."""
        return self.texts[key].format(**names)


def _language(code: CenterLanguage, name: str, direction: Literal["ltr", "rtl"] = "ltr") -> Language:
    return Language(code, name, direction, msgspec.json.decode((FOLDER / f"{code}.json").read_bytes()))


ENGLISH = _language("en", "English")
GERMAN = _language("de", "Deutsch")
ARABIC = _language("ar", "العربية", "rtl")
LANGUAGES: dict[str, Language] = {language.code: language for language in (ENGLISH, GERMAN, ARABIC)}


def preferred(tags: Iterable[str | None]) -> Language:
    """Return the first language that the center speaks, of tags such as `de-AT`; else English."""
    codes = (language_tag(tag).partition("-")[0] for tag in tags if tag)
    return next((LANGUAGES[code] for code in codes if code in LANGUAGES), ENGLISH)
