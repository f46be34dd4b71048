"""Read documents of programs in the notations in which programs write them.

JSON knows one kind of number, so 5000.0 is the whole number 5000. Currencies in small letters, whole numbers as ids
and `de_DE` as a language have one meaning only. Texts as numbers have several, and stay what they are.
"""

from __future__ import annotations

from typing import Any

from rules.json_logic.javascript import LARGEST_SAFE
from rules.sent.language_tags import LONGEST_TAG, language_tag

IDS = frozenset({"customer_id", "anonymous_id", "unit", "event_id", "purchase_event_id", "order_id"})
MOST_LEVELS = 12
"""Deeper values stay as they are: no document of ours is that deep, except for conditions."""


def in_common_notation(value: Any, name: str = "", *, levels: int = MOST_LEVELS) -> Any:
    """Return the value that stands under `name` with everything in it in our notation."""
    if isinstance(value, dict) and levels:
        return {key: in_common_notation(item, key, levels=levels - 1) for key, item in value.items()}
    if isinstance(value, list) and levels:
        return [in_common_notation(item, levels=levels - 1) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_SAFE:
        return int(value)
    if type(value) is int and name in IDS:
        return str(value)
    if isinstance(value, str) and name == "currency":
        return value.strip().upper()
    if isinstance(value, str) and name == "language" and len(value) <= LONGEST_TAG:
        return language_tag(value)
    return value
