"""Resources put into a machine, changed there and taken out: the same calls whether it runs or not.

What takes two calls (a drive, then what lies in it; a card, then its cable) is there whole afterwards, or not at all.
"""

from __future__ import annotations

from contextlib import suppress

from virtbus.driver import Work
from virtbus.errors import HypervisorError, InvalidArgument, VirtbusError
from virtbus_hyperv.classes import (
    CONNECTION,
    DISK_DRIVE,
    EMULATED_CARD,
    RESOURCE,
    STORAGE,
    SYNTHETIC_CARD,
    Resource,
    SubType,
)
from virtbus_hyperv.conversion.hardware import Bus, Card, Drive, Kind
from virtbus_hyperv.errand import Errand
from virtbus_hyperv.machines import Machine, Machines
from virtbus_hyperv.management import Management, request_seconds
from virtbus_hyperv.reading import ALL_CONNECTED, Switches, every_drive, hardware_of_machine
from virtbus_hyperv.wsman.instance import Embedded, Given
from virtbus_hyperv.wsman.message import Argument
from virtbus_hyperv.wsman.reference import Reference

UNPLUGGED = 3
"""EnabledState of a connection whose cable is out."""
UNDO_SECONDS = 20.0

_DRIVES = {Kind.DISK: (Resource.DISK, SubType.DISK), Kind.DVD: (Resource.DVD, SubType.DVD)}
_MEDIA = {Kind.DISK: SubType.HARD_DISK, Kind.DVD: SubType.OPTICAL, Kind.FLOPPY: SubType.DISKETTE}


