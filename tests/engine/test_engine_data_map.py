"""Every table is in the data map, and columns that could name a customer are."""

from __future__ import annotations

from engine.store.customers.data_map import DATA_MAP, ENTRIES, UNLISTED
from engine.store.tables import metadata

NAMES_A_CUSTOMER = {"customer", "unit"}


def test_every_table_is_listed_once():
    assert set() == UNLISTED, "say in engine/store/customers/data_map.py what these know of customers"
    assert len(ENTRIES) == len(DATA_MAP)


def test_tables_with_a_customer_are_erased():
    named = {table.name for table in metadata.tables.values() if NAMES_A_CUSTOMER & set(table.columns.keys())}
    assert {name for name in named if ENTRIES[name].erasure == "none"} == set()
    assert {name for name in named if not ENTRIES[name].column} == set()


def test_a_map_names_only_tables_that_exist():
    assert ENTRIES.keys() - set(metadata.tables) == set()
