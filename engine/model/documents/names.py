"""Check names that people read in lists, sentences and mails: one visible line. Pure."""

from __future__ import annotations

import unicodedata

UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")
"""Unicode categories of characters that show nothing by themselves."""
FILLERS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing either."""
BREAKS = ("Cc", "Cs", "Zl", "Zp")
ONE_LINE = "must be one line, without control characters"


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
        return ONE_LINE
    return None
