"""CSV files: spreadsheets must not run what merchants typed, and caches must not keep the figures."""

from __future__ import annotations

import csv
import io

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from web.admin.shell.csv_file import csv_file


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_looks_like_a_formula_is_neutralised(start: str):
    text = f'{start}HYPERLINK("http://evil")'
    rows = list(csv.reader(io.StringIO(csv_file("a.csv", [["label"], [text]]).content, newline="")))
    assert rows == [["label"], [f"'{text}"]]


def test_numbers_stay_numbers():
    content = csv_file("a.csv", [["low", "high"], [-0.25, -3], [None, "card"]]).content
    assert content == "low,high\r\n-0.25,-3\r\n,card\r\n"


def test_response_names_the_charset_once_and_forbids_caching():
    @get("/")
    async def handler() -> object:
        return csv_file("a.csv", [["label"]])

    with TestClient(Litestar([handler], openapi_config=None, logging_config=None)) as client:
        answer = client.get("/")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.csv"'
