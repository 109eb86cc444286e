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

Run = Callable[["Lane", Delivery], Awaitable[None]]


class Lane:
    """The jobs of one domain, or of the host itself."""

    def __init__(self, run: Run, spawn: Spawn) -> None:
        self._run = run
        self._spawn = spawn
        self._queue: deque[Delivery] = deque()
        self._draining = False
        self.running: JobWork | None = None
        """The job at work; one that overtakes it is not counted."""
        self._idle = asyncio.Event()
        self._idle.set()

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

    async def stopped(self, reason: Overtaken) -> bool:
        """Have the running job give up, and wait until it has; says whether there was one and it did."""
        running = self.running
        if running is None:
            return False
        running.give_up(reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self._idle.wait()
        return self._idle.is_set()

    async def _drain(self) -> None:
        while self._queue:
            self._idle.clear()
            try:
                await self._run(self, self._queue.popleft())
            finally:
                self.running = None
                self._idle.set()
        self._draining = False

    async def _overtake(self, delivery: Delivery) -> None:
        await self._run(self, delivery)
        if self.running is not None and self.running.record.state.ended:
            self.running = None
