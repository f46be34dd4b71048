"""Run other implementations of JSON-logic, for comparison."""

import importlib
import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_NODE = """
const jsonLogic = require(process.argv[1]);
console.log = () => {};
const plain = v => {
  if (v === undefined || typeof v === "function") return null;
  if (typeof v === "number" && !Number.isFinite(v)) return {"number": String(v)};
  if (Array.isArray(v)) return Array.from(v, plain);
  if (v === null || typeof v !== "object") return v;
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
};
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const [logic, data] = JSON.parse(line);
  let answer;
  try { answer = {answer: plain(jsonLogic.apply(logic, data))}; } catch (error) { answer = {error: String(error)}; }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""


def shared_suite() -> Path | None:
    """Return the file of cases that all implementations of JSON-logic are expected to pass, if it is available."""
    folder = Path(os.environ.get("TAP2_SHARED_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "jsonlogic" / "compatible.json"
    return path if path.exists() else None


def panzi() -> Callable[[object, object], object]:
    """Return panzi-json-logic's `apply`, in a module of the package `json_logic` that json-logic-qubit shares."""
    return importlib.import_module("json_logic.apply").apply  # type: ignore[no-any-return]


def qubit() -> Callable[[object, object], object]:
    """Return json-logic-qubit's `jsonLogic`, which is in the `__init__` of the package shared with panzi-json-logic."""
    module = importlib.import_module("json_logic")
    if not hasattr(module, "rule_like"):
        raise ImportError("panzi-json-logic was installed over json-logic-qubit: reinstall json-logic-qubit")
    return module.jsonLogic  # type: ignore[no-any-return]


def json_logic_js() -> str | None:
    """Return the folder of the npm package json-logic-js, if TAP2_JSON_LOGIC_JS names it and node is installed."""
    folder = os.environ.get("TAP2_JSON_LOGIC_JS")
    return str(Path(folder).resolve()) if folder and shutil.which("node") else None


def answers_of_js(folder: str, cases: Iterable[tuple[object, object]]) -> list[dict[str, object]]:
    """Return `{"answer"}` or `{"error"}` of json-logic-js per case, with infinities and NaN as {"number": text}."""
    lines = "".join(f"{json.dumps(case)}\n" for case in cases)
    process = subprocess.run(["node", "-e", _NODE, folder], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in process.stdout.splitlines()]


def as_js_prints(value: object) -> object:
    """Return the result of `apply` in the form of `answers_of_js`."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")}
    if isinstance(value, list):
        return [as_js_prints(item) for item in value]
    return {key: as_js_prints(item) for key, item in value.items()} if isinstance(value, dict) else value


def same(first: object, second: object) -> bool:
    """Return whether the values are equal as JSON: 1 equals 1.0 but not true; NaN equals NaN."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, int | float) and isinstance(second, int | float):
        return first == second or (first != first and second != second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return type(first) is type(second) and first == second
