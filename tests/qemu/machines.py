"""A real QEMU for the tests, started without a kernel unless a test boots the guest."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from virtbus_qemu.event import QmpEvent
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.journal import Journal
from virtbus_qemu.monitor import Monitor
from virtbus_qemu.process import Process

EMULATOR = shutil.which("qemu-system-x86_64")

LIMIT = 10.0
"""Seconds that anything may take here."""

MONITOR = ("-chardev", "socket,id=charmonitor,fd=3,server=on,wait=off", "-mon", "chardev=charmonitor,mode=control")


@dataclass
class Machine:
    """A QEMU under test."""

    folder: DomainFolder
    process: Process
    journal: Journal
    monitor: Monitor = field(init=False)
    events: list[QmpEvent] = field(default_factory=list)
    """What came over the socket."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something came over the socket."""

    def note(self, event: QmpEvent) -> None:
        """Take an event from the socket."""
        self.events.append(event)
        self.news.set()

    async def until(self, found: Callable[[QmpEvent], bool]) -> None:
        """Read the journal on until an event is found."""
        async with asyncio.timeout(LIMIT):
            while True:
                self.news.clear()
                if any(found(event) for event in self.journal.read()):
                    return
                await self.news.wait()

    @property
    def event_names(self) -> list[str]:
        """The names of what came over the socket."""
        return [event.name for event in self.events]


Launch = Callable[..., Awaitable[Machine]]
