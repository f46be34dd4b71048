"""Join what somebody said before they were known with what they said as a known customer. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.model.documents.preferences import CustomerSettings, Preferences


def joined(own: CustomerSettings, other: CustomerSettings) -> CustomerSettings:
    """Return the customer's own word where they gave it, else the other; a refusal on either side stays one."""
    return CustomerSettings(
        preferences=_joined_preferences(own.preferences, other.preferences),
        consents=_refusals_first(own.consents, other.consents),
        prompt_answered=own.prompt_answered or other.prompt_answered,
    )


def _joined_preferences(own: Preferences, other: Preferences) -> Preferences:
    """Return the preferences without contradictions: what the customer wants or hides beats what was said before."""
    preferred = {own.default_method, *own.favorites}
    excluded = own.excluded or tuple(method for method in other.excluded if method not in preferred)
    default = own.default_method or (None if other.default_method in excluded else other.default_method)
    switches = _refusals_first(_switches(own), _switches(other))
    return msgspec.structs.replace(
        own,
        default_method=default,
        favorites=own.favorites or tuple(method for method in other.favorites if method not in excluded),
        excluded=excluded,
        language=own.language or other.language,
        currency=own.currency or other.currency,
        theme=own.theme or other.theme,
        notifications={**other.notifications, **own.notifications},
        personalization_enabled=switches.get("personalization"),
        cross_merchant_consent=switches.get("cross_merchant"),
        categories={**other.categories, **own.categories},
    )


def _switches(preferences: Preferences) -> dict[str, bool]:
    pairs = (
        ("personalization", preferences.personalization_enabled),
        ("cross_merchant", preferences.cross_merchant_consent),
    )
    return {name: value for name, value in pairs if value is not None}


def _refusals_first(own: Mapping[str, bool], other: Mapping[str, bool]) -> dict[str, bool]:
    names = {**other, **own}
    return {name: own.get(name, True) and other.get(name, True) for name in names}
