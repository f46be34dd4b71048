"""Check names that people read in lists, sentences and mails: one visible line that moves no text around it. Pure."""

from __future__ import annotations

import unicodedata

UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")
"""Unicode categories of characters that show nothing by themselves."""
FILLERS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing either."""
BREAKS = ("Cc", "Zl", "Zp")
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text behind them, also outside of the name."""
TURNS_DIRECTION = "must not have characters that turn the direction of text"


def is_blank(text: str) -> bool:
    """Return whether people see nothing of a text, such as one of zero-width characters."""
    return all(each in FILLERS or unicodedata.category(each) in UNSEEN for each in text)


def problem_with_name(text: str) -> str | None:
    """Return what is wrong with a name, None where nothing is."""
    if text.isascii() and text.isprintable():
        return None if text.strip() else "must not be blank"
    if is_blank(text):
        return "must not be blank"
    if any(unicodedata.category(each) in BREAKS for each in text):
        return "must be one line, without control characters"
    return TURNS_DIRECTION if turns_direction(text) else None


def turns_direction(text: str) -> bool:
    """Return whether a text would turn the direction of the text behind it."""
    return not TURNS.isdisjoint(text)
