"""The names that QEMU and everybody else know live devices by, made as libvirt makes them.

A user's own alias (ua-...) stays. Each kind has its own series; the number of a new device is the first that is free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.address import DimmAddress, DriveAddress
from virtbus.domain.chardev import Channel, Console, ConsoleTargetType, Parallel, Serial
from virtbus.domain.controller import Controller, ControllerType, PciModel, ScsiModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface
from virtbus.domain.lookup import disk_number
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.rng import Rng
from virtbus.domain.smalldevice import Vsock
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus_qemu.addresses import scsi_model
from virtbus_qemu.platform import platform_of

_SERIES: dict[type[Device], str] = {
    Interface: "net",
    Serial: "serial",
    Parallel: "parallel",
    Console: "console",
    Channel: "channel",
    Input: "input",
    Video: "video",
    Rng: "rng",
    Watchdog: "watchdog",
    Panic: "panic",
    Memballoon: "balloon",
    Vsock: "vsock",
}
"""Kinds whose aliases are numbered."""


def assign(domain: Domain) -> None:
    """Give every live device an alias. The console that is the first serial port has that port's alias."""
    for device in domain.devices.every():
        if device.alias is None:
            device.alias = alias_for(domain, device)


def alias_for(domain: Domain, device: Device) -> str | None:
    """The alias of a device that is, or will be, in the live domain; None for kinds that have none."""
    if isinstance(device, Memballoon) and device.model is MemballoonModel.NONE:
        return None
    special = _SPECIAL.get(type(device))
    if special is not None:
        return special(domain, device)
    series = _SERIES.get(type(device))
    return _next(domain, series) if series else None


def _next(domain: Domain, series: str) -> str:
    taken = {device.alias for device in domain.devices.every()}
    return next(alias for number in range(len(taken) + 1) if (alias := f"{series}{number}") not in taken)


def _console(domain: Domain, console: Console) -> str:
    first = domain.devices.consoles and domain.devices.consoles[0] is console
    kind = console.target.type if console.target else ConsoleTargetType.SERIAL
    if first and kind is ConsoleTargetType.SERIAL and domain.devices.serials:
        return domain.devices.serials[0].alias or "serial0"
    return _next(domain, "console")


def _controller(domain: Domain, controller: Controller) -> str:
    index, platform = controller.index or 0, platform_of(domain)
    if controller.type is ControllerType.PCI:
        is_root = controller.model in (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)
        return platform.root_bus if is_root else f"pci.{index}"
    built_in = ControllerType.SATA if platform.express else ControllerType.IDE
    if controller.type is built_in and index == 0:
        return "ide"
    if controller.type is ControllerType.USB and index == 0:
        return "usb"
    return f"{controller.type}{index}"


def _disk(domain: Domain, disk: Disk) -> str:
    address = disk.address
    if isinstance(address, DriveAddress):
        places: tuple[Any, ...] = (address.controller, address.bus, address.target, address.unit)
        if disk.target.bus is not DiskBus.SCSI or scsi_model(domain, address.controller) == ScsiModel.LSILOGIC:
            places = (address.controller, address.bus, address.unit)
        return f"{disk.target.bus}{'-'.join(map(str, places))}"
    return f"{disk.target.bus}-disk{max(0, disk_number(disk.target.dev))}"


def _memory(domain: Domain, device: MemoryDevice) -> str:
    if device.model is MemoryModel.DIMM and isinstance(device.address, DimmAddress):
        return f"dimm{device.address.slot}"
    return _next(domain, device.model.value.replace("-", ""))


_SPECIAL: dict[type[Device], Callable[..., str]] = {
    Console: _console,
    Controller: _controller,
    Disk: _disk,
    MemoryDevice: _memory,
}
"""Kinds whose aliases say where they sit."""
