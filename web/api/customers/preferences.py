"""Preferences of customers. A customer's id stands in bodies; GET and DELETE with parameters exist beside them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency

from engine.accounts.accounts import Access
from engine.customers.preferences import CustomerPreferences, PreferencesInForce, PreferenceVersion
from engine.model.actor import Actor
from engine.model.documents.preferences import (
    Categories,
    Channel,
    Favorites,
    Language,
    PreferenceChange,
    PreferenceDefaults,
    Preferences,
    Theme,
    Unwanted,
)
from engine.model.placement import Currency, Id
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.browsers import CustomerToken
from web.api.common_types import CustomerId, Moment, Slug
from web.api.customers.customer_access import (
    BY_BROWSERS,
    CustomerQuery,
    CustomerRequest,
    VersionsRequest,
    changer_of,
    check_customer,
    name_of_changer,
    page_of,
)
from web.http.access import engine_of
from web.http.rate_limits import admitted
from web.http.request_reading import AnyRequest, document_of, query_of
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Customers"
PATH = "/v1/personalize/preferences"


class PreferencesUpdate(PreferenceChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer, and what to change: fields that are not sent stay, null takes back what was said."""

    customer_id: CustomerId
    customer_token: CustomerToken | None = None
    merchant_id: Slug | None = None


class StoredPreferences(msgspec.Struct, frozen=True, kw_only=True):
    """All fields; null, or empty, where nothing was said."""

    default_method: Id | None
    favorites: Favorites
    excluded: Unwanted
    language: Language | None
    currency: Currency | None
    theme: Theme | None
    notifications: dict[Channel, bool]
    personalization_enabled: bool | None
    cross_merchant_consent: bool | None
    categories: Categories


class PreferencesAnswer(msgspec.Struct, frozen=True):
    """The preferences in force. `inherited` names the merchant's defaults among them; version 0: nothing was said."""

    version: int
    preferences: StoredPreferences
    inherited: list[str]


class PreferenceVersionItem(msgspec.Struct, frozen=True):
    """The preferences as of a version, without defaults, and who changed it."""

    version: int
    changed_at: Moment
    source: Literal["customer", "server", "person"]
    changed_by: str
    preferences: StoredPreferences


class PreferenceVersions(msgspec.Struct, frozen=True):
    """A page of versions, the newest first; `next` is `before` of the next page."""

    items: list[PreferenceVersionItem]
    next: int | None


class DefaultsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The preferences of customers who said nothing else."""

    language: Language | None
    currency: Currency | None
    theme: Theme | None
    notifications: dict[Channel, bool]
    personalization_enabled: bool | None
    categories: Categories


READ = Answer("The preferences in force", PreferencesAnswer)


@get(
    PATH,
    opt=Operation(
        TAG,
        "Read preferences, by parameters",
        {200: READ},
        f"Same as the POST, which keeps the customer's id out of addresses. {BY_BROWSERS}",
        keys="any",
        query=CustomerQuery,
        errors=(403,),
    ).opt,
)
async def read_by_query(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    query = query_of(request, CustomerQuery)
    return await _read(request, access, query)


@post(
    PATH,
    status_code=200,
    opt=Operation(
        TAG,
        "Read preferences",
        {200: READ},
        f"What the customer said, and the merchant's defaults for the rest. {BY_BROWSERS}",
        keys="any",
        body=CustomerRequest,
        example={"customer_id": "c_123"},
        errors=(403,),
    ).opt,
)
async def read(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    return await _read(request, access, await document_of(request, CustomerRequest))


@put(
    PATH,
    opt=Operation(
        TAG,
        "Change preferences",
        {200: Answer("The preferences in force from now on", PreferencesAnswer)},
        "Merges the fields that are sent; null takes back what was said. Decisions obey the change at once. Every "
        f"version is kept. {BY_BROWSERS}",
        keys="any",
        body=PreferencesUpdate,
        example=examples.PREFERENCES,
        errors=(403,),
    ).opt,
)
async def change(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: PreferencesUpdate = await document_of(request, PreferencesUpdate)
    check_customer(request, access, data)
    fields = {name: getattr(data, name) for name in PreferenceChange.__struct_fields__}
    preferences = _service(request)
    changed = await preferences.change(
        access.merchant.id, data.customer_id, PreferenceChange(**fields), changer_of(access)
    )
    return _answer(changed)


@delete(
    PATH,
    status_code=200,
    opt=Operation(
        TAG,
        "Reset preferences, by parameters",
        {200: Answer("The merchant's defaults", PreferencesAnswer)},
        f"Same as `{PATH}/reset`, which keeps the customer's id out of addresses. {BY_BROWSERS}",
        keys="any",
        query=CustomerQuery,
        errors=(403,),
    ).opt,
)
async def reset_by_query(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    return await _reset(request, access, query_of(request, CustomerQuery))


@post(
    f"{PATH}/reset",
    status_code=200,
    opt=Operation(
        TAG,
        "Reset preferences",
        {200: Answer("The merchant's defaults", PreferencesAnswer)},
        f"Takes back everything that the customer said, as a new version. {BY_BROWSERS}",
        keys="any",
        body=CustomerRequest,
        example={"customer_id": "c_123"},
        errors=(403,),
    ).opt,
)
async def reset(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    return await _reset(request, access, await document_of(request, CustomerRequest))


@post(
    f"{PATH}/versions",
    status_code=200,
    opt=Operation(
        TAG,
        "List versions of preferences",
        {200: Answer("The versions, the newest first", PreferenceVersions)},
        f"Who changed what, when. {BY_BROWSERS}",
        keys="any",
        body=VersionsRequest,
        example={"customer_id": "c_123"},
        errors=(403,),
    ).opt,
)
async def versions(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: VersionsRequest = await document_of(request, VersionsRequest)
    check_customer(request, access, data)
    rows = await _service(request).versions(
        access.merchant.id, data.customer_id, before=data.before, limit=data.limit + 1
    )
    page, following = page_of(rows, data.limit)
    return json_response(PreferenceVersions([_item(access, row) for row in page], following), headers=NO_STORE)


@get(
    f"{PATH}/defaults",
    **Operation(TAG, "Read the defaults of preferences", {200: Answer("The defaults", DefaultsAnswer)}).route(),
)
async def read_defaults(access: NamedDependency[Access], engine: NamedDependency[Engine]) -> Response[bytes]:
    return json_response(_defaults(engine.preferences.defaults(access.merchant.id)), headers=NO_STORE)


@put(
    f"{PATH}/defaults",
    **Operation(
        TAG,
        "Replace the defaults of preferences",
        {200: Answer("The defaults", DefaultsAnswer)},
        "They hold for customers who said nothing else, field by field. With `personalization_enabled` false, only "
        "customers who switch it on are personalized.",
        body=PreferenceDefaults,
        example={"language": "de", "theme": "system"},
    ).route(),
)
async def replace_defaults(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], document: NamedDependency[PreferenceDefaults]
) -> Response[bytes]:
    await engine.preferences.set_defaults(actor, document)
    return json_response(_defaults(document), headers=NO_STORE)


async def _read(request: AnyRequest, access: Access, data: CustomerQuery) -> Response[bytes]:
    check_customer(request, access, data)
    return _answer(await _service(request).get(access.merchant.id, data.customer_id))


async def _reset(request: AnyRequest, access: Access, data: CustomerQuery) -> Response[bytes]:
    check_customer(request, access, data)
    return _answer(await _service(request).reset(access.merchant.id, data.customer_id, changer_of(access)))


def _service(request: AnyRequest) -> CustomerPreferences:
    service: CustomerPreferences = engine_of(request).preferences
    return service


def _answer(in_force: PreferencesInForce) -> Response[bytes]:
    body = PreferencesAnswer(in_force.version, _stored(in_force.preferences), list(in_force.inherited))
    return json_response(body, version=in_force.version, headers=NO_STORE)


def _item(access: Access, row: PreferenceVersion) -> PreferenceVersionItem:
    name = name_of_changer(access, row.changer)
    return PreferenceVersionItem(
        row.version, rfc3339(row.changed_at), row.changer.source, name, _stored(row.preferences)
    )


def _stored(preferences: Preferences) -> StoredPreferences:
    return StoredPreferences(**msgspec.structs.asdict(preferences))


def _defaults(defaults: PreferenceDefaults) -> DefaultsAnswer:
    return DefaultsAnswer(**msgspec.structs.asdict(defaults))


handlers: list[Any] = [read_by_query, read, change, reset_by_query, reset, versions, read_defaults, replace_defaults]
