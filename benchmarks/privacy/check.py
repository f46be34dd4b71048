"""Rights and data of customers: tables of `make verify`.

`python -m benchmarks.verify privacy` searches for what customers leave who are erased or refuse; `plain-words` searches
a server's files; `preferences` measures how soon a wish is obeyed and what that costs, on 8 GB of disk;
`customer-key` replaces the customer key. Small ones run with `make test`: tests/engine/test_engine_erasure.py,
test_engine_consents.py, test_engine_preferences.py and test_engine_customer_rotation.py.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.privacy import costing, erasing, loaded, look_ups, obeying, opting_out, rotating

Figure = tuple[str, str, str]


def privacy() -> list[Figure]:
    """Return what is left of customers who are erased, who opt out, and who refuse a purpose."""
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(erasing.figures(Path(name)))
    return [*rows, *opting_out.figures()]


def plain_words() -> list[Figure]:
    """Return what a server's files contain in plain."""
    return loaded.figures()


def preferences() -> list[Figure]:
    """Return how soon preferences are obeyed, and what reading them costs."""
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(costing.figures(Path(name)))
    return [*obeying.figures(), *rows, *look_ups.figures()]


def customer_key() -> list[Figure]:
    """Return what a new customer key changes, and what it takes."""
    return rotating.figures()
