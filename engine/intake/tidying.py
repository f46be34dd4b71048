"""Bring what people and programs write into one form before it is stored, so that equal texts are equal.

Only what is saved is changed. Stored documents stay as they are: old decisions were made by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from engine.model.placement import Candidate
from engine.model.resource_kinds import Document
from rules.sent.sent_values import composed

NAMES = ("name", "label")
D = TypeVar("D", bound=Document)


def tidied(document: D) -> D:
    """Return the document with its texts in Unicode's composed form (NFC), like facts, and its names trimmed."""
    changes: dict[str, Any] = {}
    for name in document.__struct_fields__:
        value = getattr(document, name)
        tidy = value.strip() if name in NAMES else value
        tidy = _composed(tidy)
        if tidy is not value:
            changes[name] = tidy
    return msgspec.structs.replace(document, **changes) if changes else document


def _composed(value: Any) -> Any:
    """Return the value with all texts composed; the same object where nothing changes."""
    if isinstance(value, str):
        return composed(value)
    if isinstance(value, dict):
        changed = {key: _composed(item) for key, item in value.items()}
        return changed if any(changed[key] is not item for key, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [_composed(item) for item in value]
        return type(value)(items) if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def in_list_order(documents: Sequence[Document], present: Sequence[Candidate]) -> Sequence[Document]:
    """Give candidates that are sent as a list without positions those of their order, after the ones that exist."""
    candidates = [document for document in documents if isinstance(document, Candidate)]
    if len(candidates) < 2 or any(candidate.position for candidate in candidates):
        return documents
    first = max(candidate.position for candidate in present) + 1 if present else 0
    return [msgspec.structs.replace(candidate, position=first + index) for index, candidate in enumerate(candidates)]
