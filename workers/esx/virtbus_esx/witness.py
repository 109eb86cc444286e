"""Looking: each look at a machine is held against the last one, and what must have happened is observed.

Jobs look right after what they did, the update stream whenever something changes; both come through here, one at a time
for each machine, so that nothing is told twice. What a job brings about it says before (`expect`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from virtbus.driver import Target
from virtbus.errors import Conflict, NoDomain, VirtbusError
from virtbus.observations import Observation, Observe, Rebooted
from virtbus_esx.collecting import retrieve, specification, step
from virtbus_esx.config.reading import PATHS
from virtbus_esx.faults import Fault
from virtbus_esx.host import HostPlace
from virtbus_esx.machine import Expected, Machine, differences, micros, read_machine
from virtbus_esx.settling import settle
from virtbus_esx.soap import Session
from virtbus_esx.updates import Happening
from virtbus_esx.wire import Ref

log = logging.getLogger(__name__)

ASK = 20.0
REASONS = {
    "VmPoweredOffEvent": "destroyed",
    "VmGuestShutdownEvent": "shutdown",
    "VmRemovedEvent": "destroyed",
    "VmGuestOSCrashedEvent": "crashed",
    "VmFailoverFailed": "failed",
    "VmMigratedEvent": "migrated",
    "DrsVmMigratedEvent": "migrated",
}
"""How a run ended, by the last event that says so."""
KILLED = "esx.problem.vm.kill.unexpected"
"""Begins the host's events of machines that it lost."""


@dataclass
class Known:
    """One machine and what was last told of it."""

    ref: Ref
    machine: Machine | None = None
    expected: Expected = field(default_factory=Expected)
    why: str = ""
    """How its run is ending, by the events."""
    asked_to_reboot: int | None = None
    """The position of the event that its guest was asked to reboot, until it has."""
    rebooted: int = 0
    """The position of the last Rebooted."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and renewed, after each look."""


