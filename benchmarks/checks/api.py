"""What the HTTP API must show: `python -m benchmarks.checks.api` prints the table in about two minutes."""

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
from rich.console import Console
from rich.table import Table
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi import checks

from engine.settings import Settings
from tests.serving import Server, Side, serving
from web.openapi import examples

Figure = tuple[str, str, str]
AnyOperation = APIOperation[Any, Any, Any, Any]

CASES = 2_000
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
WHAT_EXISTS_SHARE = 2
"""In one of so many cases an address names what exists, so that more than the 404 is tried."""

MUST_MAKE_SENSE = ("feedback", "roll-back", "decisions", "batch")
"""Operations whose documents ask for more than a schema can say, such as numbers that a double can hold."""


@dataclass
class Fuzzing:
    """Cases by operation and status, and the failures of schemathesis's checks with an example of each."""

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
    """At least so many cases, spread over all operations: half of them to the letter of the schema, half against it."""
    found = Fuzzing()
    existing = what_exists(side)
    operations = [one.ok() for one in schemathesis.openapi.from_dict(server.openapi).get_all_operations()]
    each = -(-cases // (len(MODES) * sum(takes_something(operation) for operation in operations)))
    for number, operation in enumerate(operations):
        # An operation that takes nothing cannot be called wrongly.
        for mode in MODES if takes_something(operation) else MODES[:1]:
            try_out(operation, mode, server, side, existing, found, cases=each, seed=seed + number)
    return found


def takes_something(operation: AnyOperation) -> bool:
    return any((operation.path_parameters, operation.query, operation.headers, operation.body))


def try_out(
    operation: AnyOperation,
    mode: GenerationMode,
    server: Server,
    side: Side,
    existing: Mapping[str, Mapping[str, str]],
    found: Fuzzing,
    *,
    cases: int,
    seed: int,
) -> None:
    """Call one operation with generated cases and note what came back."""
    excluded = [] if accepts_all_that_fits(operation) else [checks.positive_data_acceptance]
    headers = {"Authorization": f"Bearer {side.key}"}

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
        unfair = list(excluded)
        if dice == 0 and operation.path in existing:
            case.path_parameters = {**case.path_parameters, **existing[operation.path]}
            # What was to be wrong with the case may have been its address.
            unfair.append(checks.negative_data_rejection)
        case.body = as_browsers_write(case.body)
        response = case.call(base_url=server.url, headers=headers)
        found.statuses[operation.label, response.status_code] += 1
        try:
            case.validate_response(response, headers=headers, excluded_checks=unfair)
        except BaseExceptionGroup as group:
            for failure in group.exceptions:
                found.failures.setdefault(
                    f"{operation.label}: {type(failure).__name__}",
                    f"{str(failure)[:600]}\n{case.as_curl_command()[:1500]}\n{response.text[:300]}",
                )

    call()


def accepts_all_that_fits(operation: AnyOperation) -> bool:
    """Not where it must also make sense: a rule over declared facts, the version of a thing as it is now."""
    statuses = set(operation.definition.raw["responses"])
    return not (statuses & {"409", "412"} or operation.label.endswith(MUST_MAKE_SENSE))


def as_browsers_write(value: Any) -> Any:
    """JSON.stringify writes 2.0 as 2; to a schema they are the same, to the server only the second is whole."""
    if isinstance(value, dict):
        return {name: as_browsers_write(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_browsers_write(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


def what_exists(side: Side) -> dict[str, dict[str, str]]:
    """Parts of addresses that lead somewhere; what a case deletes is gone for the next ones."""
    place = {"placement": str(examples.PLACEMENT["key"])}
    decision = {"id": side.decide()["decision_id"]}
    key = {"id": side.client.post("/v1/keys", json=examples.KEY).json()["id"]}
    inside = "/v1/placements/{placement}"
    return {
        **{f"{inside}{more}": place for more in ("/candidates", "/rules", "/scenarios", "/versions", "/roll-back")},
        **{f"{inside}/draft{more}": place for more in ("", "/rules", "/order", "/scenarios", "/review", "/publish")},
        f"{inside}/rule-set": place,
        f"{inside}/draft/rules/{{id}}": {**place, "id": examples.RULE["id"]},
        f"{inside}/draft/rules/{{id}}/keep": {**place, "id": examples.RULE["id"]},
        f"{inside}/candidates/{{id}}": {**place, "id": "card"},
        f"{inside}/rules/{{id}}": {**place, "id": examples.RULE["id"]},
        "/v1/vocabulary/{name}": {"name": examples.FIELD["name"]},
        "/v1/lists/{name}": {"name": examples.LIST["name"]},
        "/v1/decisions/{id}": decision,
        "/v1/decisions/{id}/replay": decision,
        "/v1/decisions/{id}/scenario": decision,
        "/v1/keys/{id}/rotate": key,
    }


def figures() -> list[Figure]:
    """(what, goal, measured) of a run over the whole OpenAPI document with a secret key."""
    with tempfile.TemporaryDirectory() as folder, serving(Settings(data=folder, log_level="error")) as server:
        side, _ = server.sides()
        side.furnish()
        found = fuzz(server, side, cases=CASES)
    violations = "; ".join(found.failures) or "0"
    return [
        ("schemathesis: cases over all operations", f"at least {CASES:,}", f"{found.cases:,} on {found.operations}"),
        ("schemathesis: answers of 500 and above", "0", str(found.server_errors)),
        ("schemathesis: violations of the document", "0", violations),
    ]


def main() -> None:
    table = Table("What", "Goal", "Measured", title="HTTP API")
    for row in figures():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
