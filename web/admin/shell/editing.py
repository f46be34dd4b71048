"""What every edit form has in common: decode, store, and show what was wrong or what others changed meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound, Stale
from web.admin.shell.forms import Form
from web.http.validation_errors import BODY, validation_error

Document = TypeVar("Document", bound=msgspec.Struct)
Stored = TypeVar("Stored")
Difference = tuple[str, str, str]


class Refused(Exception):
    """A form that could not be stored: what was typed, what is wrong with it, and what others saved meanwhile.

    `problems` are as the engine told them; those of a JSON text name the place in it by a pointer.
    """

    def __init__(
        self,
        form: Form,
        *,
        status: int,
        problems: Sequence[FieldProblem] = (),
        conflicts: Sequence[Difference] = (),
    ) -> None:
        super().__init__(form.problems)
        self.form = form
        self.status = status
        self.problems = problems
        self.conflicts = list(conflicts)


def to_document(
    values: Mapping[str, Any],
    kind: type[Document],
    *,
    hints: Mapping[str, str],
    problems: Sequence[FieldProblem] = (),
) -> Document:
    """Make a checked document. `hints` say what is right, by field or path.

    Raise `Invalid` with the problem of every field: those found while reading the form, then the others.
    """
    try:
        document = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        unread = [field for field in msgspec.structs.fields(kind) if field.encode_name in values]
        wrong = [*_problems_of_fields(values, unread, kind)] or [validation_error(error, kind)]
        hinted = [_hinted(problem, hints) for problem in wrong]
        read = {problem.field for problem in problems}
        raise Invalid(*problems, *(problem for problem in hinted if problem.field not in read)) from None
    if problems:
        raise Invalid(*problems)
    return document


def _problems_of_fields(
    values: Mapping[str, Any], fields: Sequence[msgspec.structs.FieldInfo], kind: type[msgspec.Struct]
) -> Iterator[FieldProblem]:
    for field in fields:
        try:
            msgspec.convert({field.encode_name: values[field.encode_name]}, dict[str, field.type])  # type: ignore[name-defined]
        except msgspec.ValidationError as error:
            text = str(error).replace("$[...]", f"$.{field.encode_name}")
            yield validation_error(msgspec.ValidationError(text), kind)


def _hinted(problem: FieldProblem, hints: Mapping[str, str]) -> FieldProblem:
    path = problem.field.split("/") if problem.field != BODY else ["form"]
    field = "/".join(takewhile(lambda step: not step.isdigit(), path))
    return FieldProblem(field, hints.get(field) or hints.get(path[0], problem.message))


def version_of(values: Mapping[str, str]) -> int:
    """Return the version that a form was opened at; a broken one never fits."""
    text = values.get("version", "")
    return int(text) if text.isdigit() else -1


async def store(
    values: Mapping[str, str],
    write: Callable[[], Awaitable[Stored]],
    saved_now: Callable[[], Awaitable[Mapping[str, str]]],
    *,
    names: Mapping[str, str],
    form_fields: Mapping[str, str] = MappingProxyType({}),
) -> Stored:
    """Carry out a write; raises `Refused` with everything the form needs to be shown again.

    `saved_now` gives the stored document as a form would show it, `names` the fields to compare by their label,
    `form_fields` the fields of the form for paths in the document such as `policy/floor`.
    """
    form = Form(values)
    try:
        return await write()
    except Invalid as error:
        beside = [_beside(problem, names, form_fields) for problem in error.problems]
        raise Refused(form.with_problems(beside), status=422, problems=error.problems) from None
    except NotFound as error:
        raise Refused(form.with_problems([FieldProblem("form", error.detail)]), status=404) from None
    except Stale as error:
        saved_values = await saved_now()
        newest = Form({**values, "version": saved_values.get("version", "")}, {"version": error.detail})
        differences = [
            (label, values.get(name, ""), saved_values.get(name, ""))
            for name, label in names.items()
            if _plain(values.get(name, "")) != _plain(saved_values.get(name, ""))
        ]
        raise Refused(newest, status=409, conflicts=differences) from None
    except Conflict as error:
        raise Refused(form.with_problems([FieldProblem(error.field or "form", error.detail)]), status=409) from None


async def no_one_else() -> Mapping[str, str]:
    """Return what others saved of a thing that is being created: nothing."""
    return {}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _beside(problem: FieldProblem, names: Mapping[str, str], form_fields: Mapping[str, str]) -> FieldProblem:
    """Put a problem beside the innermost field that it is about, or above the form."""
    parts = problem.field.strip("/").split("/")
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end])
        field = form_fields.get(path, path)
        if field in names or field in ("form", "id", "key"):
            return FieldProblem(field, problem.message)
    return FieldProblem("form", f"{problem.field}: {problem.message}")
