"""Settings: every one is described, and what is wrong is named."""

from __future__ import annotations

import msgspec
import pytest

from engine.settings import Settings, describe


def test_settings_come_from_the_environment():
    given = {"TAP2_PORT": "9000", "TAP2_DEMO": "1", "TAP2_HALF_LIFE_DAYS": "7.5", "HOME": "/", "TAP": "x"}
    settings = Settings.from_environment(given)
    assert (settings.port, settings.demo, settings.half_life_days) == (9000, True, 7.5)
    assert Settings.from_environment({"TAP2_DEMO": "0"}).demo is False
    assert Settings.from_environment({}) == Settings()


def test_a_misspelt_setting_is_refused_by_name():
    with pytest.raises(msgspec.ValidationError, match="unknown setting TAP2_PROT"):
        Settings.from_environment({"TAP2_PROT": "9000"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "70000"),
        ("RETENTION_DAYS", "89"),
        ("WORKERS", "0"),
        ("DEMO", "perhaps"),
        ("DECISION_TIMEOUT_MS", "5"),
        ("HALF_LIFE_DAYS", "0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(msgspec.ValidationError, match=name.lower()):
        Settings.from_environment({f"TAP2_{name}": value})


def test_a_replica_needs_a_database():
    with pytest.raises(ValueError, match="replica_url needs the database_url"):
        Settings(replica_url="postgresql://host/database")


def test_every_setting_is_described_with_its_variable_default_and_meaning():
    rows = describe(Settings(port=9000))
    assert [row["variable"] for row in rows] == [f"TAP2_{name.upper()}" for name in Settings.__struct_fields__]
    assert all(len(row["meaning"]) > 15 for row in rows)
    port = next(row for row in rows if row["variable"] == "TAP2_PORT")
    assert (port["value"], port["default"]) == (9000, 8000)


def test_secrets_are_not_shown():
    settings = Settings(customer_key="s" * 40, database_url="postgresql+asyncpg://me:secret@db/tap2")
    shown = str(describe(settings))
    assert "secret@db" not in shown
    assert "sss" not in shown
    assert shown.count("(set)") == 2
