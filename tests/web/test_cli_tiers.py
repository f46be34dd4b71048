"""`tap2 tiers` and `tap2 merchant tier`: one document of limits, and who has which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.web.test_cli_accounts import printed, refused, tap2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiers")
    assert tap2(path, "merchant", "add", "shop").exit_code == 0
    return path


def document(folder: Path, content: object) -> str:
    file = folder / "tiers.json"
    file.write_text(json.dumps(content))
    return str(file)


def test_limits_are_set_by_name_and_given_to_a_merchant(folder: Path) -> None:
    file = document(folder, {"starter": {"exports_a_month": 20, "scheduled_mail": False}, "full": {}})
    assert [row["tier"] for row in printed(folder, "tiers", "set", file)] == ["full", "starter"]
    assert printed(folder, "merchant", "tier", "shop", "starter") == {"merchant": "shop", "tier": "starter"}
    row = next(row for row in printed(folder, "tiers", "list") if row["tier"] == "starter")
    assert row == {
        "tier": "starter", "exports_a_month": 20, "requests_an_hour": None, "scheduled_mail": False, "logo": True,
        "merchants": 1,
    }  # fmt: skip
    assert {row["tier"] for row in printed(folder, "merchant", "list")} == {"starter"}
    assert "the merchant “shop” has the tier “starter”" in refused(folder, "tiers", "set", document(folder, {}))
    assert "there is no tier “huge”" in refused(folder, "merchant", "tier", "shop", "huge")
    printed(folder, "merchant", "tier", "shop")
    assert printed(folder, "tiers", "set", document(folder, {})) == []


@pytest.mark.parametrize(("content", "message"), [
    ({"starter": {"exports": 3}}, "exports"),
    ({"starter": {"exports_a_month": -1}}, "exports_a_month"),
    ({"Starter": {}}, "Starter"),
    ([], "object"),
])  # fmt: skip
def test_a_wrong_document_names_the_field(folder: Path, content: object, message: str) -> None:
    assert message in refused(folder, "tiers", "set", document(folder, content))
    assert printed(folder, "tiers", "list") == []
