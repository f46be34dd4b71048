"""Check the verifier: a log of the engine is recomputed in JavaScript, and every changed bit is noticed.

`python -m benchmarks.verify verifier` takes some minutes. `python -m benchmarks.checks.verifier DECISIONS` takes
another log. tests/sdks/test_verifier.py runs a small version.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.checks.drawn_orders import FACTS, IDS, SETTINGS, plan_of, snapshot_of
from benchmarks.checks.engine import TOGETHER, Shop, open_shops, opened
from benchmarks.process import ROOT
from engine.clock import now_ms
from engine.insights.verification_export import ExportedDecisions, export_for_verification
from engine.insights.verification_lines import AnsweredRequest, VerificationLines
from engine.kernel.kernel import decide
from engine.learning.active import Active
from engine.model.actor import Actor
from engine.model.experiment import Experiment, Variant
from engine.model.facts import Facts, Past
from engine.model.placement import Contextual
from engine.model.timestamps import DAY
from engine.settings import Settings

Figure = tuple[str, str, str]
FOLDER = ROOT / "sdks" / "verifier"
KERNEL_DECISIONS, DECISIONS, FEW_DECISIONS, CHANGES = 1_000_000, 50_000, 60, 1_000
REFRESHED = 0.2
"""The share of groups of decisions after which all beliefs are made anew: each version decides some thousand."""


async def write_log(folder: Path, decisions: int) -> tuple[Path, ExportedDecisions, float]:
    """Export a log of random decisions and outcomes; return how long the export took (s)."""
    settings = Settings(data=str(folder), decision_timeout_ms=60_000, refresh_seconds=3600)
    async with opened(settings) as engine:
        shop, luck = (await open_shops(engine))[0], random.Random(17)
        await _experiment(shop)
        while len(shop.answers) < decisions:
            await asyncio.gather(*(shop.decide(luck) for _ in range(min(TOGETHER, decisions))))
            await engine.recorder.outcomes([shop.report(luck, [shop]) for _ in range(TOGETHER // 4)])
            if luck.random() < REFRESHED:
                await engine.live.refresh(at_once=True)
        path, now, began = folder / f"{decisions}.ndjson", now_ms(), time.monotonic()
        span = {"begin": now - DAY, "end": now + DAY}
        exported = await export_for_verification(engine.database, shop.id, path, **span)
        return path, exported, time.monotonic() - began


def write_kernel_log(path: Path, decisions: int) -> int:
    """Write decisions of the kernel itself, with every policy but the contextual one; return how many."""
    settings = [setting for setting in SETTINGS if not isinstance(setting.placement["policy"], Contextual)]
    lines, luck = VerificationLines(), random.Random(3)
    with path.open("wb") as file:
        file.write(lines.header(0, 1))
        for setting in settings:
            active = Active(plan_of(setting))
            snapshot = snapshot_of(active.plan)
            beliefs = active.make(snapshot)
            for number in range(decisions // len(settings)):
                pasts = {name: Past(luck.random() * 9, luck.random() * 5, 1) for name in luck.sample(IDS, 2)}
                values = {**FACTS, "cart.total": luck.randrange(100, 50_000)}
                facts = Facts(values, pasts if number % 3 == 0 else {}, f"c{number % 5_000}")
                key = f"dec_{lines.decisions:012x}{luck.getrandbits(80):020x}"
                decision = decide(active.plan, beliefs, facts, key, expires_at="")
                file.writelines(lines.decision(active, snapshot, AnsweredRequest(decision, facts, {})))
        file.write(lines.end())
    return lines.decisions


async def _experiment(shop: Shop) -> None:
    variants = (Variant(id="control", name="As it is"), Variant(id="b", name="PayPal first", order=("paypal",)))
    document = Experiment(id="order", name="Order", share=0.8, variants=variants, minimum_days=0)
    actor = Actor(shop.id, "verify")
    await shop.engine.experiments.create(actor, "payment_methods", document)
    await shop.engine.experiments.start(actor, "payment_methods", document.id)


def run(*command: str) -> tuple[str, float]:
    """Run Node in the verifier's folder; return its output and the CPU time that it took (s)."""
    before = _cpu_seconds()
    done = subprocess.run(["node", *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip(), _cpu_seconds() - before


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def figures(decisions: int = DECISIONS) -> list[Figure]:
    """Return the figures of `make verify`."""
    with tempfile.TemporaryDirectory() as folder:
        many = write_kernel_log(Path(folder) / "kernel.ndjson", KERNEL_DECISIONS)
        all_output, all_seconds = run("verify.mjs", str(Path(folder) / "kernel.ndjson"))
        path, exported, seconds = asyncio.run(write_log(Path(folder), decisions))
        output, verifying = run("verify.mjs", str(path))
        size = path.stat().st_size / exported.decisions
        part = Path(folder) / "part"
        part.mkdir()
        few, few_exported, _ = asyncio.run(write_log(part, FEW_DECISIONS))
        missed = {kind: json.loads(run("test/changes.mjs", str(few), str(CHANGES), kind)[0])["missed"]
                  for kind in ("bits", "lies")}  # fmt: skip
    rate = exported.decisions / verifying
    return [
        (f"{many:,} decisions of the kernel with 10 settings, recomputed", "0 differences", all_output),
        ("the same, CPU time", "10 min", f"{all_seconds / 60:.1f} min"),
        (f"{exported.decisions:,} decisions of a log, recomputed", "0 differences", output),
        ("the same, CPU time", "", f"{rate:,.0f} decisions/s, 1,000,000 in {1e6 / rate / 60:.1f} min"),
        ("the export", "", f"{exported.decisions / seconds:,.0f} decisions/s, {size:,.0f} bytes each"),
        (f"{CHANGES:,} random bits of a file of {few_exported.decisions} decisions: changes missed", "0",
         f"{missed['bits']}"),
        (f"{CHANGES:,} random bits of checked fields, with digests made anew: changes missed", "0",
         f"{missed['lies']}"),
    ]  # fmt: skip


if __name__ == "__main__":
    for figure in figures(int(sys.argv[1])):
        print(*figure, sep="; ")
