"""What customers want, as they said it themselves, and how a change of it is merged. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.model.documents.field_types import Currency, Id
from engine.model.placement import AttributeName, Value
from rules.sent.language_tags import language_tag

MOST_FAVORITES = 20
MOST_EXCLUDED = 50
MOST_CATEGORIES = 50

Language = Annotated[
    str, Meta(pattern=r"\A[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z", description="BCP 47, such as `de-AT`.")
]
Theme = Literal["light", "dark", "system"]
Channel = Literal["email", "sms", "push", "in_app"]
CategoryValue = bool | int | float | Value
Favorites = Annotated[tuple[Id, ...], Meta(max_length=MOST_FAVORITES)]
Unwanted = Annotated[tuple[Id, ...], Meta(max_length=MOST_EXCLUDED)]
Categories = Annotated[dict[AttributeName, CategoryValue], Meta(max_length=MOST_CATEGORIES)]


class Preferences(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The wishes of a customer. Null and empty values mean that they said nothing.

    Methods are candidates of `payment_methods`: `default_method` comes first, then `favorites` in their order, and
    those in `excluded` are never shown. `categories` are the merchant's own.
    """

    default_method: Id | None = None
    favorites: Favorites = ()
    excluded: Unwanted = ()
    language: Language | None = None
    currency: Currency | None = None
    theme: Theme | None = None
    notifications: dict[Channel, bool] = {}
    personalization_enabled: bool | None = None
    cross_merchant_consent: bool | None = None
    categories: Categories = {}


class PreferenceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change: fields that are not sent stay, and null takes back what was said. So do entries of objects."""

    default_method: Id | UnsetType | None = UNSET
    favorites: Favorites | UnsetType | None = UNSET
    excluded: Unwanted | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET
    theme: Theme | UnsetType | None = UNSET
    notifications: dict[Channel, bool | None] | UnsetType | None = UNSET
    personalization_enabled: bool | UnsetType | None = UNSET
    cross_merchant_consent: bool | UnsetType | None = UNSET
    categories: (
        Annotated[dict[AttributeName, CategoryValue | None], Meta(max_length=MOST_CATEGORIES)] | UnsetType | None
    ) = UNSET


class PreferenceDefaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The preferences of customers of a merchant who said nothing else, field by field.

    Methods are not among them: a rule that pins one is previewed and reviewed. Neither is a consent.
    """

    language: Language | None = None
    currency: Currency | None = None
    theme: Theme | None = None
    notifications: dict[Channel, bool] = {}
    personalization_enabled: bool | None = None
    categories: Categories = {}


NO_PREFERENCES = Preferences()
NO_DEFAULTS = PreferenceDefaults()
BY_ENTRY = ("notifications", "categories")


def given_fields(change: PreferenceChange) -> dict[str, Any]:
    """Return the fields that a change sends, by name."""
    pairs = ((name, getattr(change, name)) for name in PreferenceChange.__struct_fields__)
    return {name: value for name, value in pairs if value is not UNSET}


def merged(preferences: Preferences, change: PreferenceChange) -> Preferences:
    """Return the preferences after a change."""
    fields = given_fields(change)
    for name, value in fields.items():
        if value is None:
            fields[name] = getattr(NO_PREFERENCES, name)
        elif name in BY_ENTRY:
            fields[name] = _merged_entries(getattr(preferences, name), value)
        elif name == "language":
            fields[name] = language_tag(value)
    return msgspec.structs.replace(preferences, **fields)


def _merged_entries(entries: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries after a change; those that it sets to null are gone."""
    return {name: value for name, value in {**entries, **change}.items() if value is not None}


def inherited(preferences: Preferences, defaults: PreferenceDefaults) -> tuple[Preferences, list[str]]:
    """Return the preferences in force and the names of what comes from the defaults, such as `categories.size`."""
    fields, names = {}, []
    for name in PreferenceDefaults.__struct_fields__:
        own, default = getattr(preferences, name), getattr(defaults, name)
        if name in BY_ENTRY:
            names += [f"{name}.{entry}" for entry in default if entry not in own]
            fields[name] = {**default, **own}
        elif own is None and default is not None:
            names.append(name)
            fields[name] = default
    return msgspec.structs.replace(preferences, **fields), names


def preferred_methods(preferences: Preferences) -> dict[str, str]:
    """Return the methods that come first, in their order, with the reason that the customer reads."""
    reasons = {} if preferences.default_method is None else {str(preferences.default_method): "your default method"}
    for method in preferences.favorites:
        reasons.setdefault(method, "one of your favorites")
    return reasons


def refused_methods(preferences: Preferences) -> dict[str, str]:
    """Return the methods that are not shown, with the reason."""
    return dict.fromkeys(preferences.excluded, "excluded by the customer's preferences")


class CustomerSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that a customer said, as it is stored: consents by purpose, and whether the prompt was answered."""

    preferences: Preferences = NO_PREFERENCES
    consents: dict[str, bool] = {}
    prompt_answered: bool = msgspec.field(name="asked", default=False)


NO_SETTINGS = CustomerSettings()
