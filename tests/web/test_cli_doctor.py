"""`tap2 doctor` names what is wrong with an installation, and the remedy; it changes nothing."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import doctor, installation_keys
from web.cli import main


def tap2(*arguments, folder, **environment):
    return CliRunner().invoke(main, list(arguments), env={"TAP2_DATA": str(folder), **environment})


def findings(folder, **environment):
    """Return the findings by check, and the exit status."""
    ran = tap2("doctor", "--json", folder=folder, **environment)
    return {finding["check"]: finding for finding in json.loads(ran.stdout)}, ran.exit_code


@pytest.fixture
def folder(tmp_path):
    """A folder that a server has used, with the past of a customer."""
    assert tap2("merchant", "add", "shop", folder=tmp_path).exit_code == 0
    with sqlite3.connect(tmp_path / "tap2.sqlite") as database:
        database.execute("INSERT INTO usage VALUES (1, 'ab', 'payment_methods', 'card', 1, 1, 1)")
    return tmp_path


def test_working_installation_has_no_findings(folder):
    results, status = findings(folder)
    assert {finding["state"] for finding in results.values()} == {"ok"}
    assert status == 0
    assert {"data folder", "customer key", "database", "schema", "key of this database"} <= results.keys()


def test_checking_an_empty_folder_creates_no_files(tmp_path):
    results, status = findings(tmp_path / "data")
    assert status == 0
    assert "`tap2 serve` makes it" in results["database"]["detail"]
    assert list(tmp_path.iterdir()) == []


def test_missing_sign_up_tier_is_named(folder):
    results, status = findings(folder, TAP2_SIGN_UP="1", TAP2_SIGN_UP_TIER="starter")
    assert status == 1
    assert "no tier “starter”" in results["TAP2_SIGN_UP_TIER"]["detail"]
    tiers = folder / "tiers.json"
    tiers.write_text('{"starter": {}}')
    assert tap2("tiers", "set", str(tiers), folder=folder).exit_code == 0
    assert findings(folder, TAP2_SIGN_UP="1", TAP2_SIGN_UP_TIER="starter")[1] == 0


def test_different_key_is_named(folder):
    results, status = findings(folder, TAP2_CUSTOMER_KEY="x" * 32)
    assert status == 1
    assert results["key of this database"]["state"] == "error"
    assert "same keys on every machine" in results["key of this database"]["remedy"]


def test_a_missing_key_is_named(folder):
    (folder / "customer.key").unlink()
    results, status = findings(folder)
    assert status == 1
    assert "customer.key is missing" in results["key of this database"]["detail"]
    assert not (folder / "customer.key").exists()


def test_an_old_schema_is_named_with_the_command(folder):
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        database.execute("UPDATE alembic_version SET version_num = '0030'")
    results, status = findings(folder)
    assert status == 1
    assert "0030" in results["schema"]["detail"]
    assert "tap2 db upgrade" in results["schema"]["remedy"]


def test_a_schema_of_a_later_version_asks_for_that_version(folder):
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE schema_readers SET oldest = '9998'")
    assert "a newer one" in findings(folder)[0]["schema"]["remedy"]
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        database.execute("UPDATE schema_readers SET oldest = '0047'")
    assert findings(folder)[0]["schema"]["state"] == "ok"


def test_unreachable_database_is_named_without_its_password(folder):
    url = "postgresql://tap2:hush-hush@127.0.0.1:9/tap2"
    results, status = findings(folder, TAP2_DATABASE_URL=url)
    assert status == 1
    assert results["database"]["state"] == "error"
    assert "127.0.0.1:9" in results["database"]["detail"]
    assert "hush-hush" not in json.dumps(results)


def test_files_that_others_can_read_are_named(folder):
    os.chmod(folder / "customer.key", 0o644)
    assert findings(folder)[0]["file permissions"]["detail"] == "others can read customer.key"


def test_inconsistent_settings_are_warnings(folder):
    results, status = findings(folder, TAP2_HOST="0.0.0.0", TAP2_WORKERS="900")
    assert status == 0
    assert results["TLS"]["state"] == results["TAP2_WORKERS"]["state"] == "warning"


def test_a_disk_that_is_nearly_full_is_a_warning(folder, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE", 10**18)
    assert findings(folder)[0]["data folder"]["state"] == "warning"


class TestKeyOfTheDatabase:
    def test_machine_with_a_different_key_does_not_start(self, folder):
        ran = tap2("merchant", "list", folder=folder, TAP2_CUSTOMER_KEY="x" * 32)
        assert ran.exit_code == 1
        assert "is not the key that the database is used with" in ran.stderr
        assert "x" * 32 not in ran.stderr

    def test_the_same_key_from_the_setting_is_the_same(self, folder):
        key = Path(folder, "customer.key").read_text()
        assert tap2("merchant", "list", folder=folder, TAP2_CUSTOMER_KEY=key).exit_code == 0

    def test_different_key_can_be_accepted(self, folder):
        new = {"TAP2_CUSTOMER_KEY": "x" * 32}
        assert tap2("db", "accept-customer-key", folder=folder, **new).exit_code == 0
        assert tap2("merchant", "list", folder=folder, **new).exit_code == 0
        assert tap2("merchant", "list", folder=folder).exit_code == 1

    def test_the_first_key_is_needed_also_before_the_first_customer(self, folder):
        with sqlite3.connect(folder / "tap2.sqlite") as database:
            database.execute("DELETE FROM usage")
        assert tap2("merchant", "list", folder=folder, TAP2_CUSTOMER_KEY="x" * 32).exit_code == 1


def test_missing_master_key_and_unfinished_rotation_are_named(folder):
    assert tap2("keys", "rotate", folder=folder).exit_code == 0
    results, status = findings(folder)
    assert (results["master key"]["state"], status) == ("ok", 0)
    kept = (folder / "master.key").read_text()
    (folder / "master.key").write_text("n" * 40 + "\n" + kept)
    results, status = findings(folder)
    assert (results["master key"]["state"], status) == ("warning", 0)
    assert "tap2 keys rotate" in results["master key"]["remedy"]
    (folder / "master.key").unlink()
    results, status = findings(folder)
    assert (results["master key"]["state"], status) == ("error", 1)
    assert "restore master.key" in results["master key"]["remedy"]


def test_a_signing_key_needs_a_master_key_of_its_own(folder):
    for command in ("rotate-signing", "rotate-customer"):
        refused = tap2("keys", command, folder=folder)
        assert refused.exit_code == 1
        assert "tap2 keys rotate" in refused.stderr
    assert findings(folder)[0]["signing key"]["detail"] == "the customer key signs"
    assert tap2("keys", "rotate", folder=folder).exit_code == 0
    made = json.loads(tap2("keys", "rotate-signing", "--at-once", "--json", folder=folder).stdout)
    assert made["number"] == 1
    assert made["signs_from"] == made["older_valid_until"]
    results, _ = findings(folder)
    assert results["master key"]["state"] == "ok"
    assert results["signing key"]["detail"].startswith("number 1, made 2")
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        database.execute("UPDATE signing_keys SET master = 'another'")
    results, status = findings(folder)
    assert (results["master key"]["state"], status) == ("error", 1)


def test_a_new_customer_key_is_that_of_the_database(folder, monkeypatch):
    monkeypatch.setattr(installation_keys, "STEADY_SECONDS", 0.0)
    assert tap2("keys", "rotate", folder=folder).exit_code == 0
    rotated = json.loads(tap2("keys", "rotate-customer", "--json", folder=folder).stdout)
    assert rotated["new_key"]
    results, status = findings(folder)
    assert (results["key of this database"]["detail"], status) == (f"fingerprint {rotated['fingerprint']}", 0)