class Witness:
    """What is known of one host's machines."""

    def __init__(self, session: Session, place: HostPlace, observe: Observe) -> None:
        self._session = session
        self._place = place
        self._observe = observe
        self._known: dict[Ref, Known] = {}
        self._dirty: asyncio.Queue[Ref] = asyncio.Queue()
        self._queued: set[Ref] = set()
        self.quiet: set[Ref] = set()
        """Machines that a job is making or taking away: they are not told of."""
        self.making = asyncio.Lock()
        """Held while machines are made whose names the server has still to choose."""

    # ---- finding ----

    def of(self, uuid: UUID) -> Known | None:
        """What is known of a domain."""
        return next((known for known in self._known.values() if known.machine and known.machine.uuid == uuid), None)

    def all(self) -> list[Machine]:
        """Every machine of the host, as last seen."""
        return [known.machine for known in self._known.values() if known.machine is not None]

    def require(self, target: Target) -> Known:
        """:raises NoDomain: the host has no such machine."""
        known = self.of(target.uuid)
        if known is None or known.machine is None:
            raise NoDomain(f"the host has no machine with the uuid {target.uuid}", host=target.host, domain=target.uuid)
        return known

    def adopt(self, machine: Machine) -> Known:
        """A machine that a job has made: it is not told of."""
        known = self._known.setdefault(machine.ref, Known(machine.ref))
        known.machine = machine
        return known

    def forget(self, owner: Ref) -> None:
        """A machine that a job has taken away: it is not told of."""
        self._known.pop(owner, None)

    # ---- looking ----

    async def look_at_all(self) -> list[Machine]:
        """Every machine of the host, now; counted as told."""
        specs = [specification("VirtualMachine", PATHS, [self._place.ref], [step("HostSystem", "vm")], skip=True)]
        found = await retrieve(self._session, specs, ASK)
        machines: dict[Ref, Machine] = {}
        for owner, values in found.items():
            if owner.kind != "VirtualMachine" or owner in self.quiet:
                continue
            machine = read_machine(owner, values)
            if machine is not None:
                machines[owner] = machine
        for owner in [owner for owner in self._known if owner not in machines and owner not in self.quiet]:
            del self._known[owner]
        for owner, machine in machines.items():
            self._known.setdefault(owner, Known(owner)).machine = await self._settled(machine)
        return self.all()

    async def look(self, owner: Ref, *, cause: str | None = None) -> Machine | None:
        """Look at one machine and observe what is new; None where it is gone from this host."""
        known = self._known.setdefault(owner, Known(owner))
        async with known.lock:
            return await self.look_held(known, cause=cause)

    @asynccontextmanager
    async def held(self, owner: Ref) -> AsyncIterator[Known]:
        """Have nobody else look at a machine meanwhile."""
        known = self._known.setdefault(owner, Known(owner))
        async with known.lock:
            yield known

    async def look_held(
        self, known: Known, *, cause: str | None = None, but: type[Observation] | None = None
    ) -> Machine | None:
        """The same by who holds the machine.

        :param but: what is not told of, since the job that did it tells of it itself.
        """
        found = await retrieve(self._session, [specification("VirtualMachine", PATHS, [known.ref])], ASK)
        values = found.get(known.ref)
        machine = None if values is None else read_machine(known.ref, values)
        if values is not None and machine is None:
            # It is being made: there is more to come.
            return known.machine
        if machine is not None and machine.host != self._place.ref:
            machine, known.expected.stopped = None, known.expected.stopped or "migrated"
        if machine is not None and not machine.active:
            machine = await self._settled(machine)
        old, known.machine = known.machine, machine
        if cause is not None:
            known.expected.cause = cause
        if known.ref not in self.quiet:
            self._tell(known, old, machine, but)
        known.expected.cause = None
        if machine is None:
            self._known.pop(known.ref, None)
        done, known.changed = known.changed, asyncio.Event()
        done.set()
        return machine

    def _tell(self, known: Known, old: Machine | None, new: Machine | None, but: type[Observation] | None) -> None:
        arrived = old is None and new is not None and known.why == "migrated"
        if arrived:
            known.expected.started = "migrated"
        for observation in differences(old, new, known.why or "shutdown", known.expected):
            if but is None or not isinstance(observation, but):
                self._observe(observation)
        if new is not None and old is not None and known.asked_to_reboot is not None:
            if new.tools and not old.tools:
                self.rebooted(known, known.asked_to_reboot)
            elif not new.active:
                known.asked_to_reboot = None
        if new is None or not new.active or (old is not None and not old.active):
            known.why = ""

    def tell(self, observation: Observation) -> None:
        """Observe what no look shows."""
        self._observe(observation)

    def rebooted(self, known: Known, position: int, cause: str | None = None) -> None:
        """A machine was reset; told once for each time."""
        known.asked_to_reboot = None
        if known.machine is None or position <= known.rebooted:
            return
        known.rebooted = position
        self._observe(Rebooted(domain=known.machine.uuid, position=position, cause=cause))

    async def _settled(self, machine: Machine) -> Machine | None:
        """Put into force what waited for a machine to be off."""
        if machine.active or (not machine.configured.transient and machine.configured.deferred is None):
            return machine
        if machine.ref in self.quiet:
            return machine
        try:
            return await settle(self._session, self._place, machine)
        except VirtbusError as error:
            log.warning("%s", error.at(domain=machine.uuid))
            return machine

    # ---- the stream ----

    def told(self, changed: set[Ref], events: Iterable[Happening]) -> None:
        """Take what the update stream says; `work_off` looks at what changed."""
        for event in events:
            known = self._known.get(event.machine)
            if known is not None:
                self._take_event(known, event)
        for owner in changed:
            self.suspect(owner)

    def suspect(self, owner: Ref) -> None:
        """Have a machine looked at."""
        if owner not in self._queued:
            self._queued.add(owner)
            self._dirty.put_nowait(owner)

    def _take_event(self, known: Known, event: Happening) -> None:
        position = micros(event.at)
        if event.kind == "VmResettingEvent":
            self.rebooted(known, position)
        elif event.kind == "VmGuestRebootEvent" and position > known.rebooted:
            known.asked_to_reboot = position
        elif event.kind.startswith(KILLED):
            known.why = "failed"
        elif event.kind in REASONS and known.why not in ("shutdown", "failed", "crashed"):
            # A machine that nobody switched off was shut down by its guest.
            known.why = REASONS[event.kind] if event.user or event.kind != "VmPoweredOffEvent" else "shutdown"

    async def work_off(self) -> None:
        """Look at what changed, one after another, for ever."""
        while True:
            owner = await self._dirty.get()
            self._queued.discard(owner)
            if owner in self.quiet:
                continue
            async with self.making:
                pass
            try:
                await self.look(owner)
            except (Fault, Conflict) as error:
                log.info("machine %s: %s", owner, error)
