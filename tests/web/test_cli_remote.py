"""Check what commands say of a server that answers, refuses, is another program, or is not there."""

from __future__ import annotations

import json
from typing import Any

import click
import httpx
import pytest

from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound
from web.api.rule_sets import RuleSet
from web.cli import remote as module
from web.cli.failures import DatabaseAway, failure, refusal
from web.cli.remote import Remote, Unreachable

PROBLEM = {"content-type": "application/problem+json"}
RULES = RuleSet(rules=())


class Calls:
    """Answers requests in turn, and keeps them."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def remote(*answers: httpx.Response) -> tuple[Remote, Calls]:
    calls, made = Calls(*answers), Remote("http://tap2", "sk_1")
    made._client = httpx.Client(base_url="http://tap2", transport=httpx.MockTransport(calls))
    return made, calls


def ok(document: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(200, json=document, headers=headers)


def imported(*, changes: int = 1, review: bool = False) -> httpx.Response:
    return ok({"changes": [{}] * changes, "review": review}, etag='"7"')


# Publishing


def test_rules_are_imported_and_published_at_their_version() -> None:
    made, calls = remote(imported(), ok({"version": 5}))
    assert made.publish("p", RULES, reason="sale") == {"placement": "p", "state": "published", "version": 5}
    assert calls.paths == ["PUT /v1/placements/p/draft", "POST /v1/placements/p/draft/publish"]
    assert [request.headers["if-match"] for request in calls.requests] == ["*", '"7"']
    assert json.loads(calls.requests[1].content) == {"why": "sale"}


def test_published_rules_are_not_published_again() -> None:
    made, calls = remote(imported(changes=0))
    assert made.publish("p", RULES, reason="") == {"placement": "p", "state": "unchanged"}
    assert len(calls.requests) == 1


def test_review_is_requested_if_required() -> None:
    made, calls = remote(imported(review=True), ok({}))
    assert made.publish("p", RULES, reason="")["state"].startswith("in review")
    assert calls.paths[-1] == "POST /v1/placements/p/draft/review"


# Previews


def test_a_preview_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    running, done = {"id": "pre_1", "state": "running"}, {"id": "pre_1", "state": "done", "result": {}}
    made, calls = remote(ok(running), ok(running), ok(done))
    assert made.preview("p", [], limit=10) == done
    assert calls.paths == [
        "POST /v1/placements/p/previews", "GET /v1/placements/p/previews/pre_1", "GET /v1/placements/p/previews/pre_1",
    ]  # fmt: skip


# Failures


@pytest.mark.parametrize(("answer", "message"), [
    (
        httpx.Response(400, headers=PROBLEM, json={"title": "The request is invalid", "errors": [
            {"field": "rules/0/when", "message": "is wrong"}, {"field": "rules/1/id", "message": "is taken"},
        ]}),
        "rules/0/when: is wrong\nrules/1/id: is taken",
    ),
    (
        httpx.Response(401, headers=PROBLEM, json={"title": "A valid API key is required", "detail": "send one"}),
        "A valid API key is required: send one",
    ),
    (
        httpx.Response(404, headers=PROBLEM, json={"title": "The resource does not exist"}),
        "The resource does not exist: ",
    ),
])  # fmt: skip
def test_a_refusal_ends_the_command_with_its_reasons(answer: httpx.Response, message: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        remote(answer)[0].rule_set("p")
    assert refused.value.message == message
    assert refused.value.exit_code == 1


@pytest.mark.parametrize("answer", [
    httpx.Response(404, text="<h1>nginx</h1>"), httpx.Response(502, text="bad gateway"), httpx.Response(301),
])  # fmt: skip
def test_other_program_at_the_address_is_reported(answer: httpx.Response) -> None:
    with pytest.raises(Unreachable, match=f"answered {answer.status_code}: is this the server") as refused:
        remote(answer)[0].rule_set("p")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
def test_unreachable_server_is_named_by_its_address(error: httpx.HTTPError) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise error

    made = Remote("http://tap2", "sk_1")
    made._client = httpx.Client(base_url="http://tap2", transport=httpx.MockTransport(away))
    with pytest.raises(Unreachable, match=f"no answer from http://tap2.*{type(error).__name__}"):
        made.rule_set("p")


def test_a_key_is_sent_with_every_call() -> None:
    made = Remote("http://tap2", "sk_1")
    assert made._client.headers["authorization"] == "Bearer sk_1"
    made.close()


# Errors in a line


@pytest.mark.parametrize(("error", "line"), [
    (NotFound("there is no rule “x”", field="id"), "id: there is no rule “x”"),
    (Conflict("is taken"), "is taken"),
    (Invalid(FieldProblem("name", "is wrong"), FieldProblem("x", "is odd")), "name: is wrong"),
])  # fmt: skip
def test_refusal_names_its_field_once(error: Any, line: str) -> None:
    assert refusal(error).message == line


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize(("error", "words"), [
    (FileNotFoundError(2, "No such file", "/x/y"), "/x/y: No such file"),
    (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
    (ValueError("two\nlines  here"), "two lines here; TAP2_LOG_LEVEL=debug shows the traceback"),
    (KeyError("x"), "unexpected KeyError at "),
])  # fmt: skip
def test_failure_prints_one_line_with_the_remedy(error: Exception, words: str) -> None:
    message = failure(raised(error)).message
    assert words in message
    assert "\n" not in message


def test_unreachable_database_is_named_by_its_setting() -> None:
    made = failure(raised(ConnectionRefusedError(111, "refused")))
    assert isinstance(made, DatabaseAway)
    assert "ConnectionRefusedError" in made.message
    assert "TAP2_DATABASE_URL" in made.message
