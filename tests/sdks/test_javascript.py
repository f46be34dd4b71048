"""The JavaScript client: its own tests, its types against the server's document, and checkouts while a server dies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sdks import node, schemas
from tests.serving import Server, Side

SPECS = Path(__file__).parents[1] / "specs"
ALIKE = """
type Plain<T> = T extends (infer Item)[] ? Plain<Item>[] : T extends object ? { [K in Shown<T>]: Plain<T[K]> } : T;
type Shown<T> = { [K in keyof T]-?: [T[K]] extends [undefined] ? never : K }[keyof T];
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? ([keyof A] extends [keyof B] ? true : false) : false) : false;
const holds = <T extends true>() => {};
"""


def test_the_package_passes_its_own_tests(package: Path, shop: Side):
    keys = {"TAP2_URL": shop.server.url, "TAP2_KEY": shop.key, "TAP2_PUBLIC_KEY": shop.new_key()}
    keys["TAP2_SPECS"] = str(SPECS)
    assert "# skipped 0" in node.run(package, "npm", "test", environment=keys)


def test_the_types_are_those_of_the_servers_document(package: Path, server: Server, tmp_path: Path):
    node.run(package, "tsc", "-p", str(_project(package, server, tmp_path, schemas.TYPES)))


@pytest.mark.parametrize(
    ("name", "other"), [("Redemption", "ShownOffer"), ("Ranked", "BrowserCandidate"), ("Receipt", "StoredOutcome")]
)
def test_different_type_is_detected(package: Path, server: Server, tmp_path: Path, name: str, other: str):
    with pytest.raises(AssertionError, match="TS2344"):
        node.run(package, "tsc", "-p", str(_project(package, server, tmp_path, {name: other})))


def _project(package: Path, server: Server, folder: Path, names: dict[str, str]) -> Path:
    """Write a project that compiles only if each type of the package is that schema of the document."""
    lines = [f'import type * as own from "{package / "src" / "index.js"}";', ALIKE]
    lines += [schemas.typescript(server.openapi)]
    for own, schema in names.items():
        theirs = f"Plain<Schemas['{schema}']>"
        mine = f"Plain<own.{own}>"
        if own == "FeedbackEvent":  # the client makes the id where the shop gives none
            mine, theirs = f"Omit<{mine}, 'event_id'>", f"Omit<{theirs}, 'event_id'>"
        lines.append(f"holds<Same<{mine}, {theirs}>>();")
    (folder / "contract.ts").write_text("\n".join(lines))
    options = json.loads((package / "test" / "tsconfig.json").read_text())["compilerOptions"]
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["contract.ts"]}))
    return folder
