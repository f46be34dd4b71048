"""The consent prompt in the customer's language, for clients that show it."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, post
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.customers.consents import ConsentInForce
from engine.model.documents.consent import ConsentNotice, ConsentPolicy
from web.api.customers.consents import PATH, TAG
from web.api.customers.customer_access import BY_BROWSERS, CustomerQuery, check_customer
from web.center.languages import Language, preferred
from web.center.views import CenterWords
from web.http.access import engine_of
from web.http.rate_limits import admitted
from web.http.request_reading import AnyRequest, document_of
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

PROMPT = f"{PATH}/prompt"


class PromptRequest(CustomerQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer who is asked; `language` is a tag such as `de-AT`, and English where it has no translation."""

    language: Annotated[str, Meta(max_length=35)] = "en"


class PromptPurpose(msgspec.Struct, frozen=True):
    """A purpose with its name, and what it does. `accepted`: the customer accepted it before."""

    purpose: str
    name: str
    about: str
    accepted: bool


class PromptButtons(msgspec.Struct, frozen=True):
    """The words of the buttons, by the method that each stands for."""

    accept: str
    reject: str
    save: str
    dismiss: str


class ConsentPrompt(msgspec.Struct, frozen=True):
    """The texts of the prompt. `prompt`: the customer was not asked yet. Record the consent with `notice`."""

    prompt: bool
    language: str
    direction: Literal["ltr", "rtl"]
    title: str
    text: str
    purposes: list[PromptPurpose]
    buttons: PromptButtons
    notice: ConsentNotice


@post(
    PROMPT,
    status_code=200,
    opt=Operation(
        TAG,
        "Read the consent prompt",
        {200: Answer("The texts to show", ConsentPrompt)},
        f"In English, German or Arabic, with the policy's own texts about purposes. {BY_BROWSERS}",
        keys="any",
        body=PromptRequest,
        example={"customer_id": "c_123", "language": "de"},
        errors=(403,),
    ).opt,
)
async def prompt(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: PromptRequest = await document_of(request, PromptRequest)
    check_customer(request, access, data)
    consents = engine_of(request).consents
    in_force = await consents.get(access.merchant.id, data.customer_id)
    policy = consents.policy(access.merchant.id)
    return json_response(_prompt(access, in_force, policy, preferred([data.language])), headers=NO_STORE)


def _prompt(access: Access, in_force: ConsentInForce, policy: ConsentPolicy, language: Language) -> ConsentPrompt:
    words, shop = CenterWords(language, policy, {}), access.merchant.name
    title, text = (language.text(key, shop=shop) for key in ("prompt_title", "prompt_text"))
    purposes = [
        PromptPurpose(
            state.purpose, words.purpose(state.purpose), words.about(state.purpose), state.state == "accepted"
        )
        for state in in_force.purposes
    ]
    return ConsentPrompt(
        in_force.prompts,
        language.code,
        language.direction,
        title,
        text,
        purposes,
        PromptButtons(*(language.text(f"prompt_{method}") for method in PromptButtons.__struct_fields__)),
        _notice([title, text, *(f"{each.name}: {each.about}" for each in purposes)]),
    )


def _notice(lines: list[str]) -> ConsentNotice:
    """Return what the customer reads; its version follows from the text, so that another text has another version."""
    text = "\n".join(lines)
    return ConsentNotice(version=hashlib.sha256(text.encode()).hexdigest()[:16], text=text[:10_000])


handlers: list[Any] = [prompt]
