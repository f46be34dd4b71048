"""Export, restrict and erase customers, each as an answered request in the register."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.customers.erasure import Eraser, ErasureReceipt
from engine.customers.export import CustomerExport, Section
from engine.customers.requests import PrivacyRequests
from engine.model.actor import Actor


class AnsweredErasure(NamedTuple):
    """The number of the request in the register, and the receipt."""

    request_id: int
    receipt: ErasureReceipt


class CustomerRights:
    """Answers requests of customers at once. `check` says how it is known who asks."""

    def __init__(self, requests: PrivacyRequests, export: CustomerExport, eraser: Eraser) -> None:
        self._requests = requests
        self._export = export
        self._eraser = eraser

    async def sections(self, merchant_id: int, customer_id: str) -> Sequence[Section]:
        """Return everything that is known of a customer, without a request."""
        return await self._export.sections(merchant_id, customer_id)

    async def export(self, actor: Actor, customer_id: str, *, check: str) -> Sequence[Section]:
        """Return everything that is known of a customer."""
        entry = await self._requests.take_in(actor, customer_id, "export", identity_check=check)
        sections = await self._export.sections(actor.merchant_id, customer_id)
        await self._requests.close(actor, entry.id, "done")
        return sections

    async def note_restriction(self, actor: Actor, customer_id: str, *, check: str) -> None:
        """Note that a customer refuses every purpose."""
        entry = await self._requests.take_in(actor, customer_id, "restrict", identity_check=check)
        await self._requests.close(actor, entry.id, "done")

    async def erase(self, actor: Actor, customer_id: str, *, check: str, suppress: bool = True) -> AnsweredErasure:
        """Erase a customer; with `suppress`, nothing about them is stored afterwards until they opt in."""
        entry = await self._requests.take_in(actor, customer_id, "erase", identity_check=check)
        receipt = await self._eraser.erase(actor.merchant_id, customer_id, suppress=suppress)
        await self._requests.close(actor, entry.id, "done")
        return AnsweredErasure(entry.id, receipt)
