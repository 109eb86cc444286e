"""The order of a domain's jobs: one after the other, as accepted; destroy and reset go past what is running."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from virtbus.bus.queue import Delivery
from virtbus.errors import Overtaken
from virtbus.worker.desk import Spawn
from virtbus.worker.work import JobWork

GRACE = 5.0
"""Seconds that an overtaken job has to notice it."""

Run = Callable[["Lane", Delivery, bool], Awaitable[None]]
"""Carries out a job; says whether it overtakes."""


class Lane:
    """The jobs of one domain, or of the host itself."""

    def __init__(self, run: Run, spawn: Spawn) -> None:
        self._run = run
        self._spawn = spawn
        self._queue: deque[Delivery] = deque()
        self._draining = False
        self.running: JobWork | None = None
        """The job whose turn it is."""
        self.overtaking: JobWork | None = None
        """The last one that went past it, while it is at work."""

    def take(self, delivery: Delivery, *, overtakes: bool) -> None:
        """Take a job; one that overtakes begins at once."""
        if overtakes and self._draining:
            self._spawn(self._overtake(delivery))
            return
        self._queue.append(delivery)
        if not self._draining:
            self._draining = True
            self._spawn(self._drain())

    @property
    def idle(self) -> bool:
        return not self._draining

    def begin(self, work: JobWork, *, overtaking: bool) -> None:
        """A job is at work from now on."""
        if overtaking:
            self.overtaking = work
        else:
            self.running = work

    @property
    def cause(self) -> str | None:
        """The job that most likely brings about what is observed now."""
        work = self.overtaking or self.running
        return None if work is None or work.record.state.ended else work.job

    async def stopped(self, reason: Overtaken) -> bool:
        """Have the running job give up, and wait until it has; says whether there was one and it did."""
        running = self.running
        if running is None:
            return False
        running.give_up(reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await running.finished.wait()
        return running.finished.is_set()

    async def _drain(self) -> None:
        while self._queue:
            try:
                await self._run(self, self._queue.popleft(), False)
            finally:
                if self.running is not None:
                    self.running.finished.set()
                self.running = None
        self._draining = False

    async def _overtake(self, delivery: Delivery) -> None:
        try:
            await self._run(self, delivery, True)
        finally:
            self.overtaking = None
