"""Making a machine what a definition says: one that is off, in as few calls as its differences need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtbus.driver import Work
from virtbus.errors import HypervisorError
from virtbus_hyperv.classes import MEMORY, PROCESSOR, SECOND_GENERATION, SERIAL, SETTINGS
from virtbus_hyperv.conversion.hardware import Card, Drive, Hardware
from virtbus_hyperv.conversion.parse import refuse
from virtbus_hyperv.definition import Definition
from virtbus_hyperv.machines import Machine, Machines
from virtbus_hyperv.management import Management, request_seconds
from virtbus_hyperv.notes import Notes
from virtbus_hyperv.plugging import Plugging, drive_ids
from virtbus_hyperv.reading import (
    Switches,
    every_drive,
    hardware_of_machine,
    in_order,
    relative_id,
    scsi_indices,
    text_of,
)
from virtbus_hyperv.wsman.instance import Embedded, Given


class Applying:
    """Definitions put into machines."""

    def __init__(self, machines: Machines, management: Management, plugging: Plugging) -> None:
        self._machines = machines
        self._management = management
        self._plugging = plugging

    async def create(self, definition: Definition, work: Work, *, transient: str = "") -> str:
        """A new machine, still with nothing but its name; returns Hyper-V's own name of it."""
        hardware = definition.hardware
        settings: dict[str, Given] = {
            "ElementName": hardware.name,
            "BIOSGUID": f"{{{str(hardware.uuid).upper()}}}",
            "Notes": Notes(transient=transient).write() or [""],
        }
        if hardware.generation == 2:
            settings["VirtualSystemSubType"] = SECOND_GENERATION
        result = await self._management.manage("DefineSystem", {"SystemSettings": Embedded(SETTINGS, settings)}, work)
        system = result.reference("ResultingSystem")
        guid = system.key("Name") if system is not None else None
        guid = guid or await self._machines.guid_of(hardware.uuid, request_seconds(work))
        if guid is None:
            raise HypervisorError("the host says that it made a machine, and has none")
        return guid

    async def apply(
        self, machine: Machine, definition: Definition, switches: Switches, work: Work, *, transient: str = ""
    ) -> Machine:
        """Make a machine that is off what the definition says; returns it as it is then.

        :raises ConfigUnsupported: it cannot become that.
        """
        wanted = definition.hardware
        now = hardware_of_machine(machine, switches)
        if wanted.generation != now.generation:
            raise refuse("/domain/os/@firmware", "Hyper-V cannot change the firmware of a machine that is there",
                         "undefine it, and define it anew")  # fmt: skip
        await self._size(machine, now, wanted, work)
        machine, now = await self._storage(machine, now, wanted, switches, work)
        await self._cards(machine, now, wanted, switches, work)
        await self._ports(machine, now, wanted, work)
        notes = notes_of(definition, machine, transient)
        await self._settings(machine, now, wanted, notes, work)
        return await self.read(machine.guid, work)

    async def read(self, guid: str, work: Work) -> Machine:
        """:raises HypervisorError: the machine is not there any more."""
        found = await self._machines.one(guid, request_seconds(work))
        if found is None:
            raise HypervisorError("the machine is not there any more")
        return found

    async def write_notes(self, machine: Machine, notes: Notes, work: Work) -> None:
        """Write a machine's notes, if they say anything new."""
        entries = notes.write() or [""]
        if entries != (machine.settings.texts("Notes") or [""]):
            await self._modify(machine, {"Notes": entries}, work)

    async def _modify(self, machine: Machine, changes: dict[str, Given], work: Work) -> None:
        changes = {"InstanceID": machine.settings.text("InstanceID")} | changes
        await self._management.manage(
            "ModifySystemSettings", {"SystemSettings": Embedded(SETTINGS, changes)}, work
        )
        if "Notes" in changes:
            entries: Any = changes["Notes"]
            machine.settings.values["Notes"] = list(entries)

    async def _settings(self, machine: Machine, now: Hardware, wanted: Hardware, notes: Notes, work: Work) -> None:
        changes: dict[str, Given] = {}
        if wanted.name != now.name:
            changes["ElementName"] = wanted.name
        if (entries := notes.write() or [""]) != (machine.settings.texts("Notes") or [""]):
            changes["Notes"] = entries
        if wanted.generation == 2 and wanted.secure_boot != now.secure_boot:
            changes["SecureBootEnabled"] = wanted.secure_boot
        order = machine.settings.numbers("BootOrder")
        if wanted.generation == 1 and wanted.boots:
            new = [*map(int, wanted.boots), *(number for number in order if number not in wanted.boots)]
            if new != order:
                changes["BootOrder"] = new
        if changes:
            await self._modify(machine, changes, work)

    async def _size(self, machine: Machine, now: Hardware, wanted: Hardware, work: Work) -> None:
        changes = []
        if wanted.processors != now.processors:
            id_ = machine.of(PROCESSOR)[0].text("InstanceID")
            changes.append(Embedded(PROCESSOR, {"InstanceID": id_, "VirtualQuantity": wanted.processors}))
        dynamic = machine.of(MEMORY)[0].truth("DynamicMemoryEnabled")
        if (wanted.memory, wanted.startup, wanted.dynamic) != (now.memory, now.startup, dynamic):
            changes.append(Embedded(MEMORY, memory_settings(machine, wanted)))
        if changes:
            await self._management.manage("ModifyResourceSettings", {"ResourceSettings": changes}, work)

    async def _storage(
        self, machine: Machine, now: Hardware, wanted: Hardware, switches: Switches, work: Work
    ) -> tuple[Machine, Hardware]:
        """Drives that go, controllers that come, drives that come and change, controllers that go."""
        there = {drive.place: drive for drive in every_drive(machine)}
        asked = {drive.place: drive for drive in wanted.drives}
        for place, drive in there.items():
            other = asked.get(place)
            if other is None or (other.kind, other.physical) != (drive.kind, drive.physical):
                if drive_ids(drive):
                    await self._plugging.remove_drive(machine, drive, work)
                there[place] = replace(drive, id="")
        added = len(wanted.controllers) - len(now.controllers)
        for _ in range(added):
            await self._plugging.add_controller(machine, work)
        if added > 0:
            machine = await self.read(machine.guid, work)
            now = hardware_of_machine(machine, switches)
        for place, drive in asked.items():
            old = there.get(place)
            if old is None or not old.id:
                await self._plugging.add_drive(machine, drive, work)
            elif (old.file, old.iops) != (drive.file, drive.iops):
                await self._plugging.change_drive(machine, old, drive, work)
        for controller in now.controllers[len(wanted.controllers) :]:
            await self._plugging.remove(machine, [controller.id], work)
        return machine, now

    async def _cards(
        self, machine: Machine, now: Hardware, wanted: Hardware, switches: Switches, work: Work
    ) -> None:
        there: dict[str, Card] = {card.mac: card for card in now.cards}
        asked = {card.mac: card for card in wanted.cards}
        for mac, card in there.items():
            if mac not in asked or asked[mac].synthetic != card.synthetic:
                await self._plugging.remove(machine, [card.id], work)
        for mac, card in asked.items():
            old = there.get(mac)
            if old is None or old.synthetic != card.synthetic:
                await self._plugging.add_card(machine, card, switches, work)
            elif (old.switch, old.up) != (card.switch, card.up):
                await self._plugging.change_card(machine, old, card, switches, work)

    async def _ports(self, machine: Machine, now: Hardware, wanted: Hardware, work: Work) -> None:
        pipes = {port.number: port.pipe for port in wanted.ports}
        there = {port.number: port.pipe for port in now.ports}
        changes = []
        for number, each in enumerate(sorted(machine.of(SERIAL), key=lambda port: port.text("ElementName"))):
            if pipes.get(number, "") != there.get(number, ""):
                id_ = each.text("InstanceID")
                changes.append(Embedded(SERIAL, {"InstanceID": id_, "Connection": [pipes.get(number, "")]}))
        if changes:
            await self._management.manage("ModifyResourceSettings", {"ResourceSettings": changes}, work)


