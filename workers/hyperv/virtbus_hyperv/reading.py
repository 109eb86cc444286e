"""A machine's settings as hardware, and as the domain that it runs as or is defined as."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from uuid import UUID

from virtbus.domain import Domain, Form
from virtbus.errors import HypervisorError
from virtbus_hyperv.classes import (
    CONNECTION,
    EMULATED_CARD,
    MEMORY,
    PROCESSOR,
    RESOURCE,
    SERIAL,
    STORAGE,
    SYNTHETIC_CARD,
    Resource,
)
from virtbus_hyperv.conversion.frame import usual_frame
from virtbus_hyperv.conversion.hardware import BootSource, Bus, Card, Controller, Drive, Hardware, Kind, Port
from virtbus_hyperv.conversion.parse import target_name
from virtbus_hyperv.conversion.render import domain_of
from virtbus_hyperv.machines import Machine
from virtbus_hyperv.notes import Notes
from virtbus_hyperv.wsman.instance import Instance
from virtbus_hyperv.wsman.reference import parse_path

Switches = Mapping[str, str]
"""Names of virtual switches by Hyper-V's own names of them, in small letters."""
ALL_CONNECTED = 2
"""EnabledState of a connection whose cable is plugged in."""


def hardware_of_machine(machine: Machine, switches: Switches) -> Hardware:
    """What a machine has.

    :raises HypervisorError: its settings make no sense.
    """
    notes = machine.notes
    memory, processors = _single(machine, MEMORY), _single(machine, PROCESSOR)
    startup = memory.number("VirtualQuantity")
    most = memory.number("Limit") if memory.truth("DynamicMemoryEnabled") else notes.memory
    second = machine.second_generation
    order = [BootSource(number) for number in machine.settings.numbers("BootOrder") if number <= BootSource.NETWORK]
    made = Hardware(
        name=machine.name, uuid=machine.uuid, description=notes.text or None, generation=2 if second else 1,
        secure_boot=not second or machine.settings.truth("SecureBootEnabled"),
        boots=[] if second else order[: notes.boots] if notes.boots else order,
        processors=processors.number("VirtualQuantity", 1), memory=max(most, startup), startup=startup,
    )  # fmt: skip
    indices = scsi_indices(machine, notes)
    made.controllers = [Controller(index=index, id=id_) for id_, index in in_order(indices)]
    drives = (drive for drive in _drives(machine, indices) if not is_empty(drive))
    made.drives = sorted(drives, key=lambda drive: drive.place)
    made.cards = list(_cards(machine, switches))
    made.ports = list(_ports(machine))
    _remember(made, notes)
    return made


def _single(machine: Machine, kind: str) -> Instance:
    found = machine.of(kind)
    if not found:
        raise HypervisorError(f"the machine {machine.name} has no {kind}")
    return found[0]


def relative_id(machine: Machine, instance_id: str) -> str:
    """The part of an InstanceID that stays when a snapshot is applied."""
    return instance_id.removeprefix(machine.settings.text("InstanceID")).lstrip("\\")


def scsi_indices(machine: Machine, notes: Notes) -> dict[str, int]:
    """The numbers of the SCSI controllers by their InstanceIDs: as noted, new ones behind."""
    there = {
        relative_id(machine, each.text("InstanceID")): each.text("InstanceID")
        for each in machine.of(RESOURCE)
        if each.number("ResourceType") == Resource.SCSI
    }
    order = [key for key in notes.scsi if key in there] + [key for key in there if key not in notes.scsi]
    return {there[key]: index for index, key in enumerate(order)}


def every_drive(machine: Machine) -> list[Drive]:
    """All drives, also those that are nothing to a guest: see `is_empty`."""
    return list(_drives(machine, scsi_indices(machine, machine.notes)))


def is_empty(drive: Drive) -> bool:
    """Whether a drive is nothing to a guest: a disk without its file, or the floppy drive, a fixed part, without a
    medium."""
    return drive.kind is not Kind.DVD and drive.file is None and drive.physical is None


def in_order(indices: Mapping[str, int]) -> list[tuple[str, int]]:
    """Controllers by their numbers."""
    return sorted(indices.items(), key=lambda pair: pair[1])


def _drives(machine: Machine, scsi: Mapping[str, int]) -> Iterator[Drive]:
    by_id = {each.text("InstanceID"): each for each in machine.of(RESOURCE)}
    media = {_parent(each): each for each in machine.of(STORAGE)}
    media |= {_parent(each): each for each in machine.of(RESOURCE) if each.number("ResourceType") == Resource.MEDIUM}
    for id_, each in by_id.items():
        kind = _KINDS.get(each.number("ResourceType"))
        if kind is None:
            continue
        medium = media.get(id_)
        place = _place(each, by_id, scsi)
        if place is None:
            continue
        drive = Drive(bus=place[0], controller=place[1], unit=place[2], kind=kind, id=id_)
        if medium is not None:
            drive.medium_id = medium.text("InstanceID")
            drive.file = next(iter(medium.texts("HostResource")), None)
            drive.iops = medium.number("IOPSLimit")
        elif each.texts("HostResource"):
            drive.physical = _drive_number(each.texts("HostResource")[0])
        yield drive


