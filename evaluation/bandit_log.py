"""Read the logs of the Open Bandit Dataset: each row is one item shown at one of three positions.

Saito, Aihara, Matsutani, Narita, "Open Bandit Dataset and Pipeline", arXiv 2008.07146.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

POSITIONS = 3
USER, ITEM = "user_feature_", "item_feature_"
NEEDED = ("item_id", "position", "click", "propensity_score")


class BadLog(Exception):
    """Raised if a file is not a log of the Open Bandit Dataset; the message names the line and what was expected."""


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """One item shown, as logged.

    `position` counts from 1, `propensity` is the probability that the logging policy showed this item at this position.
    `user` are the user's features, hashed.
    """

    item: str
    position: int
    clicked: bool
    propensity: float
    user: tuple[str, ...] = field(default=(), compare=False)


def read_log(path: Path, *, limit: int | None = None) -> list[LoggedRow]:
    """Return the rows of a file (CSV, plain or gzip) in their order, at most `limit`. Raises BadLog."""
    with _opened(path) as file:
        rows = list(islice(_rows(path, file), limit))
    if not rows:
        raise BadLog(f"{path.name}: there are no rows in it")
    return rows


def read_items(path: Path) -> list[str]:
    """Return the item ids of an item_context file. Raises BadLog."""
    with _opened(path) as file:
        items = [fields["item_id"] for _, fields in _records(path, file, ("item_id",))]
    if len(set(items)) != len(items):
        raise BadLog(f"{path.name}: an item_id appears twice")
    return items


def read_item_features(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the features of each item of an item_context file, by id. Raises BadLog."""
    with _opened(path) as file:
        return {
            fields["item_id"]: tuple(
                value for name, value in fields.items() if name and name.startswith("item_feature_")
            )
            for _, fields in _records(path, file, ("item_id",))
        }


def read_posteriors(path: Path) -> dict[str, tuple[float, float]]:
    """Return the (alpha, beta) of each item's Beta distribution, by id. Raises BadLog."""
    with _opened(path) as file:
        posteriors = {}
        for line, fields in _records(path, file, ("item_id", "alpha", "beta")):
            try:
                posteriors[fields["item_id"]] = float(fields["alpha"]), float(fields["beta"])
            except (TypeError, ValueError):
                raise BadLog(f"{path.name}, line {line}: alpha and beta must be numbers") from None
    return posteriors


def items_of(rows: list[LoggedRow]) -> list[str]:
    """Return all items of a log, sorted by number."""
    return sorted({row.item for row in rows}, key=lambda item: (len(item), item))


def campaign_of(path: Path) -> str:
    """Return the campaign in a file name, such as `all` in `random-all.csv.gz`; without a dash, the name itself."""
    return path.name.split(".", 1)[0].rsplit("-", 1)[-1].lower()


def _rows(path: Path, file: TextIO) -> Iterator[LoggedRow]:
    for line, fields in _records(path, file, NEEDED):
        try:
            yield _row(fields)
        except (TypeError, ValueError) as error:
            raise BadLog(f"{path.name}, line {line}: {error}") from None


def _row(fields: dict[str, str]) -> LoggedRow:
    position, click, propensity = int(fields["position"]), fields["click"], float(fields["propensity_score"])
    if not fields["item_id"]:
        raise ValueError("item_id is empty")
    if not 1 <= position <= POSITIONS:
        raise ValueError(f"position must be 1 to {POSITIONS}, not {position}")
    if click not in ("0", "1"):
        raise ValueError(f"click must be 0 or 1, not {click!r}")
    if not 0 < propensity <= 1:
        raise ValueError(f"propensity_score must be above 0 and at most 1, not {propensity}")
    return LoggedRow(fields["item_id"], position, click == "1", propensity, _starting_with(USER, fields))


def _starting_with(prefix: str, fields: dict[str, str]) -> tuple[str, ...]:
    return tuple(value for name, value in fields.items() if name and name.startswith(prefix))


def _records(path: Path, file: TextIO, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise BadLog(f"{path.name}: the first line must name the column {missing[0]}")
        for fields in reader:
            yield reader.line_num, fields
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadLog(f"{path.name}: not a readable CSV file ({error})") from None


def _opened(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="")
        return path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise BadLog(f"{path}: {error.strerror or error}") from None
