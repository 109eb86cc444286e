"""A domain that Xen runs, as the driver knows it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from virtbus.domain import Domain


@dataclass(eq=False)
class Run:
    """One run of a domain; a restart gives it another number on Xen, and nothing else."""

    uuid: UUID
    domid: int
    incarnation: str
    live: Domain
    paused: bool = False
    held: int = 0
    """How many are changing it right now: they tell what becomes of it themselves."""
    over: bool = False
    """The guest has ended and its domain is kept, as the definition asks for."""
    asked: dict[str, str] = field(default_factory=dict)
    """Which job asked the guest for what: `poweroff`, `reboot`."""
    removals: dict[str, str | None] = field(default_factory=dict)
    """Aliases of devices that the guest was asked to let go of, and the jobs that asked."""
    restarts: int = 0
    restarted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at a restart; whoever waits for one clears it first."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
