"""What a definition asks for, as hardware."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtbus.domain import ControllerType, Disk, DiskBus, DiskDevice, Domain, DriveAddress, Interface, disk_number
from virtbus.domain.boot import BootDevice, Firmware, FirmwareFeatureName
from virtbus.domain.chardev import CharType, Serial
from virtbus.domain.device import USER_ALIAS
from virtbus.domain.interface import InterfaceType, LinkState
from virtbus.domain.storage import StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_hyperv.conversion.hardware import (
    CONTROLLERS,
    PORTS,
    UNITS,
    BootSource,
    Bus,
    Card,
    Controller,
    Drive,
    Hardware,
    Kind,
    Port,
)

SYNTHETIC, LEGACY = "netvsc", "tulip"
"""What the guest sees of the two kinds of cards: VMBus's, and an emulated DEC 21140."""
_MODELS = {None: True, SYNTHETIC: True, LEGACY: False}
_MIB = 1024
MEMORY_STEP = 2
"""Hyper-V counts memory in 2 MiB."""


def hardware_of(domain: Domain) -> Hardware:
    """What a definition asks for. What it does not look at is found by `losses`.

    :raises ConfigUnsupported: Hyper-V has no such thing; `evidence["path"]` says where.
    """
    assert domain.uuid is not None
    generation = 2 if domain.os is not None and domain.os.firmware is Firmware.EFI else 1
    memory = _mebibytes(domain.memory.kib if domain.memory is not None else _MIB * _MIB)
    startup = _mebibytes(domain.current_memory.kib) if domain.current_memory is not None else memory
    count = 1 if domain.vcpu is None else domain.vcpu.count if domain.vcpu.current is None else domain.vcpu.current
    made = Hardware(
        name=domain.name, uuid=domain.uuid, description=domain.description, generation=generation,
        secure_boot=_secure(domain), boots=_boots(domain, generation), processors=count, memory=memory,
        startup=min(startup, memory),
    )  # fmt: skip
    made.drives = sorted((drive_of(disk, generation) for disk in domain.devices.disks), key=lambda drive: drive.place)
    made.controllers = list(_controllers(domain, made.drives))
    made.cards = [card_of(card, generation) for card in domain.devices.interfaces]
    made.ports = [_port(serial, generation) for serial in domain.devices.serials]
    return made


def refuse(path: str, message: str, hint: str = "change it, or choose another host") -> ConfigUnsupported:
    """The error of a definition that Hyper-V cannot fulfil."""
    return ConfigUnsupported(message, hint=hint, evidence={"path": path})


