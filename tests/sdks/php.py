"""PHP and its client, where PHP is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.process import ROOT

PACKAGE = ROOT / "sdks" / "php"
PHP = shutil.which("php") or ""
ORDER = ["card", {"id": "paypal", "label": "PayPal"}]
TIMEOUT = 20.0
NO_PHP = "no PHP: apt-get install --no-install-recommends php-cli"
needs_php = pytest.mark.skipif(not PHP, reason=NO_PHP)


class Run(NamedTuple):
    """The results of the calls, the seconds of each, and the reported hidden errors."""

    results: list[Any]
    seconds: list[float]
    reported: list[list[str]]


def run(url: str, *calls: tuple[str, list[Any]], key: str = "sk_test_x", certificates: str = "", **options: Any) -> Run:
    """Carry out calls of one client, which trusts the certificates in a file."""
    patient = {"fallback": {"payment_methods": ORDER}, "timeout": TIMEOUT, "requestTimeout": TIMEOUT}
    given = json.dumps({"options": {"url": url, "key": key, **patient, **options}, "calls": calls})
    trusted = ["-d", f"openssl.cafile={certificates}"] if certificates else []
    answer = json.loads(php(*trusted, Path(__file__).with_name("php_driver.php"), text=given))
    results = answer["results"]
    return Run([each["result"] for each in results], [each["seconds"] for each in results], answer["reported"])


def php(*arguments: Any, text: str = "") -> str:
    """Run PHP, with every notice an error; return what it prints."""
    strict = ["-d", "display_errors=stderr", "-d", "error_reporting=-1"]
    if "TAP2_PHP_COVERAGE" in os.environ:
        noting = Path(__file__).with_name("php_coverage.php")
        strict += ["-d", "pcov.enabled=1", "-d", f"pcov.directory={PACKAGE}", "-d", f"auto_prepend_file={noting}"]
    done = subprocess.run(
        [PHP, *strict, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout
