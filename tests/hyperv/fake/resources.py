"""Resources plugged into machines, changed and taken out, with the refusals of a real host."""

from __future__ import annotations

from typing import Any

from tests.hyperv.fake.jobs import Refused
from tests.hyperv.fake.machine import RASD, Machine, Thing

STORAGE = "Msvm_StorageAllocationSettingData"
SYNTHETIC, EMULATED = "Msvm_SyntheticEthernetPortSettingData", "Msvm_EmulatedEthernetPortSettingData"
CONNECTION = "Msvm_EthernetPortAllocationSettingData"
INVALID_PARAMETER, INVALID_STATE, IN_USE = 32773, 32775, 32774
UNITS = {5: 2, 6: 64}
"""How many drives a controller of a type has."""
DRIVES = (16, 17)


def add(machine: Machine, kind: str, given: dict[str, Any], files: dict[str, str], switches: set[str]) -> Thing:
    """Plug a resource.

    :param files: the disks that machines have open, with their machine.
    """
    number = int(given.get("ResourceType") or 0)
    if kind in (SYNTHETIC, EMULATED):
        return _add_card(machine, kind, given)
    if kind == CONNECTION:
        return _add_connection(machine, given, switches)
    if number == 6:
        return _add_controller(machine, given)
    if number in DRIVES:
        return _add_drive(machine, given)
    if kind == STORAGE or number == 31:
        return _add_disk(machine, given, files)
    raise Refused(INVALID_PARAMETER, f"The resource type {number} cannot be added.")


def _add_card(machine: Machine, kind: str, given: dict[str, Any]) -> Thing:
    if machine.active and (machine.generation == 1 or kind == EMULATED):
        raise Refused(INVALID_STATE, "The network adapter cannot be added while the virtual machine is running.")
    if kind == EMULATED and machine.generation == 2:
        raise Refused(INVALID_PARAMETER, "A legacy network adapter needs a generation 1 virtual machine.")
    number = len([each for each in machine.things.values() if each.kind in (SYNTHETIC, EMULATED)])
    address = given.get("Address") or f"00155D{number:06X}"
    name = "Legacy Network Adapter" if kind == EMULATED else "Network Adapter"
    values = {"ElementName": name, "StaticMacAddress": "false"} | given
    values |= {"InstanceID": machine.new_id(), "Address": address, "ResourceType": 10}
    return machine.add(Thing(kind, values))


def _add_connection(machine: Machine, given: dict[str, Any], switches: set[str]) -> Thing:
    card = machine.parent_of(given.get("Parent"))
    if card is None or card.kind not in (SYNTHETIC, EMULATED):
        raise Refused(INVALID_PARAMETER, "The parent is no network adapter.")
    _check_switch(given, switches)
    values = {"EnabledState": "2", "ResourceSubType": "Microsoft:Hyper-V:Ethernet Connection"} | given
    return machine.add(Thing(CONNECTION, values | {"InstanceID": f"{card.id}\\C", "ResourceType": 33}))


def _check_switch(given: dict[str, Any], switches: set[str]) -> None:
    for path in given.get("HostResource") or []:
        if not any(switch in path for switch in switches):
            raise Refused(INVALID_PARAMETER, f"The virtual switch {path} does not exist.")


def _add_controller(machine: Machine, given: dict[str, Any]) -> Thing:
    there = [each for each in machine.things.values() if each.values.get("ResourceType") == 6]
    if machine.active and machine.generation == 1:
        raise Refused(INVALID_STATE, "A SCSI controller cannot be added while the virtual machine is running.")
    if len(there) >= 4:
        raise Refused(INVALID_PARAMETER, "A virtual machine has at most 4 SCSI controllers.")
    values = {"ElementName": "SCSI Controller"} | given | {"InstanceID": f"{machine.new_id()}\\0", "ResourceType": 6}
    return machine.add(Thing(RASD, values))


def _add_drive(machine: Machine, given: dict[str, Any]) -> Thing:
    controller = machine.parent_of(given.get("Parent"))
    units = 0 if controller is None else UNITS.get(int(controller.values["ResourceType"]), 0)
    unit = str(given.get("AddressOnParent") or "")
    if controller is None or not unit.isdigit() or int(unit) >= units:
        raise Refused(INVALID_PARAMETER, f"The controller has no place {unit or '(none)'}.")
    if machine.active and units == 2:
        raise Refused(INVALID_STATE, "Drives of an IDE controller cannot be added while the virtual machine runs.")
    for other in machine.children(controller):
        if other.values.get("AddressOnParent") == unit:
            raise Refused(IN_USE, f"The place {unit} of the controller is taken.")
    guid, number = controller.id.rsplit("\\", 2)[1:]
    values = given | {
        "InstanceID": f"{machine.settings_id}\\{guid}\\{number}\\{unit}\\D", "AddressOnParent": unit,
        "ResourceType": int(given["ResourceType"]),
    }  # fmt: skip
    return machine.add(Thing(RASD, values))


