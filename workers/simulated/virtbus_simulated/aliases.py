"""The aliases of live devices, as libvirt's QEMU driver gives them (its test driver gives none)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from virtbus.domain import ControllerType, Device, Disk, DiskBus, Domain, DriveAddress, disk_number

PREFIXES = {
    "interface": "net",
    "filesystem": "fs",
    "memballoon": "balloon",
    "redirdev": "redir",
    "memory": "dimm",
}
"""The prefix where it is not the element's name; a number follows."""

_WITHOUT_NUMBER = ("nvram",)


def assign_aliases(domain: Domain) -> None:
    """Give every device of a domain that is about to start an alias; a user's own aliases stay."""
    devices = list(domain.devices.every())
    taken = {device.alias for device in devices if device.alias is not None}
    for device in devices:
        if device.alias is None:
            device.alias = new_alias(device, taken)
            taken.add(device.alias)


def new_alias(device: Device, taken: Iterable[str]) -> str:
    """An alias for a device beside those that are taken."""
    used = set(taken)
    tag = device.element_tag or type(device).__name__.lower()
    if tag == "disk":
        wanted = _disk(device)
    elif tag == "controller":
        wanted = _controller(device)
    elif tag in _WITHOUT_NUMBER:
        wanted = tag
    else:
        return _numbered(PREFIXES.get(tag, tag), used)
    return wanted if wanted not in used else _numbered(f"{wanted}-", used)


def _numbered(prefix: str, used: set[str]) -> str:
    number = 0
    while f"{prefix}{number}" in used:
        number += 1
    return f"{prefix}{number}"


_PLACES: dict[DiskBus, Callable[[int], tuple[int, int, int, int]]] = {
    DiskBus.IDE: lambda number: (number // 4, number // 2 % 2, 0, number % 2),
    DiskBus.SATA: lambda number: (number // 6, 0, 0, number % 6),
    DiskBus.FDC: lambda number: (number // 2, 0, 0, number % 2),
    DiskBus.SCSI: lambda number: (number // 7, 0, 0, number % 7),
}
"""Controller, bus, target and unit of a disk by the number of its name, where it has no address."""


def _disk(disk: Any) -> str:
    assert isinstance(disk, Disk)
    bus = disk.target.bus or DiskBus.VIRTIO
    number = max(disk_number(disk.target.dev), 0)
    place = _PLACES.get(bus)
    if place is None:
        return f"{bus.value}-disk{number}"
    address = disk.address
    if isinstance(address, DriveAddress):
        controller, channel, target, unit = address.controller, address.bus, address.target, address.unit
    else:
        controller, channel, target, unit = place(number)
    if bus is DiskBus.SCSI:
        return f"scsi{controller}-{channel}-{target}-{unit}"
    if bus is DiskBus.FDC:
        return f"fdc{controller}-{unit}"
    return f"{bus.value}{controller}-{channel}-{unit}"


def _controller(controller: Any) -> str:
    index = controller.index or 0
    if controller.type is ControllerType.PCI:
        root = {"pci-root": "pci.0", "pcie-root": "pcie.0"}
        return root.get(controller.model or "", f"pci.{index}")
    if controller.type in (ControllerType.USB, ControllerType.IDE, ControllerType.FDC) and index == 0:
        return str(controller.type.value)
    return f"{controller.type.value}{index}"
