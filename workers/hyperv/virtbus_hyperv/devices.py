"""Plugging devices into running machines, out of them, and changing them: by alias, whatever their kind."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from virtbus.domain import Controller, ControllerType, Device, Disk, Domain, Interface, complete_device, described, find
from virtbus.driver import Devices, Target, Work
from virtbus.errors import ConfigUnsupported, Conflict, NoDevice, VirtbusError, WrongState
from virtbus.eventkinds import EventKind
from virtbus.observations import DeviceRemoved, Observe
from virtbus_hyperv.applying import said_of
from virtbus_hyperv.conversion import hardware
from virtbus_hyperv.conversion.hardware import Bus, Card, Drive, Hardware, Part
from virtbus_hyperv.conversion.parse import card_of, drive_of, own_alias
from virtbus_hyperv.definition import complete
from virtbus_hyperv.known import Change, Known
from virtbus_hyperv.machines import Machine
from virtbus_hyperv.management import request_seconds
from virtbus_hyperv.notes import Notes
from virtbus_hyperv.plugging import drive_ids
from virtbus_hyperv.reading import hardware_of_machine, in_order, relative_id, scsi_indices
from virtbus_hyperv.session import Session

QUICK = 0.5
"""Seconds that the guest's answer is waited for at once; a later one is found by a poll."""

LOOK_SECONDS = 5.0


class HypervDevices(Devices):
    """The facet; the driver brings the session."""

    session: Session
    observe: Observe

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        known = self.session.known(target)
        machine = await self.session.machine(target, work)
        there = hardware_of_machine(machine, self.session.witness.switches)
        part = _asked_part(_live(target), device, there)
        if work.begun is not None and (found := _same(there, part)) is not None:
            await self.session.look(known, work)
            return find(_now(known), hardware.live_alias(found))
        _check_clash(target, there, part)
        await work.before_effect(key=part.key)
        async with self.session.witness.hold(known.guid):
            await self._note(machine, target, known, there, part, work)
            await self._plug(machine, part, work)
            await work.until(self.session.witness.look_held(known.guid, request_seconds(work), work.job))
        return find(_now(known), hardware.live_alias(part))

    async def _plug(self, machine: Machine, part: Part, work: Work) -> None:
        if isinstance(part, Drive):
            await self.session.plugging.add_drive(machine, part, work)
        elif isinstance(part, Card):
            await self.session.plugging.add_card(machine, part, self.session.witness.switches, work)
        else:
            await self.session.plugging.add_controller(machine, work)

    async def _note(
        self, machine: Machine, target: Target, known: Known, there: Hardware, part: Part | None, work: Work
    ) -> None:
        """Write down what belongs to a device before it is there, and keep the definition as it is."""
        await self.session.settling.pin(
            machine, target.persistent, known, work, _notes_with(machine, there, part)
        )

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        if not isinstance(device, Disk | Interface | Controller):
            raise ConfigUnsupported(
                f"the {described(device)} cannot be taken out of a Hyper-V machine", host=target.host,
                domain=target.uuid,
            )  # fmt: skip
        if isinstance(device, Disk) and device.target.bus is not None and device.target.bus.value != Bus.SCSI:
            raise ConfigUnsupported(
                f"the {described(device)} cannot be taken out of a running machine", host=target.host,
                domain=target.uuid, hint="only drives on SCSI can",
            )  # fmt: skip
        if isinstance(device, Controller):
            _check_controller(target, device)

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices."""
        session, known = self.session, self.session.known(target)
        machine = await session.machine(target, work)
        there = hardware_of_machine(machine, session.witness.switches)
        part = next((each for each in there.parts() if hardware.live_alias(each) == alias), None)
        if part is None:
            await self._already_gone(known, alias, work)
            return
        notes = _notes_with(machine, there, None)
        notes.removals[alias] = time.time()
        async with session.witness.hold(known.guid):
            await session.settling.pin(machine, target.persistent, known, work, notes)
            ids = drive_ids(part) if isinstance(part, Drive) else [part.id]
            job = await work.until(session.plugging.begin_removal(machine, ids, request_seconds(work)))
            known.removals[alias] = job
        # It is sent: from here on the job may end, and the removal goes on. What became of it is seen by looking, here
        # or at the next poll; a refusal is told from there too.
        with suppress(TimeoutError, VirtbusError):
            async with asyncio.timeout(QUICK):
                if job is not None:
                    await session.management.follow(job, "RemoveResourceSettings")
        with suppress(VirtbusError):
            await session.witness.look(known.guid, LOOK_SECONDS, work.job)

    async def _already_gone(self, known: Known, alias: str, work: Work) -> None:
        await self.session.look(known, work)
        if known.live is not None:
            self.observe(DeviceRemoved(domain=known.uuid, cause=work.job, alias=alias, live=known.live))

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices."""
        session, known = self.session, self.session.known(target)
        old_device = find(_live(target), alias)
        if type(device) is not type(old_device):
            raise ConfigUnsupported(f"a {device.element_tag} cannot take the place of the {described(old_device)}",
                                    host=target.host, domain=target.uuid)  # fmt: skip
        machine = await session.machine(target, work)
        there = hardware_of_machine(machine, session.witness.switches)
        old = next((each for each in there.parts() if hardware.live_alias(each) == alias), None)
        if old is None:
            raise NoDevice(f"the machine has no device {alias}", host=target.host, domain=target.uuid)
        new = _asked_part(_live(target), _placed(device, old_device), there)
        new.alias = old.alias
        _check_change(target, alias, old, new)
        await work.before_effect()
        async with session.witness.hold(known.guid):
            await self._note(machine, target, known, there, new, work)
            if isinstance(old, Drive) and isinstance(new, Drive):
                await session.plugging.change_drive(machine, old, new, work)
            elif isinstance(old, Card) and isinstance(new, Card):
                await session.plugging.change_card(machine, old, new, session.witness.switches, work)
            known.change = Change(EventKind.DEVICE_UPDATED, alias, {"alias": alias})
            await work.until(session.witness.look_held(known.guid, request_seconds(work), work.job))
        return find(_now(known), alias)


def _live(target: Target) -> Domain:
    if target.live is None:
        raise WrongState("the domain is not running", host=target.host, domain=target.uuid)
    return target.live


def _now(known: Known) -> Domain:
    if known.live is None:
        raise WrongState("the domain ended meanwhile", domain=known.uuid)
    return known.live


def _asked_part(live: Domain, device: Device, there: Hardware) -> Part:
    """The part that a device asks for.

    :raises ConfigUnsupported: Hyper-V cannot have it, or it says what would be lost.
    """
    asked = device.copy()
    complete_device(live, asked)
    if isinstance(asked, Disk):
        part: Part = drive_of(asked, there.generation)
    elif isinstance(asked, Interface):
        part = card_of(asked, there.generation)
    elif isinstance(asked, Controller) and asked.type is ControllerType.SCSI:
        index = len(there.controllers) if asked.index is None else asked.index
        part = hardware.Controller(index=index, alias=own_alias(asked.alias))
    else:
        raise ConfigUnsupported(f"a Hyper-V machine that runs can have no new {described(device)}",
                                hint="disks on SCSI, cards and SCSI controllers can be attached")  # fmt: skip
    _check_losses(live, asked)
    return part


def _check_losses(live: Domain, asked: Device) -> None:
    """Ask the same of one device as of a definition that has nothing else."""
    alone = live.copy()
    alone.id = None
    for name, value in vars(alone.devices).items():
        setattr(alone.devices, name, [] if isinstance(value, list) else None)
    field = {Disk: alone.devices.disks, Interface: alone.devices.interfaces, Controller: alone.devices.controllers}
    for kind, devices in field.items():
        if isinstance(asked, kind):
            devices.append(asked.copy())  # type: ignore[attr-defined]
    complete(alone, None)


