"""An OpenID provider on a port of its own: `oauth2-mock-server`, which speaks the whole protocol with real keys."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "provider" / "serve.mjs"


class Provider:
    """A running provider, which logs everybody in as the person of `set_claims`."""

    def __init__(self, issuer: str, file: Path) -> None:
        self.issuer = issuer
        self._file = file

    def set_claims(self, **claims: Any) -> None:
        """Set the claims of the next tokens; `userinfo` holds those of the user info."""
        self._file.write_text(json.dumps(claims))


@contextmanager
def run_provider(folder: Path) -> Iterator[Provider]:
    """Run a provider; skip the test where Node or the package is missing."""
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "oauth2-mock-server").is_dir():
        pytest.skip("oauth2-mock-server is not installed: npm ci")
    file = folder / "claims.json"
    file.write_text("{}")
    command = [node, str(SCRIPT), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Provider(process.stdout.readline().strip(), file)
        finally:
            process.terminate()
