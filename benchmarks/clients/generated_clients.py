"""Clients that others' generators make of the OpenAPI document decide, and Prometheus' tool accepts the metrics.

`python -m benchmarks.verify generated-clients`, a few minutes. It downloads the generators, and needs Java, PHP with
Debian's `php-guzzlehttp-guzzle`, Node, and `promtool` of Debian's `prometheus`.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from benchmarks.clients.killable import METHODS, Killable, killable

PROGRAMS = Path(__file__).parent / "generated"
PYTHON_PACKAGES = ("openapi-python-client==0.29.1", "openapi-generator-cli==7.26.0", "httpx")
NODE_PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5", "@types/node@20")
ORDERS = {",".join(ids) for ids in itertools.permutations(method["id"] for method in METHODS)}
NEEDED = ("java", "php", "node", "npm", "promtool")


def figures() -> Iterator[tuple[str, str, str]]:
    """Yield (what, goal, measured)."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        raise SystemExit(f"this check needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="tap2-generated-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        with killable(data) as shop:
            (folder / "openapi.json").write_bytes(httpx.get(f"{shop.url}/docs/openapi.json", timeout=60).content)
            python = _environment(folder)
            yield "openapi-generator, PHP: a client of it", "decides", _by_php(folder, python, shop)
            yield "openapi-python-client: a client of it", "decides", _by_python(folder, python, shop)
            yield "openapi-typescript: types of it, strict", "decides", _by_typescript(folder, shop)
            yield "promtool check metrics", "accepts", _metrics(folder, shop)


def _environment(folder: Path) -> Path:
    _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
    python = folder / "venv" / "bin" / "python"
    _run([str(python), "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES], folder)
    return python


def _by_php(folder: Path, python: Path, shop: Killable) -> str:
    generator = [str(python.with_name("openapi-generator-cli")), "generate", "-g", "php"]
    _run([*generator, "-i", "openapi.json", "-o", "php"], folder)
    return _decided(["php", str(PROGRAMS / "decide.php"), str(folder / "php"), shop.url, shop.key], folder)


def _by_python(folder: Path, python: Path, shop: Killable) -> str:
    generator = [str(python.with_name("openapi-python-client")), "generate", "--path", "openapi.json"]
    _run([*generator, "--output-path", "generated", "--meta", "none"], folder)
    program = folder / "decide.py"
    shutil.copy(PROGRAMS / program.name, program)
    return _decided([str(python), str(program), shop.url, shop.key], folder)


def _by_typescript(folder: Path, shop: Killable) -> str:
    _run(["npm", "install", "--silent", *NODE_PACKAGES], folder)
    _run(["npx", "openapi-typescript", "openapi.json", "-o", "api.d.ts"], folder)
    shutil.copy(PROGRAMS / "decide.mts", folder)
    _run(["npx", "tsc", "--strict", "--module", "nodenext", "--target", "es2022", "decide.mts"], folder)
    return _decided(["node", "decide.mjs", shop.url, shop.key], folder)


def _metrics(folder: Path, shop: Killable) -> str:
    _run(["promtool", "check", "metrics"], folder, httpx.get(f"{shop.url}/metrics", timeout=60).text)
    return "accepts"


def _decided(command: Sequence[str], folder: Path) -> str:
    order = _run(command, folder).strip().splitlines()[-1]
    return f"decides: {order}" if order in ORDERS else f"answers {order!r}"


def _run(command: Sequence[str], folder: Path, text: str | None = None) -> str:
    ran = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, timeout=600)
    if ran.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout
