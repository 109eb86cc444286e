"""Domains of the simulated hypervisor whose jobs never stop, and the hypervisor's own log of what happened to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from tests.faults import documents
from tests.faults.book import Book, stamp
from tests.faults.history import Effect, Wanted
from virtbus.errors import NoDomain, VirtbusError, WrongState
from virtbus.operations.console import SendKeys
from virtbus.operations.declaration import Operation
from virtbus.operations.device import AttachDevice, ChangeMedia, DetachDescribed, DetachDevice, UpdateDevice
from virtbus.operations.domain import (
    CreateDomain,
    DefineDomain,
    DestroyDomain,
    GetDomain,
    RebootDomain,
    ResetDomain,
    ResumeDomain,
    SetAutostart,
    SetLabels,
    ShutdownDomain,
    StartDomain,
    SuspendDomain,
    UndefineDomain,
)
from virtbus.operations.tuning import SetMemory, SetVcpus

URI = "simulated:///default?start_ms=250&shutdown_ms=600&reboot_ms=400&unplug_ms=300&slow_ms=1500&history=4096"
NAMESPACE = UUID("6d1a2f60-6d27-4c5e-9d0a-0f0f5a1a7c11")
SETTLING = 12.0
"""Seconds in which a slow guest does what a cancelled job had asked of it."""


Step = Callable[["Actor"], Awaitable[None]]


@dataclass
class Actor:
    """One domain, and who asks for its jobs: one after the other, at times several at once."""

    book: Book
    host: str
    name: str
    seed: int
    pause: float
    """Seconds between jobs, at most."""
    refuses: bool = False
    """Whether its guest refuses to let go of devices."""
    state: str = "none"
    """none, off, running or paused."""
    persistent: bool = False
    disks: list[str] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        self.uuid = uuid5(NAMESPACE, f"{self.host}/{self.name}/{self.seed}")
        self.random = random.Random(f"{self.seed}/{self.host}/{self.name}")

    @property
    def where(self) -> dict[str, Any]:
        return {"host": self.host, "domain": self.uuid}

    @property
    def xml(self) -> str:
        return documents.simulated(self.name, self.uuid)

    def steps(self) -> dict[str, tuple[Step, ...]]:
        """What may be asked in each state."""
        return STEPS

    def number(self) -> int:
        """One that this domain has not seen yet."""
        self._number += 1
        return self._number

    async def act(self, stop: asyncio.Event) -> None:
        """Ask for jobs until told to stop."""
        while not stop.is_set():
            try:
                await self.random.choice(self.steps()[self.state])(self)
            except VirtbusError as error:
                # A script asks for nothing that may be refused.
                self.book.failed.append(f"a request was refused before it was a job: {error}")
                await self.look()
            await asyncio.sleep(self.random.uniform(0, self.pause))

    async def run(self, operation: Any, *wants: Wanted, **how: Any) -> bool:
        """One job of this domain; whether it did what it was to."""
        record = await self.book.run(operation, *wants, domain=str(self.uuid), **how)
        good: bool = (record.error.kind if record.error else "") == how.get("fails", "")
        if not good:
            await self.look()
        return good

    async def look(self) -> None:
        """Take the domain as it is, after something went otherwise than planned."""
        try:
            seen = await self.book.client.run(GetDomain(**self.where), timeout=60)
        except NoDomain:
            self.state, self.persistent, self.disks = "none", False, []
            return
        self.persistent = seen.persistent
        self.state = {"running": "running", "paused": "paused"}.get(str(seen.state), "off")
        if self.state == "off":
            self.disks = []

    def stopped(self) -> None:
        self.disks.clear()
        self.state = "off" if self.persistent else "none"


# ---- the definition ----


async def define(actor: Actor) -> None:
    if await actor.run(DefineDomain(host=actor.host, xml=actor.xml)):
        actor.persistent = True
        actor.state = "off" if actor.state == "none" else actor.state


async def undefine(actor: Actor) -> None:
    if actor.persistent and await actor.run(UndefineDomain(**actor.where)):
        actor.persistent = False
        actor.state = "none" if actor.state == "off" else actor.state


async def label(actor: Actor) -> None:
    if actor.persistent:
        await actor.run(SetLabels(**actor.where, labels={"number": str(actor.number())}))


async def autostart(actor: Actor) -> None:
    if actor.persistent:
        await actor.run(SetAutostart(**actor.where, enabled=actor.random.random() < 0.5))


# ---- its life ----


async def start(actor: Actor) -> None:
    paused = actor.random.random() < 0.25
    if await actor.run(StartDomain(**actor.where, paused=paused), Wanted("started", "", "paused" if paused else "")):
        actor.state = "paused" if paused else "running"


async def create(actor: Actor) -> None:
    if await actor.run(CreateDomain(host=actor.host, xml=actor.xml), Wanted("started")):
        actor.state, actor.persistent = "running", False


async def destroy(actor: Actor) -> None:
    if await actor.run(DestroyDomain(**actor.where), Wanted("stopped", "", "destroyed")):
        actor.stopped()


POWER_OFF = (Wanted("power-off-asked"), Wanted("powered-off"), Wanted("stopped", "", "shutdown"))


async def shutdown(actor: Actor) -> None:
    if await actor.run(ShutdownDomain(**actor.where), *POWER_OFF):
        actor.stopped()


async def cancelled_shutdown(actor: Actor) -> None:
    """The job ends, the guest's power-off does not."""
    job = await actor.book.submit(ShutdownDomain(**actor.where), *POWER_OFF, optional=True, domain=str(actor.uuid))
    await asyncio.sleep(actor.random.uniform(0, 0.4))
    # It may have ended by then.
    with contextlib.suppress(WrongState):
        await job.cancel()
    await actor.book.end(job)
    for _ in range(int(SETTLING / 0.5)):
        await actor.look()
        if actor.state in ("off", "none"):
            return
        await asyncio.sleep(0.5)