_KINDS: dict[int, Kind] = {Resource.DISK: Kind.DISK, Resource.DVD: Kind.DVD, Resource.DISKETTE: Kind.FLOPPY}


def _parent(setting: Instance) -> str:
    path = setting.text("Parent")
    return parse_path(path).key("InstanceID") if path else ""


def _place(drive: Instance, by_id: Mapping[str, Instance], scsi: Mapping[str, int]) -> tuple[Bus, int, int] | None:
    parent = by_id.get(_parent(drive))
    if drive.number("ResourceType") == Resource.DISKETTE:
        return Bus.FLOPPY, 0, 0
    if parent is None:
        return None
    unit = drive.number("AddressOnParent")
    if parent.number("ResourceType") == Resource.IDE:
        return Bus.IDE, parent.number("Address"), unit
    index = scsi.get(parent.text("InstanceID"))
    return None if index is None else (Bus.SCSI, index, unit)


def _drive_number(path: str) -> int | None:
    """The number of a disk of the host: the end of its DeviceID. None where the drive is there without its disk."""
    match = re.search(r"\\+(\d+)$", parse_path(path).key("DeviceID"))
    return int(match[1]) if match is not None else None


def _cards(machine: Machine, switches: Switches) -> Iterator[Card]:
    connections = {_parent(each): each for each in machine.of(CONNECTION)}
    for kind in (SYNTHETIC_CARD, EMULATED_CARD):
        for each in machine.of(kind):
            digits = each.text("Address").replace("-", "").replace(":", "").lower().rjust(12, "0")
            mac = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
            card = Card(mac=mac, synthetic=kind == SYNTHETIC_CARD, id=each.text("InstanceID"))
            connection = connections.get(card.id)
            if connection is not None:
                card.connection_id = connection.text("InstanceID")
                card.switch = _switch(connection, switches)
                card.up = card.switch is None or connection.number("EnabledState", ALL_CONNECTED) == ALL_CONNECTED
            yield card


def _switch(connection: Instance, switches: Switches) -> str | None:
    path = next(iter(connection.texts("HostResource")), "")
    if not path:
        return None
    guid = parse_path(path).key("Name")
    return switches.get(guid.lower(), guid)


def _ports(machine: Machine) -> Iterator[Port]:
    for each in machine.of(SERIAL):
        number = int(re.sub(r"\D", "", each.text("ElementName")) or "1") - 1
        pipe = next(iter(each.texts("Connection")), "")
        if pipe:
            yield Port(number=number, pipe=pipe, id=each.text("InstanceID"))


def _remember(made: Hardware, notes: Notes) -> None:
    """What the notes say of each part."""
    for part in made.parts():
        said = notes.devices.get(part.key, {})
        part.alias = said.get("alias")
        if isinstance(part, Drive):
            name = str(said.get("name", ""))
            part.name = "" if name == target_name(part) else name
        if isinstance(part, Card):
            part.network = bool(said.get("network"))


def frame_of_machine(machine: Machine, notes: Notes) -> Domain:
    """What the definition says beside the hardware."""
    if notes.frame:
        return Domain.parse(notes.frame)
    bare = Domain.parse(f"<domain type='hyperv'><name>x</name><uuid>{machine.uuid}</uuid></domain>")
    return usual_frame(bare)


def defined_domain(machine: Machine, switches: Switches, uuid: UUID) -> Domain | None:
    """The definition that a machine has; None where it is transient."""
    notes = machine.notes
    if notes.transient:
        return None
    if notes.pending:
        return Domain.parse(notes.pending)
    return present_domain(machine, switches, uuid)


def present_domain(machine: Machine, switches: Switches, uuid: UUID) -> Domain:
    """A definition from what a machine has now."""
    hardware = hardware_of_machine(machine, switches)
    hardware.uuid = uuid
    return domain_of(hardware, frame_of_machine(machine, machine.notes))


def live_domain(machine: Machine, switches: Switches, uuid: UUID) -> Domain:
    """The running domain."""
    hardware = hardware_of_machine(machine, switches)
    hardware.uuid = uuid
    return domain_of(hardware, frame_of_machine(machine, machine.notes), live=machine.process)


def text_of(domain: Domain) -> str:
    """A definition as the notes keep it."""
    return domain.format(Form.INACTIVE, secure=True)
