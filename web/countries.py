"""Find countries by the names that people type, in the viewer's language and the common ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache

from babel import Locale

from rules.language.codes import COUNTRIES, OFTEN_MISTAKEN

LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
_ALSO = {
    "holland": "NL", "england": "GB", "great britain": "GB", "britain": "GB", "usa": "US", "america": "US",
    "czech republic": "CZ", "turkey": "TR",
}  # fmt: skip
_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
_GROUPS = {name: tuple(_EU) for name in ("eu", "european union", "europäische union", "union européenne")}
_ENGLISH = Locale("en")


def read_countries(text: str, locale: Locale) -> list[str]:
    """Return the codes of the countries in a text such as “Holland, Deutschland” or “EU”; an unknown name stays."""
    complete = _codes(text, locale)
    if complete:
        return list(complete)
    parts = [part.strip() for part in re.split(r"[,;\n]", text) if part.strip()]
    words = text.split()
    if len(parts) == 1 and len(words) > 1 and all(_codes(word, locale) for word in words):
        parts = words
    codes = [code for part in parts for code in _codes(part, locale) or (part,)]
    return list(dict.fromkeys(codes))


def problem_of_countries(codes: Sequence[str], locale: Locale) -> str:
    """Return what is wrong with what `read_countries` left, with the likeliest name; empty if all are countries."""
    unknown = next((code for code in codes if code not in COUNTRIES), None)
    if unknown is None:
        return ""
    names = _names(str(locale))
    close = get_close_matches(_key(unknown), names, n=1, cutoff=0.7)
    hint = f" Did you mean {_ENGLISH.territories[names[close[0]]]}?" if close else ""
    return f"“{unknown}” is not a country that we know.{hint}"


def _codes(text: str, locale: Locale) -> Sequence[str]:
    code = text.strip().upper()
    code = OFTEN_MISTAKEN.get(code, code) if code == "UK" else code
    if code in COUNTRIES:
        return (code,)
    key = _key(text)
    named = _names(str(locale)).get(key)
    return (named,) if named else _GROUPS.get(key, ())


@cache
def _names(locale: str) -> Mapping[str, str]:
    """Return codes by name; earlier languages win where two countries share a name."""
    names = dict(_ALSO)
    for language in (locale, *LANGUAGES):
        territories = Locale.parse(language).territories
        for code in COUNTRIES:
            names.setdefault(_key(territories.get(code, code)), code)
    return names


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