def _notes_with(machine: Machine, there: Hardware, part: Part | None) -> Notes:
    """The notes of a machine, with those of a device that comes, and without those of devices that are gone."""
    notes = machine.notes
    keys = {each.key for each in there.parts()}
    notes.devices = {key: said for key, said in notes.devices.items() if key in keys}
    aliases = {hardware.live_alias(each) for each in there.parts()}
    notes.removals = {alias: asked for alias, asked in notes.removals.items() if alias in aliases}
    notes.scsi = [relative_id(machine, id_) for id_, _ in in_order(scsi_indices(machine, notes))]
    if part is not None:
        notes.devices.pop(part.key, None)
        if said := said_of(part):
            notes.devices[part.key] = said
    return notes


def _same(there: Hardware, part: Part) -> Part | None:
    """What an earlier attempt attached."""
    return next((each for each in there.parts() if each.key == part.key), None)


def _check_clash(target: Target, there: Hardware, part: Part) -> None:
    """:raises Conflict: the place or the alias is taken, or no controller is there."""
    aliases = {hardware.live_alias(each) for each in there.parts()}
    taken = _same(there, part) is not None or hardware.live_alias(part) in aliases
    if isinstance(part, hardware.Controller):
        taken = taken or part.index != len(there.controllers)
    if isinstance(part, Drive):
        name = part.name or None
        taken = taken or (name is not None and any(each.name == name for each in there.drives))
    if taken:
        raise Conflict(f"there is a device at {part.key} or with its alias already", host=target.host,
                       domain=target.uuid, hint="choose another place")  # fmt: skip


def _check_controller(target: Target, controller: Controller) -> None:
    if controller.type is not ControllerType.SCSI:
        raise ConfigUnsupported(f"the {described(controller)} belongs to the machine", host=target.host,
                                domain=target.uuid)  # fmt: skip
    sitting = [
        disk.target.dev for disk in _live(target).devices.disks
        if disk.target.bus is not None and disk.target.bus.value == Bus.SCSI
        and getattr(disk.address, "controller", None) == (controller.index or 0)
    ]  # fmt: skip
    if sitting:
        raise WrongState(
            f"the controller {controller.alias} is in use by {', '.join(sitting)}", host=target.host,
            domain=target.uuid, hint="detach these first",
        )  # fmt: skip
    indices = [each.index or 0 for each in _live(target).devices.controllers if each.type is ControllerType.SCSI]
    if (controller.index or 0) != max(indices):
        raise ConfigUnsupported(
            "only the last SCSI controller can be taken out, since the others' numbers follow from their order",
            host=target.host, domain=target.uuid,
        )  # fmt: skip


def _placed(device: Device, old: Device) -> Device:
    """A device that says no place has the old one's."""
    placed = device.copy()
    if isinstance(placed, Disk) and isinstance(old, Disk) and placed.address is None:
        placed.address = old.address
    return placed


_FIXED: dict[type[Part], tuple[tuple[str, str], ...]] = {
    Drive: (("bus", "bus"), ("controller", "address"), ("unit", "address"), ("kind", "device"), ("physical", "source"),
            ("name", "target")),
    Card: (("mac", "mac"), ("synthetic", "model")),
}  # fmt: skip
"""What cannot be changed in place, and what libvirt calls it."""


def _check_change(target: Target, alias: str, old: Part, new: Part) -> None:
    """:raises ConfigUnsupported: something differs that cannot be changed in place; the message names it."""
    if type(old) not in _FIXED:
        raise ConfigUnsupported(f"nothing of {alias} can be changed", host=target.host, domain=target.uuid)
    differing = [word for name, word in _FIXED[type(old)] if getattr(old, name) != getattr(new, name)]
    if isinstance(old, Drive) and isinstance(new, Drive) and old.kind is hardware.Kind.DISK and old.file != new.file:
        differing.append("source")
    if differing:
        raise ConfigUnsupported(
            f"of a running machine's device {alias}, {', '.join(dict.fromkeys(differing))} cannot be changed",
            host=target.host, domain=target.uuid, hint="detach it, and attach the new one",
        )  # fmt: skip
