"""What a device is called in a machine: by its place, its card's address or its port; and its alias.

Device keys are the server's, and change where a device is removed and added again; these names do not. A user's alias
is kept in the machine's extra configuration under such a name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain import Controller, Device, Disk, DiskBus, DriveAddress, Interface, Parallel, Serial, Video
from virtbus_esx.vmx.buses import BUSES

ALIAS = "virtbus.alias."
"""Begins the keys of the extra configuration that hold users' aliases."""


def _drive(disk: Any) -> str:
    bus = BUSES.get(disk.target.bus or DiskBus.SCSI)
    if bus is None or not isinstance(disk.address, DriveAddress):
        return f"{disk.target.bus}-{disk.target.dev}"
    return bus.key(disk.address)


_NAMES: dict[type[Device], Callable[[Any], str]] = {
    Disk: _drive,
    Interface: lambda card: f"net.{'' if card.mac is None else card.mac.address.lower()}",
    Controller: lambda controller: f"{controller.type.value}{controller.index or 0}",
    Serial: lambda port: f"serial{port.target.port or 0}",
    Parallel: lambda port: f"parallel{port.target.port or 0}",
    Video: lambda video: "video0",
}


def place_name(device: Device) -> str | None:
    """What a device is called in its machine; None for those that the API does not know as devices."""
    return next((name(device) for kind, name in _NAMES.items() if isinstance(device, kind)), None)


def own_alias(device: Device, key: int | None = None) -> str:
    """The alias of a device that the user gave none.

    :param key: the server's key of a card, which is its own for as long as the card is there.
    """
    if isinstance(device, Disk) and isinstance(device.address, DriveAddress) and device.target.bus is not None:
        address = device.address
        if device.target.bus is DiskBus.SCSI:
            return f"scsi{address.controller}-{address.bus}-{address.target}-{address.unit}"
        return f"{device.target.bus.value}{address.controller}-{address.bus}-{address.unit}"
    if isinstance(device, Interface):
        return f"net{FIRST_CARD_KEY if key is None else key - FIRST_CARD_KEY}"
    return place_name(device) or (device.element_tag or "device") + "0"


FIRST_CARD_KEY = 4000
"""The key of a machine's first network card."""