def memory_settings(machine: Machine, wanted: Hardware) -> dict[str, Given]:
    """The settings of memory: dynamic where a machine starts with less than it may have."""
    settings: dict[str, Given] = {"InstanceID": machine.of(MEMORY)[0].text("InstanceID")}
    settings |= {"DynamicMemoryEnabled": wanted.dynamic, "VirtualQuantity": wanted.startup}
    if wanted.dynamic:
        settings |= {"Reservation": min(LEAST_MEMORY, wanted.startup), "Limit": wanted.memory}
    return settings


LEAST_MEMORY = 32
"""MiB that a machine with dynamic memory keeps."""


def notes_of(definition: Definition, machine: Machine, transient: str = "") -> Notes:
    """The notes of a machine that is what a definition says."""
    hardware = definition.hardware
    order = in_order(scsi_indices(machine, machine.notes))
    return Notes(
        text=hardware.description or "",
        devices={part.key: said for part in hardware.parts() if (said := said_of(part))},
        scsi=[relative_id(machine, id_) for id_, _ in order][: len(hardware.controllers)],
        boots=len(hardware.boots), memory=hardware.memory, frame=text_of(definition.frame), transient=transient,
    )  # fmt: skip


def said_of(part: Any) -> dict[str, Any]:
    """What the notes keep of a part."""
    said: dict[str, Any] = {"alias": part.alias} if part.alias else {}
    if isinstance(part, Drive) and part.name:
        said["name"] = part.name
    if isinstance(part, Card) and part.network:
        said["network"] = True
    return said
