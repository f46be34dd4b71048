"""Who may read and change what a customer said: servers, and the browser of this customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.customers.changes import Changer
from engine.model.errors import Forbidden
from web.api.browsers import CustomerToken, customer_of
from web.api.common_types import CustomerId, Limit, Slug
from web.http.access import check_merchant, engine_of
from web.http.dependencies import provide_actor
from web.http.request_reading import AnyRequest

Row = TypeVar("Row", bound="HasVersion")
BROWSER = Changer("customer", "the customer's browser")
BY_BROWSERS = "With a publishable key, `customer_token` proves the customer."


class CustomerQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer_id: CustomerId
    customer_token: CustomerToken | None = None
    merchant_id: Slug | None = None


class CustomerRequest(CustomerQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer that is asked about."""


class VersionsRequest(CustomerQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer, and the page of what they said, version by version."""

    limit: Limit = 50
    before: Annotated[int, Meta(ge=1, le=2**31 - 1, description="`next` of the page before.")] | None = None


class NamesCustomer(Protocol):
    """The fields of a request that name a customer."""

    @property
    def customer_id(self) -> str: ...
    @property
    def customer_token(self) -> str | None: ...
    @property
    def merchant_id(self) -> str | None: ...


class HasVersion(Protocol):
    """A version of what a customer said."""

    @property
    def version(self) -> int: ...


def page_of(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], int | None]:
    """Return the rows of a page and its `next`; `rows` has one row more than the page if there is another page."""
    page = rows[:limit]
    return page, page[-1].version if len(rows) > limit else None


def name_of_changer(access: Access, changer: Changer) -> str:
    """Return who changed something: a customer need not know which key or person of the merchant it was."""
    return changer.name if access.key.kind == "secret" else changer.source


def check_customer(request: AnyRequest, access: Access, data: NamesCustomer) -> None:
    """Raise `Forbidden` for another merchant, and for a browser that does not prove its customer."""
    check_merchant(access, data.merchant_id)
    if customer_of(engine_of(request), access, data.customer_id, data.customer_token) is None:
        raise Forbidden("a publishable key needs a token that proves this customer", field="customer_token")


def changer_of(access: Access) -> Changer:
    """Return who changes what a customer said."""
    return BROWSER if access.key.kind == "publishable" else Changer("server", provide_actor(access).name)