def _mebibytes(kib: int) -> int:
    """MiB, of which Hyper-V takes even numbers only; at least so much."""
    step = MEMORY_STEP * _MIB
    return -(-kib // step) * MEMORY_STEP


def _secure(domain: Domain) -> bool:
    choice = domain.os.firmware_choice if domain.os is not None else None
    said = {feature.name: feature.enabled for feature in choice.features} if choice is not None else {}
    return said.get(FirmwareFeatureName.SECURE_BOOT, True)


_BOOTS = {
    BootDevice.FD: BootSource.FLOPPY, BootDevice.CDROM: BootSource.DVD, BootDevice.HD: BootSource.DISK,
    BootDevice.NETWORK: BootSource.NETWORK,
}  # fmt: skip


def _boots(domain: Domain, generation: int) -> list[BootSource]:
    boots = [_BOOTS[boot] for boot in (domain.os.boots if domain.os is not None else [])]
    if generation == 2 and boots not in ([], [BootSource.DISK]):
        raise refuse("/domain/os/boot", "the order of boot devices of an EFI machine is its firmware's on Hyper-V")
    return boots


def _controllers(domain: Domain, drives: list[Drive]) -> Iterator[Controller]:
    there = {
        controller.index or 0: controller.alias
        for controller in domain.devices.controllers
        if controller.type is ControllerType.SCSI
    }
    most = max([*there, *(drive.controller for drive in drives if drive.bus is Bus.SCSI)], default=-1)
    if most >= CONTROLLERS[Bus.SCSI]:
        raise refuse("/domain/devices/controller", "Hyper-V has at most 4 SCSI controllers in a machine")
    for index in range(most + 1):
        yield Controller(index=index, alias=own_alias(there.get(index)))


def own_alias(alias: str | None) -> str | None:
    """An alias if it is the user's."""
    return alias if alias is not None and alias.startswith(USER_ALIAS) else None


_BUSES = {DiskBus.IDE: Bus.IDE, DiskBus.SCSI: Bus.SCSI, DiskBus.FDC: Bus.FLOPPY}
_KINDS = {DiskDevice.DISK: Kind.DISK, DiskDevice.CDROM: Kind.DVD, DiskDevice.FLOPPY: Kind.FLOPPY}
_NAMED = {Bus.IDE: 2, Bus.SCSI: 7, Bus.FLOPPY: 1}
"""How many names libvirt counts for a controller where a disk has no address."""
PREFIXES = {Bus.IDE: "hd", Bus.SCSI: "sd", Bus.FLOPPY: "fd"}


def drive_of(disk: Disk, generation: int) -> Drive:
    """The drive that a disk asks for.

    :raises ConfigUnsupported: Hyper-V has no such drive.
    """
    path = f"/domain/devices/disk[target/@dev='{disk.target.dev}']"
    bus = _BUSES.get(disk.target.bus) if disk.target.bus is not None else None
    if bus is None:
        raise refuse(f"{path}/target/@bus", f"Hyper-V has no disks on the bus {disk.target.bus or '(none)'}",
                     "use scsi, or ide in a machine with a BIOS")  # fmt: skip
    if generation == 2 and bus is not Bus.SCSI:
        raise refuse(f"{path}/target/@bus", f"an EFI machine of Hyper-V has no {bus} drives", "use scsi")
    kind = _KINDS.get(disk.device)
    if kind is None or (kind is Kind.FLOPPY) != (bus is Bus.FLOPPY):
        raise refuse(f"{path}/@device", f"Hyper-V has no {disk.device.value} on the bus {bus}")
    drive = Drive(bus=bus, controller=0, unit=0, kind=kind, alias=own_alias(disk.alias))
    drive.controller, drive.unit = place_of(disk, bus)
    if drive.controller >= CONTROLLERS[bus] or drive.unit >= UNITS[bus]:
        raise refuse(f"{path}/address", f"there is no unit {drive.unit} on {bus} {drive.controller} of Hyper-V")
    drive.name = "" if disk.target.dev == target_name(drive) else disk.target.dev
    _fill_medium(drive, disk, path)
    if disk.iotune is not None and disk.iotune.total_iops_sec:
        drive.iops = disk.iotune.total_iops_sec
    return drive


def _fill_medium(drive: Drive, disk: Disk, path: str) -> None:
    source = disk.source
    if disk.type is StorageType.BLOCK and source is not None:
        if drive.kind is not Kind.DISK or not re.fullmatch(r"[0-9]+", source.dev or ""):
            raise refuse(f"{path}/source/@dev", "Hyper-V names disks of the host by their numbers, such as 1")
        drive.physical = int(source.dev or "0")
    elif disk.type is StorageType.FILE:
        drive.file = source.file if source is not None else None
    else:
        raise refuse(f"{path}/@type", f"Hyper-V has no disks of type {disk.type.value}")
    if drive.kind is Kind.FLOPPY and drive.file is None:
        raise refuse(f"{path}/source", "the floppy drive of a machine is always there; only its medium can be defined")
    if drive.kind is Kind.DISK and drive.file is None and drive.physical is None:
        raise refuse(f"{path}/source", "a disk needs a file or a disk of the host")


def place_of(disk: Disk, bus: Bus) -> tuple[int, int]:
    """Controller (of IDE: channel) and unit."""
    if isinstance(disk.address, DriveAddress):
        return (disk.address.bus if bus is Bus.IDE else disk.address.controller), disk.address.unit
    return divmod(max(disk_number(disk.target.dev), 0), _NAMED[bus])


def target_name(drive: Drive) -> str:
    """The name that follows from a place, as libvirt's driver gives it."""
    number = drive.controller * UNITS[drive.bus] + drive.unit
    letters = ""
    while number >= 0:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
    return PREFIXES[drive.bus] + letters


def card_of(card: Interface, generation: int) -> Card:
    """The card that an interface asks for.

    :raises ConfigUnsupported: Hyper-V has no such card.
    """
    assert card.mac is not None
    path = f"/domain/devices/interface[mac/@address='{card.mac.address}']"
    model = card.model.type if card.model is not None else None
    if model not in _MODELS:
        raise refuse(f"{path}/model/@type", f"Hyper-V has no network card of the model {model}",
                     f"use {SYNTHETIC}, or {LEGACY} in a machine with a BIOS")  # fmt: skip
    if not _MODELS[model] and generation == 2:
        raise refuse(f"{path}/model/@type", "an EFI machine of Hyper-V has no legacy network card", f"use {SYNTHETIC}")
    source = card.source
    names = {
        InterfaceType.BRIDGE: source.bridge if source is not None else None,
        InterfaceType.NETWORK: source.network if source is not None else None,
        InterfaceType.NULL: None,
    }
    if card.type not in names:
        raise refuse(f"{path}/@type", f"Hyper-V connects no card by '{card.type.value}'",
                     "use bridge with the name of a virtual switch")  # fmt: skip
    return Card(
        mac=card.mac.address.lower(), synthetic=_MODELS[model], switch=names[card.type],
        up=card.link is not LinkState.DOWN, network=card.type is InterfaceType.NETWORK, alias=own_alias(card.alias),
    )  # fmt: skip


def _port(serial: Serial, generation: int) -> Port:
    number = serial.target.port if serial.target is not None and serial.target.port is not None else 0
    path = f"/domain/devices/serial[{number + 1}]"
    source = serial.source
    if serial.type is not CharType.PIPE or source is None or not source.path:
        raise refuse(f"{path}/@type", "the other end of a serial port of Hyper-V is a named pipe")
    if generation == 2 or number >= PORTS:
        raise refuse(path, "only a machine with a BIOS has serial ports on Hyper-V, and two of them")
    return Port(number=number, pipe=source.path, alias=own_alias(serial.alias))
