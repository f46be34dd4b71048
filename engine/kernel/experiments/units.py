"""Name the unit of an experiment that a request belongs to. Pure."""

from __future__ import annotations

from hashlib import blake2b

from engine.model.experiment import Unit
from engine.model.facts import Facts

DEVICE_ID = "device.id"


def unit_of(unit: Unit, facts: Facts, key: str) -> str | None:
    """Return the name of the unit that a request belongs to; None where the request does not say it."""
    match unit:
        case "customer":
            return facts.customer
        case "decision":
            return key
        case "device":
            device = facts.values.get(DEVICE_ID)
            return device_unit(device) if isinstance(device, str) else None


def device_unit(device: str) -> str:
    """Return the unit of a device: what a checkout calls it may identify a person, and units are kept for long."""
    return blake2b(device.encode(), digest_size=16).hexdigest()