class Plugging:
    """Resources of machines."""

    def __init__(self, machines: Machines, management: Management) -> None:
        self._machines = machines
        self._management = management

    # ---- any resource ----

    async def add(self, machine: Machine, setting: Embedded, work: Work) -> str:
        """Add one resource; returns its InstanceID where the host says it."""
        arguments: dict[str, Argument] = {
            "AffectedConfiguration": machine.settings_reference, "ResourceSettings": setting,
        }  # fmt: skip
        result = await self._management.manage("AddResourceSettings", arguments, work)
        added = result.references("ResultingResourceSettings")
        return added[0].key("InstanceID") if added else ""

    async def modify(self, setting: Embedded, work: Work) -> None:
        """Change one resource."""
        await self._management.manage("ModifyResourceSettings", {"ResourceSettings": setting}, work)

    async def remove(self, machine: Machine, ids: list[str], work: Work) -> None:
        """Take resources out, to the end."""
        await self._management.manage("RemoveResourceSettings", removal(machine, ids), work)

    async def begin_removal(self, machine: Machine, ids: list[str], timeout: float) -> Reference | None:
        """Have resources taken out; returns the job that waits for the guest, if there is one."""
        service = await self._management.service("Msvm_VirtualSystemManagementService", timeout)
        _, job = await self._management.begin(service, "RemoveResourceSettings", removal(machine, ids), timeout)
        return job

    # ---- controllers and drives ----

    async def add_controller(self, machine: Machine, work: Work) -> None:
        """Add a SCSI controller."""
        setting: dict[str, Given] = {"ResourceType": Resource.SCSI.value, "ResourceSubType": SubType.SCSI.value}
        await self.add(machine, Embedded(RESOURCE, setting), work)

    async def add_drive(self, machine: Machine, drive: Drive, work: Work) -> None:
        """Add a drive, with what lies in it.

        :raises InvalidArgument: its controller is not there.
        """
        if drive.bus is Bus.FLOPPY:
            floppy = next(each for each in machine.of(RESOURCE) if each.number("ResourceType") == Resource.DISKETTE)
            await self._insert(machine, drive, floppy.text("InstanceID"), work)
            return
        kind, subtype = _DRIVES[drive.kind]
        setting: dict[str, Given] = {
            "ResourceType": kind.value, "ResourceSubType": subtype.value, "AddressOnParent": str(drive.unit),
            "Parent": self._path(machine, self._controller(machine, drive)),
        }  # fmt: skip
        if drive.physical is not None:
            setting |= {"ResourceSubType": SubType.PHYSICAL.value, "HostResource": [await self._disk(drive, work)]}
        id_ = await self.add(machine, Embedded(RESOURCE, setting), work)
        if drive.file is None:
            return
        id_ = id_ or (await self._again(machine, drive, work)).id
        try:
            await self._insert(machine, drive, id_, work)
        except VirtbusError:
            await self._undo(machine, id_)
            raise

    async def _insert(self, machine: Machine, drive: Drive, drive_id: str, work: Work) -> None:
        """Put a file into a drive."""
        if drive.file is None:
            return
        setting: dict[str, Given] = {
            "ResourceType": Resource.MEDIUM.value, "ResourceSubType": _MEDIA[drive.kind].value,
            "Parent": self._path(machine, drive_id), "HostResource": [drive.file],
        }  # fmt: skip
        if drive.iops:
            setting["IOPSLimit"] = drive.iops
        await self.add(machine, Embedded(STORAGE, setting), work)

    async def change_drive(self, machine: Machine, old: Drive, new: Drive, work: Work) -> None:
        """Change what lies in a drive, or its limits."""
        if old.medium_id and new.file is None:
            await self.remove(machine, [old.medium_id], work)
        elif old.medium_id:
            setting: dict[str, Given] = {"InstanceID": old.medium_id, "IOPSLimit": new.iops}
            if new.file is not None and new.file != old.file:
                setting["HostResource"] = [new.file]
            await self.modify(Embedded(STORAGE, setting), work)
        else:
            await self._insert(machine, new, old.id, work)

    async def remove_drive(self, machine: Machine, drive: Drive, work: Work) -> None:
        """Take a drive out, with what lies in it."""
        await self.remove(machine, drive_ids(drive), work)

    def _controller(self, machine: Machine, drive: Drive) -> str:
        if drive.bus is Bus.IDE:
            for each in machine.of(RESOURCE):
                if each.number("ResourceType") == Resource.IDE and each.number("Address") == drive.controller:
                    return each.text("InstanceID")
        for controller in hardware_of_machine(machine, {}).controllers:
            if drive.bus is Bus.SCSI and controller.index == drive.controller:
                return controller.id
        raise InvalidArgument(
            f"the machine has no {drive.bus} controller {drive.controller}", hint="attach the controller first"
        )

    async def _again(self, machine: Machine, drive: Drive, work: Work) -> Drive:
        """A drive that was just added, as the host has it."""
        for each in every_drive(await self._read(machine, work)):
            if each.place == drive.place:
                return each
        raise HypervisorError("the host says that it added a drive, and has none there")

    async def _disk(self, drive: Drive, work: Work) -> str:
        """The path of a disk of the host, by its number."""
        query = f"SELECT * FROM {DISK_DRIVE} WHERE DriveNumber = {drive.physical}"
        found = await self._management.client.references(query, request_seconds(work))
        if not found:
            raise InvalidArgument(f"the host has no disk {drive.physical} that a machine could have",
                                  hint="a disk must be offline on the host")  # fmt: skip
        return found[0].path()

    # ---- cards ----

    async def add_card(self, machine: Machine, card: Card, switches: Switches, work: Work) -> None:
        """Add a card, with its cable."""
        resource = switch_path(card, switches)
        kind = SYNTHETIC_CARD if card.synthetic else EMULATED_CARD
        setting: dict[str, Given] = {
            "ResourceType": Resource.CARD.value, "Address": card.mac.replace(":", "").upper(), "StaticMacAddress": True,
            "ResourceSubType": (SubType.CARD if card.synthetic else SubType.LEGACY_CARD).value,
            "ElementName": "Network Adapter" if card.synthetic else "Legacy Network Adapter",
        }  # fmt: skip
        id_ = await self.add(machine, Embedded(kind, setting), work)
        if resource is None:
            return
        if not id_:
            cards = hardware_of_machine(await self._read(machine, work), {}).cards
            id_ = next((each.id for each in cards if each.mac == card.mac), "")
        try:
            await self._connect(machine, card, id_, resource, work)
        except VirtbusError:
            await self._undo(machine, id_)
            raise

    async def _connect(self, machine: Machine, card: Card, card_id: str, resource: str, work: Work) -> None:
        setting: dict[str, Given] = {
            "ResourceType": Resource.CONNECTION.value, "ResourceSubType": SubType.CONNECTION.value,
            "Parent": self._path(machine, card_id, SYNTHETIC_CARD if card.synthetic else EMULATED_CARD),
            "HostResource": [resource], "EnabledState": ALL_CONNECTED if card.up else UNPLUGGED,
        }  # fmt: skip
        await self.add(machine, Embedded(CONNECTION, setting), work)

    async def change_card(self, machine: Machine, old: Card, new: Card, switches: Switches, work: Work) -> None:
        """Connect a card to another switch, or plug its cable in or out."""
        resource = switch_path(new, switches)
        if not old.connection_id and resource is not None:
            await self._connect(machine, new, old.id, resource, work)
        elif old.connection_id:
            setting: dict[str, Given] = {
                "InstanceID": old.connection_id, "EnabledState": ALL_CONNECTED if new.up else UNPLUGGED,
                "HostResource": [] if resource is None else [resource],
            }  # fmt: skip
            await self.modify(Embedded(CONNECTION, setting), work)

    # ---- both ----

    def _path(self, machine: Machine, id_: str, kind: str = RESOURCE) -> str:
        return Reference(kind, (("InstanceID", id_),)).path()

    async def _read(self, machine: Machine, work: Work) -> Machine:
        found = await self._machines.one(machine.guid, request_seconds(work))
        if found is None:
            raise HypervisorError("the machine is not there any more")
        return found

    async def _undo(self, machine: Machine, id_: str) -> None:
        """Take out the first half of what could not be added whole; what became of it is found by the next look."""
        with suppress(VirtbusError):
            await self.remove(machine, [id_], Errand(UNDO_SECONDS))


def removal(machine: Machine, ids: list[str]) -> dict[str, Argument]:
    """The arguments of RemoveResourceSettings."""
    kinds = {each.text("InstanceID"): each.kind for each in machine.components}
    return {"ResourceSettings": [Reference(kinds.get(id_, RESOURCE), (("InstanceID", id_),)) for id_ in ids]}


def drive_ids(drive: Drive) -> list[str]:
    """What is taken out with a drive; the floppy drive itself stays."""
    ids = [drive.medium_id] if drive.medium_id else []
    return ids if drive.bus is Bus.FLOPPY else [*ids, drive.id]


def switch_path(card: Card, switches: Switches) -> str | None:
    """What a connection names its switch by.

    :raises InvalidArgument: the host has no such switch.
    """
    if card.switch is None:
        return None
    for guid, name in switches.items():
        if name == card.switch:
            keys = (("CreationClassName", "Msvm_VirtualEthernetSwitch"), ("Name", guid.upper()))
            return Reference("Msvm_VirtualEthernetSwitch", keys).path()
    names = ", ".join(sorted(switches.values()))
    raise InvalidArgument(
        f"the host has no virtual switch '{card.switch}'", hint=f"there are: {names}" if names else "make one first"
    )
