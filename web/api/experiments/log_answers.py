"""What the log says of an experiment's variants before it starts."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.accounts.accounts import Access
from engine.experiments.log_answers import LogAnswer
from engine.model.actor import Actor
from engine.service import Engine
from web.api.experiments.documents import ITEM, TAG
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class LogAnswers(msgspec.Struct, frozen=True):
    """What the log says, by variant; the control is what was in force."""

    items: list[LogAnswer]


@post(
    f"{ITEM}/ask-log",
    **Operation(
        TAG,
        "Ask the log",
        {202: Answer("In progress; get `log` until it is done", LogAnswers)},
        "Predicts each variant's conversion from the decisions of the last 28 days, in the background. It counts as "
        "evidence where `counts_log` is set before the start.",
        errors=(409,),
    ).route(),
)
async def ask_log(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    resource = await engine.experiments.get(actor.merchant_id, placement, id)
    await engine.log_questions.ask(actor, resource)
    return json_response(LogAnswers(await engine.log_questions.answers(actor.merchant_id, resource)), status=202)


@get(
    f"{ITEM}/log",
    **Operation(
        TAG,
        "Show what the log says",
        {200: Answer("The answers so far", LogAnswers)},
        "`refused` says why the log cannot tell; answers for variants that have changed since are left out.",
    ).route(),
)
async def log_answers(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    resource = await engine.experiments.get(access.merchant.id, placement, id)
    answers = await engine.log_questions.answers(access.merchant.id, resource)
    return json_response(LogAnswers(answers), headers=NO_STORE)


handlers = [ask_log, log_answers]
