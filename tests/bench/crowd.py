"""Many domains at once: how fast they start, what their statistics cost, and what serving them takes in memory."""

from __future__ import annotations

import asyncio
import os
import statistics
from pathlib import Path
from typing import Any

from tests.bench import domains
from tests.bench.figure import Row, Target
from tests.bench.scene import Samples, Scene
from tests.bench.side import Side
from tests.bench.stack import Stack
from virtbus.operations.domain import ResumeDomain, SuspendDomain
from virtbus.state import DomainState

CALLERS = 4
RIVALS_CALLERS = (1, 2, 4)
QUIET = 0.25
"""Processors in use below which the guests count as idle."""
QUIET_LIMIT = 240.0
MOST_MISSING = 0.05


async def crowd(scene: Scene) -> list[Row]:
    """The rows of many domains."""
    names = [f"bench-{number:02d}" for number in range(scene.scale.crowd)]
    for side in scene.sides():
        for name in names:
            await side.define(domains.small(name, scene.file(side, f"{name}.img")))
    rows = [await _starts(scene, names)]
    for side in scene.sides():
        for name in names:
            await side.resume(name)
    await _idle(scene)
    rows.append(await _statistics(scene, names))
    rows.extend(await _memory(scene))
    for side in scene.sides():
        await side.crowd_destroy(names, CALLERS)
        for name in names:
            await side.undefine(name)
    return rows


async def _starts(scene: Scene, names: list[str]) -> Row:
    """Start them all, some times over; they stay after the last."""
    ours: list[float] = []
    theirs: dict[int, list[float]] = {callers: [] for callers in RIVALS_CALLERS}

    async def run(side: Side, callers: int, rates: list[float]) -> None:
        rates.append(len(names) / (await side.crowd_start(names, callers) / 1000))

    for turn in range(scene.scale.rounds):
        last = turn == scene.scale.rounds - 1
        await run(scene.ours, CALLERS, ours)
        if not last or scene.theirs is not None:
            await scene.ours.crowd_destroy(names, CALLERS)
        if scene.theirs is None:
            continue
        for callers in RIVALS_CALLERS:
            await run(scene.theirs, callers, theirs[callers])
            if not last or callers != RIVALS_CALLERS[-1]:
                await scene.theirs.crowd_destroy(names, CALLERS)
        if last:
            await scene.ours.crowd_start(names, CALLERS)
    measured = {callers: rates for callers, rates in theirs.items() if rates}
    best = max(measured, key=lambda callers: statistics.median(measured[callers]), default=None)
    notes: dict[str, Any] = {"domains": len(names), "callers": CALLERS, "rival's best number of callers": best}
    return Row(
        f"{len(names)} domains started paused", "1/s", ours, theirs[best] if best else (), Target(3, "more"),
        notes=notes,
    )  # fmt: skip


async def _idle(scene: Scene) -> None:
    """Wait until the guests have found nothing to boot and sleep."""
    ticks = os.sysconf("SC_CLK_TCK")
    async with asyncio.timeout(QUIET_LIMIT):
        while True:
            before = _qemu_ticks()
            await asyncio.sleep(1.0)
            if (_qemu_ticks() - before) / ticks < QUIET + 0.01 * 2 * scene.scale.crowd:
                return


def _qemu_ticks() -> int:
    """What all QEMUs of this machine have used of the processors."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if "(qemu-system" in text:
            fields = text.rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total


async def _statistics(scene: Scene, names: list[str]) -> Row:
    took = Samples()
    fields: dict[str, dict[str, set[str]]] = {}
    await scene.ours.statistics()
    for turn in range(scene.scale.surveys):
        for side in scene.sides(turn):
            ms, fields[side.key] = await side.statistics()
            took.add(side.key, ms)
    missing, share = _missing(fields.get("theirs", {}), fields["ours"])
    stale = await _stale(scene.ours, names[0], scene.scale.surveys)
    fails = [f"{share:.1%} of libvirt's fields are missing"] if share > MOST_MISSING else []
    if stale:
        fails.append(f"{stale} answers were older than the request")
    notes = {"missing": missing, "missing share": round(share, 4), "names": len(_all(fields["ours"])), "stale": stale}
    return Row(
        f"statistics of {len(names)} domains", "ms", took.ours, took.theirs, Target(0.5),
        fails=fails, notes=notes,
    )  # fmt: skip


def _all(fields: dict[str, set[str]]) -> set[str]:
    return set().union(*fields.values())


def _missing(theirs: dict[str, set[str]], ours: dict[str, set[str]]) -> tuple[list[str], float]:
    """The names that libvirt gives for a domain and we do not, and their share of all that it gives."""
    absent = [name for domain, names in theirs.items() for name in names - ours.get(domain, set())]
    given = sum(map(len, theirs.values()))
    return sorted(set(absent)), len(absent) / given if given else 0.0


async def _stale(ours: Stack, name: str, times: int) -> int:
    """How many answers were older than their request: what the kernel had counted before, or the state after a job."""
    stale = 0
    uuid = domains.uuid_of(name)
    for turn in range(times):
        await ours.client.run((SuspendDomain if turn % 2 == 0 else ResumeDomain)(**ours.where(name)))
        state = DomainState.PAUSED if turn % 2 == 0 else DomainState.RUNNING
        before = _used(ours.pid(name))
        _, found = await ours.survey()
        figures = next(domain.stats for domain in found if domain.uuid == uuid)
        stale += figures["state.state"] != state.number or figures["cpu.time"] < before
    if times % 2:
        await ours.client.run(ResumeDomain(**ours.where(name)))
    return stale


def _used(pid: int) -> int:
    """A process's user and system time in ns; the kernel counts it in ticks (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


async def _memory(scene: Scene) -> list[Row]:
    """The proportional set sizes while all the domains run."""
    ours = scene.ours.memory()
    server = ours.pop("nats-server")
    theirs = [] if scene.theirs is None else [sum(scene.theirs.memory().values())]
    parts = {name: round(size, 1) for name, size in ours.items()}
    return [
        Row("memory of worker and gateway (PSS)", "MiB", [sum(ours.values())], theirs, Target(3), notes=parts),
        Row("memory of nats-server (PSS)", "MiB", [server]),
    ]
