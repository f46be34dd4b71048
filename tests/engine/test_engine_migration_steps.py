"""Each migration goes one step down and up again with a row in every table, and loses nothing that both steps have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, inspect, text

from engine.clock import now_ms
from engine.migrate import configuration
from engine.model.timestamps import DAY
from tests.marks import first_values

SCRIPTS = ScriptDirectory.from_config(configuration())
REVISIONS = sorted(script.revision for script in SCRIPTS.walk_revisions())
NEWEST = 12
"""Migrations that `make test` tries; the older ones have not changed, and `make verify` tries them too."""
MERCHANT = """
INSERT INTO merchants (id, slug, mode, name, country, currency, locale, timezone, created_at, revision)
VALUES (1, 's', 'live', 'S', 'DE', 'EUR', 'de', 'UTC', 1, 0)
"""
VALUES = {str: "1", bytes: b"1"}
AS_TEXT = {
    "id": f"dec_{1:032x}",
    "customer": f"{1:032x}",
    "decided_at": 0,
    "answer": f'{{"decision_id":"dec_{1:032x}"}}',
}
TEXTS = ("DE", "s", '{"cart.total":5}', "{}", '{"decision_id":""}')
COMPACT = {
    "id": (1).to_bytes(16),
    "customer": (1).to_bytes(16),
    "dictionary": 0,
    "record": zstandard.compress(msgspec.msgpack.encode(TEXTS)),
}
ONE_WAY = {
    "0002": "amounts and slots cannot be put back",
    "0047": "encrypted with data keys cannot be read",
}
"""Migrations that cannot be taken back, with what they say."""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'tap2.sqlite'}")


@pytest.fixture(scope="module")
def copy_at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], None]:
    """Copies an empty database at a revision to a path; each revision is migrated to once."""
    folder = tmp_path_factory.mktemp("revisions")

    def copy(revision: str, target: Path) -> None:
        source = folder / revision
        if not source.exists():
            previous = SCRIPTS.get_revision(revision).down_revision
            if previous:
                copy(previous, source)
            migrated = create_engine(f"sqlite:///{source}")
            go_up(migrated, revision)
            migrated.dispose()
        shutil.copy(source, target)

    return copy


def go_up(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        command.upgrade(configuration(connection), revision)


def go_down(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        command.downgrade(configuration(connection), revision)


def tables_of(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def fill(engine: Engine) -> None:
    """Put a row into each table; its numbers are 1, so it belongs to the merchant and the person with id 1."""
    with engine.begin() as connection:
        for table in tables_of(connection):
            row = {column.name: VALUES.get(column.type.python_type, 1) for column in table.columns}
            if table.name == "decisions":
                row |= COMPACT if "record" in row else AS_TEXT
            # A server's event; those of browsers do not survive a step down.
            row |= {"space": ""} if "space" in row else {}
            connection.execute(table.insert().values(row))


def schema(engine: Engine) -> dict[str, object]:
    """Return columns, keys and indexes by table, as the database reports them."""
    with engine.connect() as connection:
        reader = inspect(connection)
        return {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in reader.get_columns(name)],
                reader.get_pk_constraint(name)["constrained_columns"],
                sorted(str(index["name"]) for index in reader.get_indexes(name)),
                sorted(tuple(unique["column_names"]) for unique in reader.get_unique_constraints(name)),
            )
            for name in reader.get_table_names()
        }


def rows(engine: Engine) -> dict[str, list[dict[str, object]]]:
    with engine.connect() as connection:
        return {
            name: [
                {key: as_text(value) for key, value in row.items()}
                for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"').mappings()
            ]
            for name in inspect(connection).get_table_names()
            if name != "alembic_version"
        }


def as_text(value: object) -> object:
    """Return ids as their hex digits, which are stored as texts or as bytes."""
    if isinstance(value, bytes):
        return value.hex()
    return value.removeprefix("dec_") if isinstance(value, str) else value


def kept(before: dict[str, list[dict[str, object]]], after: dict[str, list[dict[str, object]]]) -> None:
    """Check that the rows of tables which both have stay, in the columns that both have."""
    for name in before.keys() & after.keys():
        for old in before[name]:
            same = [{key: row[key] for key in old.keys() & row.keys()} for row in after[name]]
            assert any(row.items() <= old.items() for row in same), f"{name} lost {old}"


def test_revisions_are_numbered_without_a_gap():
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert SCRIPTS.get_heads() == [REVISIONS[-1]]


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_migration_has_a_description(revision):
    assert len(SCRIPTS.get_revision(revision).doc or "") > 10


@pytest.mark.parametrize("revision", first_values([each for each in REVISIONS[::-1] if each not in ONE_WAY], NEWEST))
def test_migration_is_reversible_with_data(engine, copy_at, tmp_path, revision):
    previous = SCRIPTS.get_revision(revision).down_revision or "base"
    copy_at(revision, tmp_path / "tap2.sqlite")
    fill(engine)
    full, newest = schema(engine), rows(engine)
    go_down(engine, previous)
    older = rows(engine)
    kept(newest, older)
    go_up(engine, revision)
    assert schema(engine) == full
    kept(older, rows(engine))


@pytest.mark.parametrize(("revision", "message"), ONE_WAY.items())
def test_irreversible_migration_has_an_error(engine, revision, message):
    go_up(engine, revision)
    fill(engine)
    before = schema(engine), rows(engine)
    with pytest.raises(NotImplementedError, match=message):
        go_down(engine, SCRIPTS.get_revision(revision).down_revision)
    assert (schema(engine), rows(engine)) == before


def test_downgrade_deletes_events_of_browsers(engine):
    go_up(engine, "0007")
    fill(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE outcomes SET space = ''"))
        connection.execute(
            text(
                "INSERT INTO outcomes (merchant_id, event_id, placement, type, occurred_at, recorded_at, space) "
                "VALUES (1, '1', 'p', 'shown', 1, 1, 'dec_1')"
            )
        )
    go_down(engine, "0006")
    assert [row["event_id"] for row in rows(engine)["outcomes"]] == ["1"]


def test_the_compact_log_keeps_every_text(engine):
    go_up(engine, "0031")
    fill(engine)
    before = rows(engine)["decisions"]
    go_down(engine, "0030")
    [row] = rows(engine)["decisions"]
    assert (row["bucket"], row["stratum"], row["facts"], row["history"]) == TEXTS[:4]
    assert row["answer"] == f'{{"decision_id":"dec_{1:032x}"}}'
    go_up(engine, "0031")
    assert rows(engine)["decisions"] == before


def test_downgrade_keeps_the_rules_of_drafts(engine):
    go_up(engine, "0010")
    with engine.begin() as connection:
        connection.execute(text(MERCHANT))
        for kind in ("rule", "candidate"):
            connection.execute(
                text(f"INSERT INTO draft_changes VALUES (1, 'p', '{kind}', 'r1', '{{}}', 1, 1, 'a@b.c', 1, '[]')")
            )
    go_down(engine, "0009")
    assert [row["rule_id"] for row in rows(engine)["draft_rules"]] == ["r1"]
    go_up(engine, "0010")
    assert [row["kind"] for row in rows(engine)["draft_changes"]] == ["rule"]


def test_authors_of_old_drafts_are_people_only(engine):
    go_up(engine, "0009")
    with engine.begin() as connection:
        connection.execute(text(MERCHANT))
        connection.execute(
            text(
                "INSERT INTO users (id, email, name, slug, role, password_hash, created_at) "
                "VALUES (1, 'ada@shop.example', 'Ada', 's', 'admin', 'x', 1)"
            )
        )
        for id, author in (("a", "ada@shop.example"), ("k", "key server")):
            connection.execute(text(f"INSERT INTO draft_rules VALUES (1, 'p', '{id}', NULL, 1, 1, '{author}', 1)"))
    go_up(engine, "0010")
    authors = {row["id"]: row["authors"] for row in rows(engine)["draft_changes"]}
    assert authors == {"a": '["ada@shop.example"]', "k": "[]"}


def test_earlier_session_was_last_used_at_its_start(engine):
    go_up(engine, "0011")
    fill(engine)
    go_up(engine, "0012")
    [session] = rows(engine)["sessions"]
    assert (session["last_seen_at"], session["browser"]) == (session["created_at"], "")


@pytest.mark.parametrize(("revision", "name"), [("0009", "arrivals"), ("0014", "amounts"), ("0035", "metric_hours")])
def test_new_sums_of_an_old_log_begin_tomorrow(engine, revision, name):
    previous = SCRIPTS.get_revision(revision).down_revision
    go_up(engine, previous)
    fill(engine)
    go_up(engine, revision)
    tomorrow = {row["name"]: row["day"] for row in rows(engine)["fold_starts"]}[name]
    assert tomorrow in (now_ms() // DAY, now_ms() // DAY + 1)


@pytest.mark.parametrize("revision", ["0009", "0014", "0035"])
def test_new_sums_of_an_empty_log_are_complete(engine, revision):
    go_up(engine, revision)
    assert rows(engine)["fold_starts"] == []


def test_earlier_experiments_keep_shared_learning(engine):
    go_up(engine, "0017")
    with engine.begin() as connection:
        connection.execute(text(MERCHANT))
        document = '{"id":"e","share":0.5}'
        connection.execute(
            text("INSERT INTO resources VALUES (1, 'experiment', 'methods', 'e', 1, :document, 0)"),
            {"document": document},
        )
        connection.execute(
            text("INSERT INTO plans VALUES (1, 'methods', 1, :document, 0, 'ada', '')"),
            {"document": f'{{"experiments":[{document}],"keeps_order":true}}'},
        )
    go_up(engine, "0018")
    with engine.connect() as connection:
        changed = '{"id":"e","share":0.5,"learning":"shared"}'
        assert connection.execute(text("SELECT document FROM resources")).scalar() == changed
        assert changed in str(connection.execute(text("SELECT document FROM plans")).scalar())
    go_down(engine, "0017")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT document FROM resources")).scalar() == document
