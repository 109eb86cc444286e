"""`top`: the fleet's active domains and what they use, looked at again and again."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from virtbus.cli.failure import UsageError
from virtbus.cli.session import Session
from virtbus.cli.statistics import served_hosts
from virtbus.cli.view import Table, View, print_json
from virtbus.errors import VirtbusError
from virtbus.operations.statistics import DomainStatistics, GetHostStatistics, Group
from virtbus.state import DomainState

GROUPS = [Group.STATE, Group.CPU_TOTAL, Group.BALLOON, Group.VCPU, Group.BLOCK, Group.INTERFACE]
RATES = {
    "read": (("block",), "rd.bytes"), "written": (("block",), "wr.bytes"),
    "received": (("net",), "rx.bytes"), "sent": (("net",), "tx.bytes"),
}  # fmt: skip
"""Sums over a domain's disks and cards, shown as bytes per second."""
HEADINGS = ("Host", "Name", "State", "CPU %", "CPUs", "Memory MiB", "Read/s", "Written/s", "Received/s", "Sent/s")


@dataclass(frozen=True)
class Look:
    """What one look found, and when (time.monotonic)."""

    at: float
    domains: dict[tuple[str, UUID], DomainStatistics]
    silent: list[str]
    """Hosts that did not answer."""


async def top(session: Session) -> View:
    """`top`: a live table on a terminal; elsewhere a table for each look, with --json a line for each."""
    interval, count = session.arguments.interval, session.arguments.count
    if interval <= 0 or (count is not None and count < 1):
        raise UsageError("--interval and --count must be positive")
    live = sys.stdout.isatty() and not session.as_json
    if count is None and not live and not session.as_json:
        count = 1
    quit_asked = asyncio.Event()
    looks = _tables(session, interval, count, quit_asked)
    if live:
        await _draw(looks, quit_asked)
        return View(None)
    async for table, silent in looks:
        if session.as_json:
            rows = [dict(zip(_KEYS, row, strict=True)) for row in table.rows]
            print_json({"domains": rows, "silent": silent})
        else:
            print(table.plain(), end="", flush=True)
    return View(None)


_KEYS = ("host", "name", "state", "cpu_percent", "vcpus", "memory_mib", *RATES)


async def _tables(
    session: Session, interval: float, count: int | None, quit_asked: asyncio.Event
) -> AsyncIterator[tuple[Table, list[str]]]:
    """A table for each look but the first, which only the differences need."""
    before = await _look(session)
    while count is None or count > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(quit_asked.wait(), interval)
        if quit_asked.is_set():
            return
        now = await _look(session)
        rows = [_row(host, domain, before, now) for (host, _), domain in now.domains.items()]
        rows.sort(key=lambda row: (-(row[3] if isinstance(row[3], float) else -1.0), str(row[0]), str(row[1])))
        yield Table(HEADINGS, rows, frozenset(HEADINGS[3:])), now.silent
        before = now
        count = None if count is None else count - 1


async def _look(session: Session) -> Look:
    hosts = [session.arguments.host] if session.arguments.host else await served_hosts(session.client)
    answers = await asyncio.gather(
        *(session.ask(GetHostStatistics(host=host, group=GROUPS)) for host in hosts), return_exceptions=True
    )
    domains: dict[tuple[str, UUID], DomainStatistics] = {}
    silent = []
    for host, answer in zip(hosts, answers, strict=True):
        if isinstance(answer, VirtbusError) and len(hosts) > 1:
            silent.append(host)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            domains |= {(host, domain.uuid): domain for domain in answer.domains}
    return Look(time.monotonic(), domains, silent)


def _row(host: str, domain: DomainStatistics, before: Look, now: Look) -> tuple[object, ...]:
    stats = domain.stats
    number = stats.get("state.state")
    states = list(DomainState)
    state = "no answer" if domain.timed_out else states[number] if isinstance(number, int) else None
    earlier = before.domains.get((host, domain.uuid))
    seconds = max(now.at - before.at, 1e-6)
    cpu: float | None = None
    if earlier is not None and "cpu.time" in stats and "cpu.time" in earlier.stats:
        cpu = round(max(stats["cpu.time"] - earlier.stats["cpu.time"], 0) / 1e7 / seconds, 1)
    rates = [
        None if earlier is None else round(max(_sum(stats, *which) - _sum(earlier.stats, *which), 0) / seconds)
        for which in RATES.values()
    ]
    memory = stats["balloon.current"] // 1024 if "balloon.current" in stats else None
    return (host, domain.name, state, cpu, stats.get("vcpu.current"), memory, *rates)


def _sum(stats: dict[str, int], prefixes: tuple[str, ...], ending: str) -> int:
    return sum(
        value for name, value in stats.items() if name.split(".", 1)[0] in prefixes and name.endswith(f".{ending}")
    )


async def _draw(looks: AsyncIterator[tuple[Table, list[str]]], quit_asked: asyncio.Event) -> None:
    """Draw until q is pressed."""
    from rich.console import Group as Lines
    from rich.live import Live
    from rich.text import Text

    with _keys(quit_asked), Live(Text("looking ..."), auto_refresh=False, screen=True) as screen:
        async for table, silent in looks:
            foot = f"no answer from: {', '.join(silent)}; " if silent else ""
            screen.update(Lines(table.rich(), Text(f"{foot}q quits")), refresh=True)


@contextmanager
def _keys(quit_asked: asyncio.Event) -> Iterator[None]:
    """Set the event when q is pressed, where standard input is a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    settings = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        typed = os.read(descriptor, 64)
        if not typed or b"q" in typed.lower():
            quit_asked.set()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, pressed)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)
