"""The names that QEMU and everybody else know live devices by, made as libvirt makes them.

A user's own alias (ua-...) stays. Each kind has its own series; a new device gets the number after the largest.
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
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.hostdev import Hostdev
from virtbus.domain.hub import Hub
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface, InterfaceType, connection
from virtbus.domain.iommu import Iommu
from virtbus.domain.lookup import disk_number
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.nvram import Nvram
from virtbus.domain.pstore import Pstore
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.smartcard import Smartcard
from virtbus.domain.sound import Sound
from virtbus.domain.tpm import Tpm
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog
from virtbus_qemu.places.scsi import scsi_model
from virtbus_qemu.platform import Board, platform_of

_SERIES: dict[type[Device], str] = {
    Filesystem: "fs",
    Sound: "sound",
    Hostdev: "hostdev",
    Redirdev: "redir",
    Video: "video",
    Hub: "hub",
    Shmem: "shmem",
    Smartcard: "smartcard",
    Input: "input",
    Serial: "serial",
    Parallel: "parallel",
    Channel: "channel",
    Tpm: "tpm",
    Watchdog: "watchdog",
    Rng: "rng",
    Panic: "panic",
    Crypto: "crypto",
}
"""Kinds whose aliases are numbered."""

_ONLY: dict[type[Device], str] = {
    Memballoon: "balloon0",
    Vsock: "vsock0",
    Iommu: "iommu0",
    Pstore: "pstore0",
    Nvram: "nvram",
}
"""Kinds of which there is one."""


_PANIC_CARDS = (PanicModel.ISA, PanicModel.PVPANIC)
"""Panic devices that are devices of QEMU's; the others are part of the machine or the processor."""


def assign(domain: Domain) -> None:
    """Give every live device an alias. The console that is the first serial port has that port's alias."""
    for device in domain.devices.every():
        if device.alias is None:
            device.alias = alias_for(domain, device)


def alias_for(domain: Domain, device: Device) -> str | None:
    """The alias of a device that is, or will be, in the live domain; None for kinds that have none."""
    if isinstance(device, Memballoon) and device.model is MemballoonModel.NONE:
        return None
    if isinstance(device, Panic) and device.model not in _PANIC_CARDS:
        return None
    for kind, special in _SPECIAL.items():
        if isinstance(device, kind):
            return special(domain, device)
    for kind, name in _ONLY.items():
        if isinstance(device, kind):
            return name
    series = next((series for kind, series in _SERIES.items() if isinstance(device, kind)), None)
    return _next(domain, series) if series else None


def _next(domain: Domain, series: str) -> str:
    numbers = [_number(device.alias, series) for device in domain.devices.every()]
    return f"{series}{max(numbers, default=-1) + 1}"


def _number(alias: str | None, series: str) -> int:
    """The number of an alias in a series; -1 for one of another."""
    rest = (alias or "").removeprefix(series)
    return int(rest) if alias is not None and alias.startswith(series) and rest.isdecimal() else -1


def _console(domain: Domain, console: Console) -> str:
    """The first console is the first serial port, if there is one; the others are numbered by their places."""
    consoles, serials = domain.devices.consoles, domain.devices.serials
    kind = console.target.type if console.target else ConsoleTargetType.SERIAL
    if consoles and consoles[0] is console and kind is ConsoleTargetType.SERIAL and serials:
        return serials[0].alias or "serial0"
    place = next((number for number, each in enumerate(consoles) if each is console), len(consoles))
    numbers = [_number(each.alias, "console") for each in consoles]
    return f"console{max(place, max(numbers, default=-1) + 1)}"


def _interface(domain: Domain, interface: Interface) -> str:
    """A card that is a device of the host counts among those."""
    return _next(domain, "hostdev" if connection(interface) is InterfaceType.HOSTDEV else "net")


_BUILT_IN = {
    ControllerType.IDE: (Board.I440FX, Board.MALTA, Board.SUN4U, Board.MAC),
    ControllerType.SATA: (Board.Q35,),
}
"""Boards that have the first controller of a type built in; QEMU calls its bus ide."""


def _controller(domain: Domain, controller: Controller) -> str:
    index, platform = controller.index or 0, platform_of(domain)
    if controller.type is ControllerType.PCI:
        is_root = index == 0 and controller.model in (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)
        return platform.root_bus if is_root else f"pci.{index}"
    built_in = index == 0 and (
        (
            controller.type is ControllerType.IDE
            and platform.board in (Board.I440FX, Board.MALTA, Board.SUN4U, Board.MAC)
        )
        or (controller.type is ControllerType.SATA and platform.board is Board.Q35)
    )
    if built_in:
        return "ide"
    if index == 0 and (controller.type is ControllerType.USB or controller.model == ScsiModel.NCR53C90):
        # The only bus of its kind has no number.
        return controller.type.value
    return f"{controller.type}{index}"


def _disk(domain: Domain, disk: Disk) -> str:
    address = disk.address
    if isinstance(address, DriveAddress):
        places: tuple[Any, ...] = (address.controller, address.bus, address.target, address.unit)
        if disk.target.bus is not DiskBus.SCSI or scsi_model(domain, address.controller) == ScsiModel.LSILOGIC:
            places = (address.controller, address.bus, address.unit)
        return f"{disk.target.bus}{'-'.join(map(str, places))}"
    return f"{disk.target.bus}-disk{max(0, disk_number(disk.target.dev))}"


_MEMORIES = {
    MemoryModel.DIMM: "dimm",
    MemoryModel.NVDIMM: "nvdimm",
    MemoryModel.VIRTIO_PMEM: "virtiopmem",
    MemoryModel.VIRTIO_MEM: "virtiomem",
    MemoryModel.SGX_EPC: "epc",
}


def _memory(domain: Domain, device: MemoryDevice) -> str:
    series = _MEMORIES[device.model]
    if isinstance(device.address, DimmAddress) and device.address.slot is not None:
        return f"{series}{device.address.slot}"
    return _next(domain, series)


_SPECIAL: dict[type[Device], Callable[..., str]] = {
    Console: _console,
    Interface: _interface,
    Controller: _controller,
    Disk: _disk,
    MemoryDevice: _memory,
}
"""Kinds whose aliases say where they sit, or what they are."""
