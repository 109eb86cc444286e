"""A pool: which domains it has, and how their changes are told, from its stream of events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from virtbus.domain import Domain
from virtbus.driver import Target
from virtbus.errors import NoDomain, WrongState
from virtbus.observations import (
    Defined,
    DeviceRemoved,
    LiveChanged,
    Observation,
    Observe,
    Rebooted,
    Resumed,
    Started,
    Stopped,
    Suspended,
    Undefined,
)
from virtbus.state import DomainState
from virtbus_xen import aliases
from virtbus_xen.xapi import translation
from virtbus_xen.xapi.devices import find
from virtbus_xen.xapi.rpc import Failure, Pool, Record, Ref

CLASSES = ["vm"]


@dataclass(eq=False)
class Machine:
    """A VM of the pool that is a domain."""

    uuid: UUID
    ref: Ref
    record: Record
    live: Domain | None = None
    """None while it is off."""
    incarnation: str = ""
    held: int = 0
    """How many are changing it right now: they tell what becomes of it themselves."""
    asked: dict[str, str] = field(default_factory=dict)
    removals: dict[str, str | None] = field(default_factory=dict)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its run has ended."""

    @property
    def power(self) -> str:
        return str(self.record["power_state"])

    @property
    def domid(self) -> int:
        return int(self.record["domid"])


