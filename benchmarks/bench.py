"""`make bench`: every measurement of speed, its table kept in docs/performance.md. About ten minutes.

`python -m benchmarks.bench in-process` measures the kernel, rules and bandits only, in two minutes.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.process import ROOT
from benchmarks.published import put
from benchmarks.speed import bandits, experiment_looks, kernel, log_size, rules, server, stages
from benchmarks.verify import machine

PAGE = ROOT / "docs" / "performance.md"


IN_PROCESS = "in-process"


def main(arguments: list[str]) -> None:
    if arguments == [IN_PROCESS]:
        return in_process(f"python -m benchmarks.bench {IN_PROCESS}")
    server.main(["--write"])
    stages.main(write=True)
    log_size.main(write=True)
    experiment_looks.main(write=True)
    return in_process("make bench")


def in_process(command: str) -> None:
    """Measure what needs no server."""
    figures = [*kernel.figures(), *rules.figures(), *bandits.figures()]
    steps = zip(bandits.times(8), bandits.times(80), strict=True)
    lines = [
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}; {machine()}. p50 of many rounds; contenders take turns.",
        "",
        "| what | goal | measured |",
        "|---|---|---|",
        *(f"| {what} | {goal} | {measured} |" for what, goal, measured in figures),
        "",
        "| a bandit's step | 8 candidates | 80 candidates |",
        "|---|---:|---:|",
        *(f"| {name} | {few:.1f} us | {many:.1f} us |" for (name, few), (_, many) in steps),
    ]
    put(PAGE, "kernel", "\n".join(lines))
    Console().print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
