"""Build the wheel, install it into an empty environment, serve from it, ask for a page and a decision.

Run as `python .ci/check_wheel.py`; takes one to two minutes and needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
NEEDED = (
    "web/templates/shell/base.html",
    "web/templates/paper/paper.typ",
    "web/static/admin.css",
    "web/static/vendor/htmx.min.js",
    "web/static/vendor/icons.svg",
    "simulation/scenarios/shoppers.toml",
    "migrations/script.py.mako",
    "migrations/versions/0001_first.py",
)


def run(*command: str | Path, cwd: Path, **settings: str) -> str:
    """Run a command and return its output. Exits with the output if the command fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TAP2_", "PYTHONPATH"))}
    done = subprocess.run(
        command, cwd=cwd, env=environment | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def build(folder: Path) -> Path:
    """Build the wheel into the folder and check its list of files."""
    # setuptools packs what an earlier build left there, deleted modules included.
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    wheel = next(folder.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise SystemExit(f"{wheel.name} lacks {', '.join(missing)}")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel into a new environment with the tested versions, and return its folder of commands."""
    venv.create(folder / "venv", with_pip=True)
    commands = folder / "venv" / "bin"
    run(commands / "pip", "install", "--quiet", "--no-compile", "-c", ROOT / "constraints.txt", wheel, cwd=folder)
    return commands


@contextmanager
def serve(commands: Path, folder: Path) -> Iterator[str]:
    """Serve from the installed wheel, in a folder of its own; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "TAP2_PORT": str(port)}
    server = subprocess.Popen([commands / "tap2", "serve"], cwd=folder, env=environment)
    try:
        wait_until_ready(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            if urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def check_page(url: str) -> None:
    """Check that the log-in page renders, and that every file that it names is served."""
    page = urllib.request.urlopen(f"{url}/admin/login", timeout=10).read().decode()
    if "<form" not in page:
        raise SystemExit("the log-in page has no form")
    paths = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))
    for path in paths:
        urllib.request.urlopen(url + path, timeout=10).read()
    print(f"log-in page: rendered, {len(paths)} files served")


def check_decision(url: str, key: str) -> None:
    """Check that a new placement with two candidates answers with a decision that is no fallback."""
    send(url, key, "placements", {"key": "payment_methods", "name": "Payment methods"})
    methods = [{"id": method, "label": method, "type": method} for method in ("card", "paypal")]
    send(url, key, "placements/payment_methods/candidates", methods)
    decision = send(url, key, "personalize/decisions", {"placement": "payment_methods", "customer_id": "c_1"})
    ranking = [candidate["id"] for candidate in decision["ranking"]]
    if decision["fallback"] or sorted(ranking) != ["card", "paypal"]:
        raise SystemExit(f"not the expected decision: {decision}")
    print(f"decision {decision['decision_id']}: {', '.join(ranking)}")


def send(url: str, key: str, path: str, document: object) -> dict:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/{path}", json.dumps(document).encode(), headers)
    return json.loads(urllib.request.urlopen(request, timeout=10).read())


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = install(build(folder), folder)
        shop = folder / "shop"
        shop.mkdir()
        run(commands / "tap2", "merchant", "add", "bakery", "--country", "DE", "--currency", "EUR", cwd=shop)
        create = ("keys", "create", "--merchant", "bakery", "--kind", "secret", "--json")
        issued = run(commands / "tap2", *create, cwd=shop)
        with serve(commands, shop) as url:
            check_page(url)
            check_decision(url, json.loads(issued)["key"])
    print(f"the wheel serves ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