async def reboot(actor: Actor) -> None:
    await actor.run(RebootDomain(**actor.where), Wanted("reboot-asked"), Wanted("reset"))


async def reset(actor: Actor) -> None:
    await actor.run(ResetDomain(**actor.where), Wanted("reset"))


async def suspend(actor: Actor) -> None:
    if await actor.run(SuspendDomain(**actor.where), Wanted("suspended")):
        actor.state = "paused"


async def resume(actor: Actor) -> None:
    if await actor.run(ResumeDomain(**actor.where), Wanted("resumed")):
        actor.state = "running"


async def several(actor: Actor) -> None:
    """Jobs that wait for each other in the domain's lane: they must be done in the order of their acceptance."""
    size = (actor.number() % 63) + 1
    planned: list[tuple[Operation[Any], Wanted]] = [
        (SuspendDomain(**actor.where), Wanted("suspended")),
        (SetVcpus(**actor.where, count=size), Wanted("vcpus-changed", "", str(size))),
        (ResumeDomain(**actor.where), Wanted("resumed")),
    ]
    jobs = [await actor.book.submit(operation, wanted) for operation, wanted in planned]
    ends = [await actor.book.end(job) for job in jobs]
    if any(end.error for end in ends):
        await actor.look()


# ---- its devices ----


async def attach(actor: Actor) -> None:
    number = actor.number()
    alias, target = f"ua-d{number}", f"vd{chr(98 + number % 20)}"
    if len(actor.disks) >= 4 or any(disk.endswith(target) for disk in actor.disks):
        return
    xml = documents.disk(alias, target, Path("/none"))
    if await actor.run(AttachDevice(**actor.where, xml=xml), Wanted("device-added", alias)):
        actor.disks.append(f"{alias}:{target}")


async def detach(actor: Actor) -> None:
    if not actor.disks:
        await attach(actor)
        return
    disk = actor.random.choice(actor.disks)
    alias, _, target = disk.partition(":")
    operation: Any = DetachDevice(**actor.where, alias=alias)
    if actor.random.random() < 0.3:
        operation = DetachDescribed(**actor.where, xml=documents.disk(alias, target, Path("/none")))
    if actor.refuses:
        wants = (Wanted("unplug-asked", alias), Wanted("removal-refused", alias))
        await actor.run(operation, *wants, fails="RemovalRejected")
    elif await actor.run(operation, Wanted("unplug-asked", alias), Wanted("device-removed", alias)):
        actor.disks.remove(disk)


async def update(actor: Actor) -> None:
    if not actor.disks:
        await attach(actor)
        return
    alias, _, target = actor.random.choice(actor.disks).partition(":")
    xml = documents.disk(alias, target, Path("/none"), iops=1000 + actor.number())
    await actor.run(UpdateDevice(**actor.where, alias=alias, xml=xml), Wanted("device-changed", alias))


async def change_media(actor: Actor) -> None:
    medium = f"/media/{actor.number()}.iso"
    operation = ChangeMedia(**actor.where, alias="ua-cdrom", source=medium)
    await actor.run(operation, Wanted("device-changed", "ua-cdrom"))


# ---- its size and its keyboard ----


async def vcpus(actor: Actor) -> None:
    count = (actor.number() % 63) + 1
    await actor.run(SetVcpus(**actor.where, count=count), Wanted("vcpus-changed", "", str(count)))


async def memory(actor: Actor) -> None:
    size = 262144 + actor.number()
    await actor.run(SetMemory(**actor.where, size=size), Wanted("memory-changed", "", str(size)))


async def keys(actor: Actor) -> None:
    hold = actor.number()
    await actor.run(SendKeys(**actor.where, keys=["KEY_A"], hold=hold), Wanted("keys-sent", "", str(hold)))


STEPS: dict[str, tuple[Step, ...]] = {
    "none": (define, define, create),
    "off": (start, start, start, define, label, autostart, undefine),
    "running": (
        suspend, reboot, reset, shutdown, destroy, attach, attach, detach, detach, update, change_media,
        vcpus, memory, keys, several, label, autostart, undefine, define, cancelled_shutdown,
    ),
    "paused": (resume, resume, destroy, attach, vcpus, memory),
}  # fmt: skip
"""What may be asked of a domain in each state."""


def effects(log: Path) -> list[Effect]:
    """What the hypervisor's log says, in order."""
    found = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        found.append(
            Effect(
                entry["host"], entry["domain"], entry["effect"], entry["subject"], _detail(entry), stamp(entry["time"])
            )
        )
    return found


def _detail(entry: dict[str, Any]) -> str:
    match entry["effect"]:
        case "started":
            return "paused" if entry["paused"] else ""
        case "stopped":
            return str(entry["detail"])
        case "vcpus-changed":
            return str(entry["count"])
        case "memory-changed":
            return str(entry["kibibytes"])
        case "keys-sent":
            return str(entry["hold"])
    return ""
