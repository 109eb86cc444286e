"""Kills and freezes processes at seeded moments, and measures how long the hosts take to do jobs again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.history import Fault
from tests.faults.stack import Stack

SESSION = 10.0
"""Seconds of a worker's session."""
WATCHDOG = 5.0
"""Seconds of silence after which the supervisor kills a child."""
WAKING = 1.5
"""Seconds that a frozen child is given to show that it lives before its frozen supervisor goes on."""

Probe = Callable[[], Awaitable[None]]
"""Has a job of one host done, and returns at its success."""


@dataclass(frozen=True)
class Plan:
    """A fault to come."""

    target: str
    seconds: float
    """0 for SIGKILL."""
    after: float
    """Seconds after the one before has been recovered from."""
    unwatched: bool = False
    """Freeze the supervisor too, so that the process wakes instead of being killed."""
    also: str = ""
    """Another process, killed at the same moment."""


def plans(seed: int, number: int, targets: Sequence[str], most: float = 20.0) -> list[Plan]:
    """The faults of a run: every target is killed and frozen, some longer than a session lives."""
    chosen = random.Random(f"faults/{seed}")
    found = []
    for index in range(number):
        target = targets[index % len(targets)]
        freeze = chosen.random() < 0.45
        seconds = chosen.choice((chosen.uniform(1, 4), chosen.uniform(1, 8), chosen.uniform(SESSION, most)))
        unwatched = target.startswith("worker_") and chosen.random() < 0.6
        also = chosen.choice([other for other in targets if other != target]) if chosen.random() < 0.15 else ""
        found.append(Plan(target, min(seconds, most) if freeze else 0.0, chosen.uniform(0.2, 2.0), unwatched, also))
    if number >= 8 and most > SESSION:
        # Whatever the dice say: the bus and a worker sleep past the sessions' end.
        found[1] = Plan("nats-server", chosen.uniform(SESSION + 1, most), 1.0)
        found[3] = Plan(targets[-1], chosen.uniform(SESSION + 1, most), 1.0, True)
    chosen.shuffle(found)
    return found


class Injector:
    """Carries the plans out."""

    def __init__(self, stack: Stack, probes: Mapping[str, Probe], say: Callable[[str], None]) -> None:
        self._stack = stack
        self._probes = probes
        self._say = say
        self.faults: list[Fault] = []

    async def run(self, planned: Sequence[Plan]) -> None:
        """One fault after the other, each after the recovery from the one before."""
        for index, plan in enumerate(planned, 1):
            await asyncio.sleep(plan.after)
            pid = await self._alive(plan.target)
            if plan.also:
                second = await self._alive(plan.also)
                struck = time.time()
                _signal(second, signal.SIGKILL)
                self.faults.append(Fault(plan.also, "kill", struck, struck, second))
            began, until = await self._strike(plan, pid)
            hosts = sorted({host for target in (plan.target, plan.also) for host in self._hosts(target)})
            seconds = await asyncio.gather(*(self._recovered(host, until) for host in hosts))
            recovery = dict(zip(hosts, seconds, strict=True))
            action = "freeze" if plan.seconds else "kill"
            self.faults.append(Fault(plan.target, action, began, until, pid, recovery))
            span = f" for {plan.seconds:.1f} s" if plan.seconds else ""
            span += f", {plan.also} killed too" if plan.also else ""
            again = ", ".join(f"{host} {took:.1f} s" for host, took in recovery.items())
            self._say(f"fault {index}/{len(planned)}: {action} {plan.target}{span}; again: {again}")

    def _hosts(self, target: str) -> list[str]:
        """The hosts that a process serves."""
        if not target or target.startswith("worker_"):
            return [target.removeprefix("worker_")] if target else []
        return list(self._probes)

    async def _alive(self, target: str) -> int:
        """The process, as soon as there is one."""
        while (pid := self._stack.pid(target)) is None:
            await asyncio.sleep(0.05)
        return pid

    async def _strike(self, plan: Plan, pid: int) -> tuple[float, float]:
        began = time.time()
        if not plan.seconds:
            _signal(pid, signal.SIGKILL)
            return began, time.time()
        supervisor = self._stack.process.pid
        if plan.unwatched:
            _signal(supervisor, signal.SIGSTOP)
        _signal(pid, signal.SIGSTOP)
        await asyncio.sleep(plan.seconds)
        until = time.time()
        # The supervisor may have killed it meanwhile; then its number is nobody's or another's.
        if self._stack.pid(plan.target) == pid:
            _signal(pid, signal.SIGCONT)
        if plan.unwatched:
            await asyncio.sleep(WAKING)
            _signal(supervisor, signal.SIGCONT)
        return began, until

    async def _recovered(self, host: str, since: float) -> float:
        await self._probes[host]()
        return time.time() - since


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