def _add_disk(machine: Machine, given: dict[str, Any], files: dict[str, str]) -> Thing:
    drive = machine.parent_of(given.get("Parent"))
    paths = given.get("HostResource") or []
    if drive is None or drive.values["ResourceType"] not in (*DRIVES, 14) or len(paths) != 1:
        raise Refused(INVALID_PARAMETER, "The parent is no drive, or there is not one file.")
    if machine.children(drive):
        raise Refused(IN_USE, "There is a medium in the drive.")
    owner = files.get(str(paths[0]).lower())
    if drive.values["ResourceType"] == 17 and owner is not None and machine.active:
        raise Refused(IN_USE, f"The file {paths[0]} is in use by {owner}.")
    values = {"IOPSLimit": "0"} | given | {"InstanceID": f"{drive.id[:-1]}L", "ResourceType": 31}
    return machine.add(Thing(STORAGE, values))


def modify(machine: Machine, given: dict[str, Any], switches: set[str]) -> None:
    """Change a resource in place."""
    thing = machine.things.get(str(given.get("InstanceID")))
    if thing is None:
        raise Refused(INVALID_PARAMETER, "There is no such resource.")
    changes = {name: value for name, value in given.items() if name not in ("InstanceID", "ResourceType")}
    if thing.kind == "Msvm_ProcessorSettingData" and machine.active and "VirtualQuantity" in changes:
        raise Refused(INVALID_STATE, "The number of processors cannot be changed while the virtual machine is running.")
    if thing.kind == "Msvm_MemorySettingData":
        _check_memory(machine, thing, changes)
    if thing.kind in (SYNTHETIC, EMULATED) and machine.active and "Address" in changes:
        raise Refused(INVALID_STATE, "The MAC address cannot be changed while the virtual machine is running.")
    if thing.kind == CONNECTION:
        _check_switch(changes, switches)
    thing.values |= changes


def _check_memory(machine: Machine, thing: Thing, changes: dict[str, Any]) -> None:
    after = thing.values | changes
    for name in ("VirtualQuantity", "Reservation", "Limit"):
        if name in changes and int(changes[name]) % 2:
            raise Refused(INVALID_PARAMETER, "The amount of memory must be a multiple of 2 MB.")
    dynamic = str(after.get("DynamicMemoryEnabled", "false")).lower() == "true"
    was = str(thing.values.get("DynamicMemoryEnabled", "false")).lower() == "true"
    if machine.active and dynamic != was:
        raise Refused(INVALID_STATE, "Dynamic memory cannot be turned on or off while the virtual machine is running.")
    if dynamic and machine.active and "VirtualQuantity" in changes:
        raise Refused(INVALID_STATE, "The startup memory cannot be changed while the virtual machine is running.")
    if dynamic and not int(after["Reservation"]) <= int(after["VirtualQuantity"]) <= int(after["Limit"]):
        raise Refused(INVALID_PARAMETER, "The startup memory must lie between the minimum and the maximum.")


def removable(machine: Machine, thing: Thing) -> None:
    """:raises Refused: it cannot be taken out now."""
    if thing.kind in ("Msvm_ProcessorSettingData", "Msvm_MemorySettingData") or thing.values["ResourceType"] in (5, 24):
        raise Refused(INVALID_PARAMETER, "The resource belongs to the virtual machine.")
    parent = machine.parent_of(thing.values.get("Parent"))
    on_ide = parent is not None and parent.values["ResourceType"] == 5
    if machine.active and (on_ide or thing.kind == EMULATED or (thing.kind == SYNTHETIC and machine.generation == 1)):
        raise Refused(INVALID_STATE, "The device cannot be removed while the virtual machine is running.")
    if thing.values["ResourceType"] == 6 and machine.children(thing):
        raise Refused(IN_USE, "There are drives on the controller.")


def remove(machine: Machine, thing: Thing) -> None:
    """Take a resource out, with what is in it."""
    for child in machine.children(thing):
        remove(machine, child)
    machine.things.pop(thing.id, None)
