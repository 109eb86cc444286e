"""Domains of real QEMU whose jobs never stop: some with firmware only, one with a guest that answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults import documents, simulated
from tests.faults.book import Book
from tests.faults.history import Wanted
from tests.faults.injector import Probe
from tests.faults.simulated import Actor, Step
from tests.faults.spy import Spy, start_time
from tests.faults.stack import Stack
from tests.guests.linux import Guest, build
from virtbus.operations.console import SendKeys
from virtbus.operations.device import AttachDevice, ChangeMedia, DetachDescribed, DetachDevice, UpdateDevice
from virtbus.operations.domain import CreateDomain, DefineDomain, RebootDomain, ResetDomain, ShutdownDomain, StartDomain
from virtbus.operations.qemu import MonitorCommand
from virtbus.operations.tuning import SetMemory, SetVcpus

HOST = "kvm1"
BARE = 2
"""Machines with firmware only."""
PAUSE = 2.0
BOOT = 120.0
"""Seconds for the guest to boot under emulation on a busy machine."""
WAITING = 60.0


@dataclass
class Machine(Actor):
    """One domain of QEMU, with its second monitor."""

    folder: Path = Path()
    spy: Spy = field(init=False)
    guest: Guest | None = None
    vcpus: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.spy = Spy(self.host, str(self.uuid), self.folder / f"{self.name}.sock")
        self.console = self.folder / f"{self.name}.console"

    @property
    def xml(self) -> str:
        return documents.machine(
            self.name, self.uuid, self.spy.path, self.guest, None if self.guest is None else self.console
        )

    def steps(self) -> dict[str, tuple[Step, ...]]:
        return GUEST_STEPS if self.guest is not None else BARE_STEPS

    def image(self, name: str) -> Path:
        """A small image."""
        path = self.folder / f"{self.name}.{name}.img"
        if not path.exists():
            path.write_bytes(bytes(1 << 20))
        return path

    def stopped(self) -> None:
        super().stopped()
        self.vcpus = 1

    async def booted(self, times: int = 1) -> None:
        """Wait until the guest has come up so many times since its start."""
        until = time.monotonic() + BOOT
        while self.boots() < times and time.monotonic() < until and self.spy.life is not None:
            await asyncio.sleep(0.25)
        await asyncio.sleep(0.5)

    def boots(self) -> int:
        return self.console.read_bytes().count(b"GUEST-READY") if self.console.exists() else 0


# ---- steps ----


def _of(actor: Actor) -> Machine:
    assert isinstance(actor, Machine)
    return actor


async def _start(actor: Actor) -> None:
    machine = _of(actor)
    paused = machine.guest is None and machine.random.random() < 0.4
    operation = StartDomain(**machine.where, paused=paused)
    if await machine.run(operation, Wanted("started", "", "paused" if paused else "")):
        machine.state = "paused" if paused else "running"
    await machine.spy.look()
    if machine.guest is not None:
        await machine.booted()


async def _create(actor: Actor) -> None:
    machine = _of(actor)
    if await machine.run(CreateDomain(host=machine.host, xml=machine.xml), Wanted("started")):
        machine.state, machine.persistent = "running", False
    await machine.spy.look()


async def _attach(actor: Actor) -> None:
    machine = _of(actor)
    if len(machine.disks) >= 2:
        return
    number, asked = machine.number(), time.time()
    alias, target = f"ua-d{number}", f"vd{chr(98 + number % 20)}"
    xml = documents.disk(alias, target, machine.image(alias))
    if await machine.run(AttachDevice(**machine.where, xml=xml), Wanted("device-added", alias)):
        machine.disks.append(f"{alias}:{target}")
    there = await machine.spy.ask("qom-list", path="/machine/peripheral") or []
    if any(entry["name"] == alias for entry in there):
        machine.spy.saw("device-added", alias, "", asked)


async def _detach(actor: Actor) -> None:
    """The guest acknowledges it."""
    machine = _of(actor)
    if not machine.disks:
        await _attach(machine)
        return
    disk = machine.random.choice(machine.disks)
    alias, _, target = disk.partition(":")
    operation: Any = DetachDevice(**machine.where, alias=alias)
    if machine.random.random() < 0.4:
        operation = DetachDescribed(**machine.where, xml=documents.disk(alias, target, machine.image(alias)))
    if await machine.run(operation, Wanted("device-removed", alias)):
        machine.disks.remove(disk)


async def _detach_by_reset(actor: Actor) -> None:
    """Firmware does not acknowledge anything: the job waits, and a reset completes the removal."""
    machine = _of(actor)
    if not machine.disks:
        await _attach(machine)
        return
    disk = machine.disks[0]
    alias = disk.partition(":")[0]
    job = await machine.book.submit(DetachDevice(**machine.where, alias=alias), Wanted("device-removed", alias))
    until = time.monotonic() + WAITING
    while (await job.refresh(0.0)).state not in ("waiting", "failed") and time.monotonic() < until:
        await asyncio.sleep(0.5)
    await machine.run(ResetDomain(**machine.where), Wanted("reset"))
    record = await machine.book.end(job)
    if record.error is None:
        machine.disks.remove(disk)
    else:
        await machine.look()


async def _limit(actor: Actor) -> None:
    machine = _of(actor)
    if not machine.disks:
        await _attach(machine)
        return
    alias, _, target = machine.disks[0].partition(":")
    iops, asked = 1000 + machine.number(), time.time()
    xml = documents.disk(alias, target, machine.image(alias), iops)
    await machine.run(UpdateDevice(**machine.where, alias=alias, xml=xml), Wanted("device-changed", alias))
    blocks = await machine.spy.ask("query-block") or []
    if any(block.get("inserted", {}).get("iops") == iops for block in blocks):
        machine.spy.saw("device-changed", alias, "", asked)


async def _change_media(actor: Actor) -> None:
    machine = _of(actor)
    image, asked = machine.image(f"iso{machine.number()}"), time.time()
    operation = ChangeMedia(**machine.where, alias="ua-cdrom", source=str(image))
    await machine.run(operation, Wanted("device-changed", "ua-cdrom"))
    blocks = await machine.spy.ask("query-block") or []
    if any(block.get("inserted", {}).get("file") == str(image) for block in blocks):
        machine.spy.saw("device-changed", "ua-cdrom", "", asked)


async def _vcpus(actor: Actor) -> None:
    machine = _of(actor)
    if machine.vcpus == 4:
        return
    count, asked = machine.vcpus + 1, time.time()
    await machine.run(SetVcpus(**machine.where, count=count), Wanted("vcpus-changed", "", str(count)))
    cpus = await machine.spy.ask("query-cpus-fast") or []
    if len(cpus) == count:
        machine.vcpus = count
        machine.spy.saw("vcpus-changed", "", str(count), asked)


async def _keys(actor: Actor) -> None:
    await actor.run(SendKeys(**actor.where, keys=["KEY_A"], hold=50))


async def _monitor(actor: Actor) -> None:
    await actor.run(MonitorCommand(**actor.where, command="query-status"))


async def _memory(actor: Actor) -> None:
    size = (96 << 10) + 1024 * actor.random.randint(1, 16)
    await actor.run(SetMemory(**actor.where, size=size))


async def _reboot(actor: Actor) -> None:
    machine = _of(actor)
    times = machine.boots()
    await machine.run(RebootDomain(**machine.where), Wanted("power-off-asked"), Wanted("reset"))
    await machine.booted(times + 1)


async def _shutdown(actor: Actor) -> None:
    if await actor.run(ShutdownDomain(**actor.where), *simulated.POWER_OFF):
        actor.stopped()


BARE_STEPS: dict[str, tuple[Step, ...]] = {
    "none": (simulated.define, simulated.define, _create),
    "off": (_start, _start, _start, simulated.label, simulated.autostart, simulated.undefine),
    "running": (
        simulated.suspend, simulated.reset, simulated.destroy, _attach, _attach, _detach_by_reset, _limit,
        _change_media, _vcpus, _keys, _monitor, simulated.undefine,
    ),
    "paused": (simulated.resume, simulated.resume, _attach, _vcpus, _monitor, simulated.destroy),
}  # fmt: skip

GUEST_STEPS: dict[str, tuple[Step, ...]] = {
    "none": (simulated.define,),
    "off": (_start,),
    "running": (
        _attach, _attach, _detach, _detach, _detach, simulated.suspend, _memory, _keys, _reboot, _shutdown, _limit,
    ),
    "paused": (simulated.resume,),
}  # fmt: skip


class Machines:
    """The QEMU host's domains; nothing where the run has no such host."""

    def __init__(self, stack: Stack, book: Book, seed: int, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._book = book
        self._seed = seed
        self._say = say
        self._all: list[Machine] = []

    async def __aenter__(self) -> Self:
        if HOST in self._stack.hosts:
            guest = await asyncio.to_thread(build)
            self._all = [self._machine(f"bare{number}") for number in range(BARE)]
            self._all.append(self._machine("guest", guest))
            self._all.append(self._machine("probe"))
            for machine in self._all:
                await machine.spy.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in self._all:
            await machine.spy.close()

    def _machine(self, name: str, guest: Guest | None = None) -> Machine:
        return Machine(self._book, HOST, name, self._seed, PAUSE, folder=self._stack.folder, guest=guest)

    def start(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Have them all act."""
        for machine in self._all:
            if machine.name != "probe":
                group.create_task(machine.act(stop))

    async def probe(self) -> Probe:
        """A machine of its own whose monitor is asked."""
        machine = self._all[-1]
        defined = await self._book.run(DefineDomain(host=HOST, xml=machine.xml), domain=str(machine.uuid))
        if defined.error is not None:
            raise RuntimeError(f"a machine cannot be defined: {defined.error.message}")
        await machine.run(StartDomain(**machine.where, paused=True), Wanted("started", "", "paused"))
        await machine.spy.look()

        async def probe() -> None:
            question = MonitorCommand(**machine.where, command="query-status")
            while (await self._book.run(question)).error is not None:
                await asyncio.sleep(0.1)

        return probe

    async def check(self) -> None:
        """Write down what happened to them, and that those that nobody ended are the processes that they were."""
        for machine in self._all:
            self._book.history.effects += machine.spy.effects()
            for life in machine.spy.lives:
                if life.up and start_time(life.pid) != life.started:
                    self._book.history.disturbed.append(
                        f"host {HOST}, domain {machine.uuid}: process {life.pid} is not the one that was started"
                    )
        lives = sum(len(machine.spy.lives) for machine in self._all)
        if self._all:
            self._say(f"{lives} QEMU processes were watched over their second monitors")
