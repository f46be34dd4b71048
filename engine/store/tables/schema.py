"""What all tables have in common: names of keys and indexes, and columns that most of them have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def long_integer() -> TypeEngine[int]:
    """SQLite numbers rows by itself only in a column of type INTEGER, which has 64 bits there."""
    return BigInteger().with_variant(Integer(), "sqlite")


def merchant_column() -> Column[int]:
    return Column("merchant_id", Integer, ForeignKey("merchants.id"), nullable=False)


def writer_column() -> Column[int]:
    """Return the column that tells the rows of processes apart, which add to sums of their own; 0 on SQLite."""
    return Column("writer", Integer, nullable=False, server_default="0")