class PoolHost:
    """Everything that the facets share."""

    def __init__(self, name: str, observe: Observe) -> None:
        self.name, self.observe = name, observe
        self.pool: Pool
        self.machines: dict[UUID, Machine] = {}
        self.starting: set[UUID] = set()
        self.token = ""
        self.taken = asyncio.Event()

    def machine(self, target: Target) -> Machine:
        """The running machine of a domain.

        :raises WrongState: it is not running.
        """
        machine = self.machines.get(target.uuid)
        if machine is None or machine.live is None:
            raise WrongState("the domain is not running", host=self.name, domain=target.uuid)
        return machine

    async def take(self) -> None:
        """Learn of everything that is, and from where on events are to be read."""
        self.machines = {}
        events, self.token = await self.pool.events(CLASSES, "")
        for event in events:
            record = event.get("snapshot")
            if event["operation"] == "del" or not record or not translation.is_domain(record):
                continue
            machine = Machine(translation.uuid_of(record), event["ref"], record)
            if machine.power in ("Running", "Paused"):
                await self.enliven(machine)
            self.machines[machine.uuid] = machine

    async def enliven(self, machine: Machine) -> None:
        """Note what a machine runs as."""
        config = machine.record["other_config"]
        machine.live = translation.read(machine.record, translation.LIVE_KEY)
        machine.live.id = machine.domid
        machine.incarnation = config.get(translation.RUN_KEY) or uuid4().hex
        aliases.assign(machine.live)
        if not config.get(translation.RUN_KEY):
            await self.note(machine, translation.RUN_KEY, machine.incarnation)
            await self.keep(machine)

    async def note(self, machine: Machine, key: str, value: str) -> None:
        """Keep something in the pool's record of a machine."""
        await self.pool.call("VM.remove_from_other_config", machine.ref, key)
        if value:
            await self.pool.call("VM.add_to_other_config", machine.ref, key, value)
        machine.record["other_config"][key] = value

    async def keep(self, machine: Machine) -> None:
        """Keep the live definition."""
        if machine.live is not None:
            await self.note(machine, translation.LIVE_KEY, translation.live_text(machine.live))
            await self.note(machine, translation.NUMBER_KEY, str(machine.live.id))

    async def refresh(self, machine: Machine) -> None:
        """Read the pool's record anew.

        :raises NoDomain: it is gone.
        """
        machine.record = await self.pool.call("VM.get_record", machine.ref)

    async def watch(self) -> None:
        """Tell what changes, until the pool cannot be reached any more."""
        await self.taken.wait()
        async with asyncio.TaskGroup() as tasks:
            while True:
                events, self.token = await self.pool.events(CLASSES, self.token)
                for event in events:
                    self._heard(event, tasks)

    def _heard(self, event: Record, tasks: asyncio.TaskGroup) -> None:
        record = event.get("snapshot")
        known = next((each for each in self.machines.values() if each.ref == event["ref"]), None)
        if event["operation"] == "del" or not record:
            if known is not None and not known.held:
                self._gone(known)
            return
        if not translation.is_domain(record):
            return
        uuid = translation.uuid_of(record)
        if known is None:
            if uuid not in self.starting and uuid not in self.machines:
                machine = self.machines[uuid] = Machine(uuid, event["ref"], record)
                self.observe(Defined(domain=uuid, persistent=translation.read(record)))
                tasks.create_task(self._follow(machine, "Halted"))
            return
        if not known.held:
            before, number = known.power, known.domid
            known.record = record
            tasks.create_task(self._follow(known, before, number))

    def _gone(self, machine: Machine) -> None:
        del self.machines[machine.uuid]
        if machine.live is not None:
            self.observe(Stopped(domain=machine.uuid, detail="destroyed"))
        self.observe(Undefined(domain=machine.uuid))

    async def _follow(self, machine: Machine, before: str, number: int = -1) -> None:
        """Tell how a machine's power state has changed by itself or by somebody else."""
        after = machine.power
        if machine.held:
            return
        if machine.live is None and after in ("Running", "Paused"):
            await self.enliven(machine)
            assert machine.live is not None
            self.observe(Started(domain=machine.uuid, incarnation=machine.incarnation, id=machine.domid,
                                 live=machine.live.copy(), paused=after == "Paused"))  # fmt: skip
        elif machine.live is not None and after in ("Halted", "Suspended"):
            await self.stopped(machine, await self.ending(machine))
        elif machine.live is not None and before != after:
            self.observe(Suspended(domain=machine.uuid) if after == "Paused" else Resumed(domain=machine.uuid))
        elif machine.live is not None and number not in (-1, machine.domid):
            await self.rebooted(machine)

    async def stopped(self, machine: Machine, detail: str, cause: str | None = None) -> None:
        """A machine is off: tell it, and forget what belonged to the run."""
        if machine.live is None:
            return
        machine.live, machine.asked = None, {}
        machine.gone.set()
        machine.removals.clear()
        self.observe(Stopped(domain=machine.uuid, cause=cause, detail=detail))
        for key in (translation.RUN_KEY, translation.LIVE_KEY, translation.JOB_KEY):
            try:
                await self.note(machine, key, "")
            except (NoDomain, Failure):
                return

    async def ending(self, machine: Machine) -> str:
        """How a machine's last run ended, by the pool's messages."""
        if machine.power == "Suspended":
            return "saved"
        told = await self.pool.call("message.get", "VM", machine.record["uuid"], "19700101T00:00:00Z")
        last = max(told.values(), key=lambda message: str(message["timestamp"]), default=None)
        return "crashed" if last is not None and last["name"] == "VM_CRASHED" else "shutdown"

    async def missed(self, machine: Machine) -> list[Observation]:
        """What a restart that nobody watched has brought about."""
        number = machine.record["other_config"].get(translation.NUMBER_KEY, "")
        if machine.live is None or number in ("", str(machine.domid)):
            return []
        told: list[Observation] = [Rebooted(domain=machine.uuid)]
        for alias in list(machine.removals):
            del machine.removals[alias]
            await self.take_away(machine, alias)
            told.append(DeviceRemoved(domain=machine.uuid, alias=alias, live=machine.live.copy(), by="reset"))
        await self.keep(machine)
        return told

    async def rebooted(self, machine: Machine, cause: str | None = None) -> None:
        """A machine was restarted; it has another number, and devices that were to go are gone."""
        assert machine.live is not None
        machine.live.id = machine.domid
        removals, machine.removals = machine.removals, {}
        self.observe(Rebooted(domain=machine.uuid, cause=cause or machine.asked.get("reboot")))
        for alias, job in removals.items():
            await self.removed(machine, alias, job, "reset")
        self.observe(LiveChanged(domain=machine.uuid, live=machine.live.copy()))

    async def removed(self, machine: Machine, alias: str, job: str | None, by: str) -> None:
        """A device is unplugged: take it out of the pool's records and tell it."""
        await self.take_away(machine, alias)
        if machine.live is not None:
            await self.keep(machine)
            self.observe(DeviceRemoved(domain=machine.uuid, cause=job, alias=alias, live=machine.live.copy(), by=by))

    async def take_away(self, machine: Machine, alias: str) -> None:
        """Remove a device from the pool's records and from the live definition."""
        found = await find(self.pool, machine.ref, alias)
        if found is not None:
            kind, ref, record = found
            if record["currently_attached"]:
                await self.pool.call(f"{kind}.unplug_force", ref)
            await self.pool.call(f"{kind}.destroy", ref)
        if machine.live is not None:
            devices = machine.live.devices
            devices.disks = [each for each in devices.disks if each.alias != alias]
            devices.interfaces = [each for each in devices.interfaces if each.alias != alias]


def state_of(machine: Machine) -> DomainState:
    """libvirt's state of a machine."""
    return translation.STATES.get(machine.power, DomainState.RUNNING)
