"""What a machine has, as libvirt's hyperv domain XML."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain import (
    Console,
    Controller,
    ControllerType,
    Disk,
    DiskBus,
    DiskDevice,
    Domain,
    DriveAddress,
    Interface,
    Video,
    VideoType,
    insert,
    pair_console,
)
from virtbus.domain.boot import (
    BootDevice,
    Firmware,
    FirmwareChoice,
    FirmwareFeature,
    FirmwareFeatureName,
    Os,
    OsType,
    OsTypeName,
)
from virtbus.domain.chardev import CharSource, CharType, Serial, SerialTarget
from virtbus.domain.disk import DiskTarget, IoTune
from virtbus.domain.interface import InterfaceModel, InterfaceSource, InterfaceType, LinkState, Mac
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.storage import StorageSource, StorageType
from virtbus.domain.tuning import Placement, Vcpu
from virtbus.domain.video import VideoModel
from virtbus_hyperv.conversion.hardware import BootSource, Bus, Card, Drive, Hardware, Kind, Part, Port, live_alias
from virtbus_hyperv.conversion.parse import LEGACY, SYNTHETIC, target_name

_KIB = 1024


def domain_of(hardware: Hardware, frame: Domain, *, live: int | None = None) -> Domain:
    """A machine as a domain.

    :param frame: what its definition says beside the hardware.
    :param live: its number while it runs: then every device has an alias.
    """
    made = frame.copy()
    running = live is not None
    made.id, made.name, made.uuid = live, hardware.name, hardware.uuid
    made.description = hardware.description
    made.memory = Memory(kib=hardware.memory * _KIB)
    made.current_memory = CurrentMemory(kib=hardware.startup * _KIB)
    most = max(hardware.processors, frame.vcpu.count if frame.vcpu is not None else 1)
    current = hardware.processors if hardware.processors < most else None
    made.vcpu = Vcpu(count=most, current=current, placement=Placement.STATIC)
    made.os = _os(hardware)
    for controller in _controllers(hardware, running):
        insert(made, controller)
    for drive in hardware.drives:
        insert(made, disk_of(drive, running=running))
    made.devices.interfaces = [interface_of(card, running=running) for card in hardware.cards]
    made.devices.serials = [_serial(port, running) for port in hardware.ports]
    made.devices.videos = [_video(running)]
    pair_console(made)
    _name_consoles(made.devices.consoles, made.devices.serials)
    return made


_BOOTS = {
    BootSource.FLOPPY: BootDevice.FD, BootSource.DVD: BootDevice.CDROM, BootSource.DISK: BootDevice.HD,
    BootSource.NETWORK: BootDevice.NETWORK,
}  # fmt: skip


def _os(hardware: Hardware) -> Os:
    made = Os(type=OsType(arch="x86_64", name=OsTypeName.HVM))
    made.boots = [_BOOTS[boot] for boot in hardware.boots] or [BootDevice.HD]
    if hardware.generation == 2:
        secure = FirmwareFeature(enabled=hardware.secure_boot, name=FirmwareFeatureName.SECURE_BOOT)
        made.firmware, made.firmware_choice = Firmware.EFI, FirmwareChoice(features=[secure])
    return made


def _alias(part: Part, running: bool) -> str | None:
    return live_alias(part) if running else part.alias


def _controllers(hardware: Hardware, running: bool) -> Iterator[Controller]:
    if hardware.generation == 1:
        yield Controller(type=ControllerType.IDE, index=0, alias="ide" if running else None)
    if any(drive.bus is Bus.FLOPPY for drive in hardware.drives):
        yield Controller(type=ControllerType.FDC, index=0, alias="fdc" if running else None)
    for each in hardware.controllers:
        yield Controller(type=ControllerType.SCSI, index=each.index, alias=_alias(each, running))


def disk_of(drive: Drive, *, running: bool) -> Disk:
    """A drive as a disk."""
    made = Disk(
        type=StorageType.FILE if drive.physical is None else StorageType.BLOCK, device=DiskDevice(drive.kind.value),
        target=DiskTarget(dev=drive.name or target_name(drive), bus=DiskBus(drive.bus.value)),
        readonly=drive.kind is Kind.DVD, alias=_alias(drive, running),
    )  # fmt: skip
    if drive.physical is not None:
        made.source = StorageSource(dev=str(drive.physical))
    elif drive.file is not None:
        made.source = StorageSource(file=drive.file)
    if drive.iops:
        made.iotune = IoTune(total_iops_sec=drive.iops)
    channel = drive.controller if drive.bus is Bus.IDE else 0
    controller = 0 if drive.bus is Bus.IDE else drive.controller
    made.address = DriveAddress(controller=controller, bus=channel, target=0, unit=drive.unit)
    return made


def interface_of(card: Card, *, running: bool) -> Interface:
    """A card as an interface."""
    if card.switch is None:
        kind, source = InterfaceType.NULL, None
    elif card.network:
        kind, source = InterfaceType.NETWORK, InterfaceSource(network=card.switch)
    else:
        kind, source = InterfaceType.BRIDGE, InterfaceSource(bridge=card.switch)
    return Interface(
        type=kind, mac=Mac(address=card.mac), source=source,
        model=InterfaceModel(type=SYNTHETIC if card.synthetic else LEGACY),
        link=None if card.up else LinkState.DOWN, alias=_alias(card, running),
    )  # fmt: skip


def _serial(port: Port, running: bool) -> Serial:
    return Serial(
        type=CharType.PIPE, sources=[CharSource(path=port.pipe)], target=SerialTarget(port=port.number),
        alias=_alias(port, running),
    )  # fmt: skip


def _video(running: bool) -> Video:
    model = VideoModel(type=VideoType.VGA, heads=1, primary=True)
    return Video(model=model, alias="video0" if running else None)


def _name_consoles(consoles: list[Console], serials: list[Serial]) -> None:
    """The first console is the first serial port."""
    for console, serial in zip(consoles, serials, strict=False):
        console.alias = serial.alias
