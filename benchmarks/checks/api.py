"""Check the HTTP API with generated requests: `python -m benchmarks.checks.api` prints the table in ten minutes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from rich.console import Console
from rich.table import Table
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi import checks

from engine.settings import Settings
from tests.serving import UNLIMITED, Server, Side, serving
from web.openapi import examples

Figure = tuple[str, str, str]
AnyOperation = APIOperation[Any, Any, Any, Any]

CASES = 10_000
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
WHAT_EXISTS_SHARE = 2
"""In one of so many cases an address names what exists, so that more than the 404 is tried."""

MUST_MAKE_SENSE = ("feedback", "roll-back", "decisions", "batch", "personalize/offers", "size", "personalize/consents")
"""Operations whose documents ask for more than a schema can say, such as numbers that a double can hold."""

READS_LENIENTLY = ("feedback", "decisions", "batch", "methods", "personalize/offers")
"""Operations of a checkout: what is wrong in a part of them is dropped or answered by itself, with a 2xx."""


@dataclass
class Fuzzing:
    """Counts of cases by operation and status, and failures of schemathesis's checks with an example each."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return self.statuses.total()

    @property
    def server_errors(self) -> int:
        return sum(count for (_, status), count in self.statuses.items() if status >= 500)

    @property
    def operations(self) -> int:
        return len({label for label, _ in self.statuses})


def fuzz(server: Server, side: Side, *, cases: int, seed: int = 0) -> Fuzzing:
    """Call all operations with at least that many cases: half valid by the schema, half invalid."""
    fuzzer = Fuzzer(server, side, what_exists(side), Fuzzing())
    operations = [result.ok() for result in schemathesis.openapi.from_dict(server.openapi).get_all_operations()]
    each = -(-cases // (len(MODES) * sum(takes_something(operation) for operation in operations)))
    for number, operation in enumerate(operations):
        # An operation without parameters cannot be called with invalid ones.
        for mode in MODES if takes_something(operation) else MODES[:1]:
            fuzzer.run(operation, mode, cases=each, seed=seed + number)
    return fuzzer.fuzzing


def takes_something(operation: AnyOperation) -> bool:
    return any((operation.path_parameters, operation.query, operation.headers, operation.body))


@dataclass(frozen=True)
class Fuzzer:
    """Calls operations with generated cases and records the results in `fuzzing`."""

    server: Server
    side: Side
    existing: Mapping[str, Mapping[str, str]]
    fuzzing: Fuzzing

    def run(self, operation: AnyOperation, mode: GenerationMode, *, cases: int, seed: int) -> None:
        """Call an operation with `cases` generated cases."""

        @seeded(seed)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(operation.as_strategy(generation_mode=mode), st.integers(0, WHAT_EXISTS_SHARE - 1))
        def call(case: Case, dice: int) -> None:
            self._call(operation, case, uses_existing=dice == 0 and operation.path in self.existing)

        try:
            call()
        except Unsatisfiable:
            # Where any text fits, there is nothing invalid to send.
            if mode is GenerationMode.POSITIVE:
                raise

    def _call(self, operation: AnyOperation, case: Case, *, uses_existing: bool) -> None:
        excluded = [] if accepts_all_that_fits(operation) else [checks.positive_data_acceptance]
        if operation.label.endswith(READS_LENIENTLY):
            excluded.append(checks.negative_data_rejection)
        headers = {"Authorization": f"Bearer {self.side.key}"}
        if uses_existing:
            case.path_parameters = {**case.path_parameters, **self.existing[operation.path]}
            # The replaced path parameters may have been the only invalid part of the case.
            excluded.append(checks.negative_data_rejection)
        case.body = as_browsers_write(case.body)
        response = case.call(base_url=self.server.url, headers=headers)
        self.fuzzing.statuses[operation.label, response.status_code] += 1
        if response.status_code == 413 or [] in case.query.values():
            # Too large is refused too, and a parameter without a value is not sent.
            excluded.append(checks.negative_data_rejection)
        try:
            case.validate_response(response, headers=headers, excluded_checks=excluded)
        except BaseExceptionGroup as group:
            for failure in group.exceptions:
                self.fuzzing.failures.setdefault(
                    f"{operation.label}: {type(failure).__name__}",
                    f"{str(failure)[:600]}\n{case.as_curl_command()[:1500]}\n{response.text[:300]}",
                )


def accepts_all_that_fits(operation: AnyOperation) -> bool:
    """Return whether every body that fits the schema is accepted, which some operations check beyond the schema."""
    statuses = set(operation.definition.raw["responses"])
    return not (statuses & {"409", "412"} or operation.label.endswith(MUST_MAKE_SENSE))


def as_browsers_write(value: Any) -> Any:
    """Write 2.0 as 2, as JSON.stringify does: a schema does not distinguish them, but the server does."""
    if isinstance(value, dict):
        return {name: as_browsers_write(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_browsers_write(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


def what_exists(side: Side) -> dict[str, dict[str, str]]:
    """Return path parameters of existing things, by path; things that a case deletes are gone for later cases."""
    parameters = {"placement": str(examples.PLACEMENT["key"])}
    decision = {"id": side.decide()["decision_id"]}
    key = {"id": side.client.post("/v1/keys", json=examples.KEY).json()["id"]}
    inside = "/v1/placements/{placement}"
    return {
        **{
            f"{inside}{more}": parameters for more in ("/candidates", "/rules", "/scenarios", "/versions", "/roll-back")
        },
        **{
            f"{inside}/draft{more}": parameters
            for more in ("", "/rules", "/order", "/scenarios", "/review", "/publish")
        },
        f"{inside}/rule-set": parameters,
        f"{inside}/draft/rules/{{id}}": {**parameters, "id": examples.RULE["id"]},
        f"{inside}/draft/rules/{{id}}/keep": {**parameters, "id": examples.RULE["id"]},
        f"{inside}/candidates/{{id}}": {**parameters, "id": "card"},
        f"{inside}/rules/{{id}}": {**parameters, "id": examples.RULE["id"]},
        "/v1/vocabulary/{name}": {"name": examples.FIELD["name"]},
        "/v1/lists/{name}": {"name": examples.LIST["name"]},
        "/v1/decisions/{id}": decision,
        "/v1/decisions/{id}/replay": decision,
        "/v1/decisions/{id}/scenario": decision,
        "/v1/keys/{id}/rotate": key,
    }


def figures() -> list[Figure]:
    """Return (subject, goal, measured) of a run over the whole OpenAPI document with a secret key."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Settings(data=folder, log_level="error", **UNLIMITED)) as server,
    ):
        side, _ = server.sides()
        side.create_examples()
        fuzzing = fuzz(server, side, cases=CASES)
    violations = "; ".join(fuzzing.failures) or "0"
    return [
        (
            "schemathesis: cases over all operations",
            f"at least {CASES:,}",
            f"{fuzzing.cases:,} on {fuzzing.operations}",
        ),
        ("schemathesis: answers of 500 and above", "0", str(fuzzing.server_errors)),
        ("schemathesis: violations of the document", "0", violations),
    ]


def main() -> None:
    table = Table("What", "Goal", "Measured", title="HTTP API")
    for row in figures():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
