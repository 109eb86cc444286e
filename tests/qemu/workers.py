"""The QEMU driver without a bus: a worker of its own, and jobs that nothing stands in the way of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from tests.qemu.machines import LIMIT
from virtbus.domain import Device, Domain, parse_device
from virtbus.driver import HostSettings, Target, Work
from virtbus.observations import Observation
from virtbus.state import DomainState
from virtbus_qemu.driver import QemuDriver
from virtbus_qemu.machine import Machine

T = TypeVar("T")


class Attempt:
    """A job's first attempt."""

    job = "one"
    attempt = 1
    begun = None

    def remaining(self) -> float:
        """As Work."""
        return 20.0

    async def before_effect(self, **mark: Any) -> None:
        """As Work."""

    async def until(self, awaited: Coroutine[Any, Any, T]) -> T:
        """As Work."""
        return await awaited

    async def progress(self, phase: str, *_: Any) -> None:
        """As Work."""


WORK = cast(Work, Attempt())


@dataclass
class Worker:
    """A driver that serves a host in a folder."""

    driver: QemuDriver = field(init=False)
    seen: list[Observation] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something is observed."""

    def note(self, observation: Observation) -> None:
        """Take what the driver observes."""
        self.seen.append(observation)
        self.news.set()

    async def told(self, kind: type[Observation]) -> None:
        """Wait until the last observation is of a kind."""
        async with asyncio.timeout(LIMIT):
            while not self.seen or not isinstance(self.seen[-1], kind):
                self.news.clear()
                await self.news.wait()

    def target(self, domain: Domain) -> Target:
        """The domain as the record would have it."""
        assert domain.uuid is not None
        return Target(host="one", uuid=domain.uuid, name=domain.name, state=DomainState.RUNNING)

    async def start(self, xml: str) -> Target:
        """Define a domain, and start it without having it run."""
        definition = self.driver.complete(Domain.parse(xml), None)
        target = self.target(definition)
        await self.driver.start(target, definition, WORK, paused=True)
        return target

    def machine(self, target: Target) -> Machine:
        """The QEMU of a domain that was started."""
        return self.driver.host.machine(target)

    async def attach(self, target: Target, xml: str) -> Device:
        """Plug a device."""
        return await self.driver.attach(target, parse_device(xml), WORK)


@contextlib.asynccontextmanager
async def working(root: Path) -> AsyncIterator[Worker]:
    """A worker whose domains end with it."""
    worker = Worker()
    settings = HostSettings(name="one", uri="qemu:///system", run=root / "run", state=root / "a" / "b" / "state")
    settings.run.mkdir(exist_ok=True)
    worker.driver = QemuDriver(settings, worker.note)
    await worker.driver.connect()
    watch = asyncio.create_task(worker.driver.watch())
    try:
        yield worker
    finally:
        for machine in list(worker.driver.host.machines.values()):
            await machine.kill()
            await machine.gone.wait()
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


def document(number: int, devices: str = "", more: str = "") -> str:
    """A small domain with a SCSI controller."""
    return (
        f"<domain type='qemu'><name>d{number}</name><uuid>{UUID(int=number)}</uuid><memory unit='MiB'>64</memory>{more}"
        f"<os><type machine='q35'>hvm</type></os><devices><controller type='scsi' model='virtio-scsi'/>{devices}"
        "<memballoon model='none'/></devices></domain>"
    )
