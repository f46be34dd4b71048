"""The facts that every merchant starts with; the engine fills in `time.*` and `history.*`."""

from __future__ import annotations

from collections.abc import Iterable

from engine.model.placement import FieldDocument

CUSTOMER_ID = "customer.id"
"""Holds the customer's keyed hash, never the id that the checkout sends."""

DEVICES = ("desktop", "mobile", "tablet")

STANDARD = (
    FieldDocument(name="cart.total", type="money", label="Cart total", examples=(12900,)),
    FieldDocument(name="cart.currency", type="currency", label="Cart currency", examples=("EUR",)),
    FieldDocument(name="cart.items", type="integer", label="Number of items", examples=(3,)),
    FieldDocument(name="cart.categories", type="list", label="Categories in the cart", examples=(["shoes"],)),
    FieldDocument(name="geo.country", type="country", label="Country", examples=("DE",)),
    FieldDocument(name="geo.region", type="string", label="Region", examples=("BY",)),
    FieldDocument(name="geo.position", type="location", label="Position", examples=([52.5, 13.4],)),
    FieldDocument(name="device.type", type="string", label="Device", allowed=DEVICES, examples=("mobile",)),
    FieldDocument(
        name="device.os",
        type="string",
        label="Operating system",
        allowed=("android", "ios", "linux", "macos", "windows"),
        examples=("ios",),
    ),
    FieldDocument(name="device.app_version", type="version", label="App version", examples=("2.4.0",)),
    FieldDocument(name="customer.returning", type="boolean", label="Returning customer", examples=(True,)),
    FieldDocument(name="customer.segment", type="string", label="Segment", examples=("loyal",)),
    FieldDocument(name="customer.since", type="date", label="Customer since", examples=("2024-05-01",)),
    FieldDocument(name="customer.business", type="boolean", label="Business customer", examples=(False,)),
    FieldDocument(name="customer.locale", type="string", label="Language", examples=("de-DE",)),
    FieldDocument(name="risk.score", type="number", label="Risk score", unit="0 to 100", examples=(12.5,)),
    FieldDocument(name="time.now", type="datetime", label="Time of the decision", purpose="engine"),
    FieldDocument(name=CUSTOMER_ID, type="string", label="Customer, as a keyed hash", purpose="engine"),
    FieldDocument(name="history.purchases", type="integer", label="Purchases so far", purpose="engine"),
    FieldDocument(name="history.favourite", type="string", label="Most used candidate", purpose="engine"),
)

ENGINE_FIELDS = tuple(field for field in STANDARD if field.purpose == "engine")
MERCHANT_FIELDS = tuple(field for field in STANDARD if field.purpose != "engine")
ENGINE_FIELD_NAMES = frozenset(field.name for field in ENGINE_FIELDS)


def merchant_fields(fields: Iterable[FieldDocument]) -> tuple[FieldDocument, ...]:
    """Return the fields without those that the engine fills, which may differ between releases."""
    return tuple(field for field in fields if field.name not in ENGINE_FIELD_NAMES)
