"""The command line of `make faults`, its figures and its exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.checker import hits
from tests.faults.run import Outcome, Scale, run
from virtbus.operations import OPERATIONS, Kind

FIGURES = Path(__file__).parents[2] / "faults.json"
SHOWN = 60
"""Violations that are printed; all of them are in the figures."""
HIT_SHARE = 0.25
"""The share of faults that must strike while a job is under way."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="make faults", description="Jobs on simulated hosts and on QEMU while processes are killed and frozen."
    )
    result.add_argument("--seed", type=int, default=None, help="repeat the faults of an earlier run")
    result.add_argument("--jobs", type=int, default=500, help="jobs on simulated hosts, at least")
    result.add_argument("--qemu-jobs", type=int, default=50, help="jobs on QEMU, at least; 0 leaves QEMU out")
    result.add_argument("--faults", type=int, default=40, help="processes that are killed or frozen")
    result.add_argument("--quick", action="store_true", help="a small run without QEMU")
    result.add_argument("--history", type=Path, help="write everything that was recorded there, as JSON")
    result.add_argument("--output", type=Path, default=FIGURES, help="where the figures are written")
    return result


def main(argv: Sequence[str]) -> int:
    """Run, print, write the figures; 1 where a promise was broken."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    seed = random.randrange(1 << 31) if arguments.seed is None else arguments.seed
    scale = Scale(seed, arguments.jobs, arguments.qemu_jobs, arguments.faults)
    if arguments.quick:
        scale = Scale(seed, 60, 0, 6, simulated_hosts=1, longest=3.0, pause=0.5)
    if scale.qemu_jobs and shutil.which("qemu-system-x86_64") is None:
        print("QEMU is missing: apt-get install qemu-system-x86 qemu-utils, or leave it out with --qemu-jobs 0")
        return 2
    began = time.monotonic()
    outcome = asyncio.run(run(scale, lambda text: print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)))
    shown = figures(outcome)
    arguments.output.write_text(json.dumps(shown, indent=2) + "\n")
    if arguments.history is not None:
        arguments.history.write_text(json.dumps(asdict(outcome.history), indent=1) + "\n")
    problems = [*(f"{one.promise}: {one.text}" for one in outcome.violations), *outcome.notes]
    if not arguments.quick:
        problems += shortfalls(outcome)
    report(outcome, shown, problems)
    return 1 if problems else 0


def figures(outcome: Outcome) -> dict[str, Any]:
    """What is written to faults.json."""
    counts, history = outcome.counts, outcome.history
    actions = [f"{fault.action} {fault.target}" for fault in history.faults]
    recoveries = sorted(seconds for fault in history.faults for seconds in fault.recovery.values())
    return {
        "jobs": len(history.jobs),
        "faults": len(history.faults),
        "lost": counts["lost"],
        "doubled": counts["doubled"],
        "events_missing": counts["events_missing"],
        "events_doubled": counts["events_doubled"],
        "disturbed": counts["disturbed"],
        "recovery_max_s": round(outcome.recovery_max, 3),
        "seed": outcome.scale.seed,
        "other_violations": {
            promise: counts[promise] for promise in ("unfounded", "misreported", "early", "order", "recovery")
        },
        "jobs_by_host": dict(outcome.jobs),
        "effects": len(history.effects),
        "events": len(history.replayed),
        "faults_by_kind": {action: actions.count(action) for action in sorted(set(actions))},
        "faults_while_a_job_ran": outcome.hit,
        "freezes_longer_than_a_session": sum(fault.until - fault.at > 10 for fault in history.faults),
        "recovery_median_s": round(recoveries[len(recoveries) // 2], 3) if recoveries else 0.0,
        "fault_log": [
            {
                "target": fault.target, "action": fault.action, "at": round(fault.at, 3),
                "seconds": round(fault.until - fault.at, 3), "jobs_under_way": [job.job for job in running],
                "recovery_s": {host: round(seconds, 3) for host, seconds in fault.recovery.items()},
            }
            for fault, running in hits(history)
        ],
        "operations": sorted(outcome.operations),
        "seconds": round(outcome.seconds, 1),
        "violations": [f"{one.promise}: {one.text}" for one in outcome.violations],
    }


def shortfalls(outcome: Outcome) -> list[str]:
    """Where a whole run was not the run that was promised."""
    declared = {name for name, operation in OPERATIONS.items() if operation.kind is Kind.JOB}
    if not outcome.scale.qemu_jobs:
        declared -= {"qemu.monitor-command"}
    problems = [f"coverage: no {name} was asked" for name in sorted(declared - outcome.operations)]
    if outcome.hit < HIT_SHARE * len(outcome.history.faults):
        problems.append(f"coverage: only {outcome.hit} of {len(outcome.history.faults)} faults struck during a job")
    return problems


def report(outcome: Outcome, shown: dict[str, Any], problems: Sequence[str]) -> None:
    """Print the figures, and each broken promise with its reason."""
    for name, value in shown.items():
        if name not in ("violations", "fault_log"):
            print(f"  {name:32} {value}")
    for text in problems[:SHOWN]:
        print(f"BROKEN {text}")
    if len(problems) > SHOWN:
        print(f"... and {len(problems) - SHOWN} more")
    print("every promise held" if not problems else f"{len(problems)} problems", file=sys.stderr)
