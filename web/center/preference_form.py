"""The preferences of a customer as the form of the customer center has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.model.documents.preferences import PreferenceChange, Preferences

FAVORITE, EXCLUDED, NONE = "favorite", "excluded", "none"


@dataclass(frozen=True)
class PreferenceValues:
    """The method that comes first, the choice for each method, and the language; empty without a preference."""

    default_method: str
    by_method: Mapping[str, str]
    language: str

    @property
    def contradict(self) -> bool:
        """Return whether a method comes first and is hidden."""
        return self.by_method.get(self.default_method) == EXCLUDED


def stored_values(preferences: Preferences, methods: Collection[str]) -> PreferenceValues:
    """Return the stored preferences, with a choice for each method that the shop has."""
    by_method = {
        method: EXCLUDED if method in preferences.excluded else FAVORITE if method in preferences.favorites else NONE
        for method in methods
    }
    return PreferenceValues(preferences.default_method or "", by_method, preferences.language or "")


def typed_values(values: Mapping[str, str], stored: PreferenceValues) -> PreferenceValues:
    """Return the values of a form; a method that it does not name stays as it is stored."""
    by_method = {method: values.get(f"choice-{method}", choice) for method, choice in stored.by_method.items()}
    return PreferenceValues(values.get("default_method", ""), by_method, values.get("language", ""))


def change_of(typed: PreferenceValues, stored: PreferenceValues, preferences: Preferences) -> PreferenceChange:
    """Return the fields that a form changes.

    Only these are sent on: a field that nobody touched may name a method that the shop does not have any more.
    """
    fields: dict[str, Any] = {}
    if typed.default_method != stored.default_method:
        fields["default_method"] = typed.default_method or None
    for name, choice in (("favorites", FAVORITE), ("excluded", EXCLUDED)):
        chosen = [method for method, each in typed.by_method.items() if each == choice]
        if chosen != [method for method, each in stored.by_method.items() if each == choice]:
            fields[name] = _ordered(getattr(preferences, name), chosen)
    if typed.language != stored.language:
        fields["language"] = typed.language or None
    return PreferenceChange(**fields)


def _ordered(before: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen methods, those that were chosen before in their order first."""
    remaining = [method for method in before if method in chosen]
    return (*remaining, *(method for method in chosen if method not in remaining))
