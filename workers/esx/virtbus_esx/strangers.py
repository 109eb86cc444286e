"""What of a domain a VMware machine can keep. Whatever else a definition says is refused by its path, never dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtbus.domain import (
    CharType,
    Controller,
    ControllerType,
    Disk,
    DiskBus,
    DiskDevice,
    Domain,
    DomainType,
    DriveAddress,
    Graphics,
    GraphicsType,
    Interface,
    InterfaceType,
    Memballoon,
    MemballoonModel,
    Parallel,
    Serial,
    Video,
    VideoType,
)
from virtbus.domain.address import PciAddress
from virtbus.domain.boot import FirmwareChoice, Os, OsType, OsTypeName, SmbiosMode
from virtbus.domain.chardev import CharDevice, CharSource, ParallelTarget, SerialTarget
from virtbus.domain.clock import Clock, ClockOffset
from virtbus.domain.cpu import Cpu, CpuMode, CpuTopology
from virtbus.domain.devices import Devices
from virtbus.domain.disk import DiskCache, DiskDriver, DiskTarget, IoTune
from virtbus.domain.features import Features
from virtbus.domain.graphics import Listen
from virtbus.domain.interface import InterfaceModel, InterfaceSource, Mac
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.storage import StorageSource, StorageType
from virtbus.domain.tuning import CpuTune, MemTune, Vcpu
from virtbus.domain.video import VideoModel
from virtbus.errors import ConfigUnsupported
from virtbus.xml import Element
from virtbus_esx.config.devices import CARD_OF, SCSI_OF
from virtbus_esx.vmx.writingdrives import check_place, check_suffix

KEPT: dict[type[Element], frozenset[str]] = {
    Domain: frozenset(
        {
            "type",
            "id",
            "name",
            "uuid",
            "title",
            "description",
            "metadata",
            "memory",
            "current_memory",
            "memtune",
            "vcpu",
            "cputune",
            "os",
            "features",
            "cpu",
            "clock",
            "on_poweroff",
            "on_reboot",
            "on_crash",
            "devices",
        }
    ),
    Memory: frozenset({"kib"}),
    CurrentMemory: frozenset({"kib"}),
    MemTune: frozenset({"min_guarantee"}),
    Vcpu: frozenset({"placement", "cpuset", "current", "count"}),
    CpuTune: frozenset({"shares"}),
    Os: frozenset({"type", "boots", "firmware", "firmware_choice", "smbios"}),
    OsType: frozenset({"name", "arch"}),
    FirmwareChoice: frozenset({"features"}),
    Features: frozenset({"acpi", "apic", "pae"}),
    Cpu: frozenset({"mode", "match", "check", "topology"}),
    CpuTopology: frozenset({"sockets", "dies", "clusters", "cores", "threads"}),
    Clock: frozenset({"offset"}),
    Devices: frozenset(
        {
            "disks",
            "controllers",
            "interfaces",
            "serials",
            "parallels",
            "consoles",
            "graphics",
            "videos",
            "memballoon",
            "inputs",
        }
    ),
    Disk: frozenset(
        {
            "type",
            "device",
            "driver",
            "source",
            "target",
            "iotune",
            "readonly",
            "transient",
            "alias",
            "address",
            "snapshot",
        }
    ),
    DiskDriver: frozenset({"name", "cache", "type"}),
    StorageSource: frozenset({"file", "dev", "startup_policy"}),
    DiskTarget: frozenset({"dev", "bus"}),
    IoTune: frozenset({"total_iops_sec"}),
    DriveAddress: frozenset({"type", "controller", "bus", "target", "unit"}),
    PciAddress: frozenset(),
    Controller: frozenset({"type", "index", "model", "alias"}),
    Interface: frozenset({"type", "mac", "source", "model", "link", "alias"}),
    Mac: frozenset({"address", "type", "check"}),
    InterfaceSource: frozenset({"bridge", "network", "switch_id", "port_id_number", "port_group_id", "connection_id"}),
    InterfaceModel: frozenset({"type"}),
    Serial: frozenset({"type", "sources", "protocol", "target", "alias"}),
    SerialTarget: frozenset({"type", "port", "model"}),
    Parallel: frozenset({"type", "sources", "target", "alias"}),
    ParallelTarget: frozenset({"type", "port"}),
    CharSource: frozenset({"mode", "host", "service", "path"}),
    Graphics: frozenset({"type", "port", "autoport", "keymap", "password", "listen", "listens"}),
    Listen: frozenset({"type", "address"}),
    Video: frozenset({"model", "alias"}),
    VideoModel: frozenset({"type", "vram", "heads", "primary"}),
    Memballoon: frozenset({"model"}),
}
"""The fields of each element that a machine has a place for, or that every machine is anyway."""

WHOLE = (FirmwareChoice, CharDevice)
"""Elements whose parts are judged elsewhere."""


def refuse_strangers(domain: Domain) -> None:
    """:raises ConfigUnsupported, XmlInternal: the definition says something that a VMware machine cannot be."""
    for path, message in _problems(domain):
        raise ConfigUnsupported(
            message, domain=domain.uuid or domain.name, hint="leave it out, or choose another host",
            evidence={"path": path},
        )  # fmt: skip
    for disk in domain.devices.disks:
        check_drive(disk)


def refuse_strange_device(device: Element) -> None:
    """As `refuse_strangers`, of one device.

    :raises ConfigUnsupported, XmlInternal: there is no such device.
    """
    for path, message in (*_lost(device, f"/{device.element_tag}"), *_wrong_device(device, f"/{device.element_tag}")):
        raise ConfigUnsupported(message, hint="leave it out, or choose another host", evidence={"path": path})
    if isinstance(device, Disk):
        check_drive(device)


def check_drive(disk: Disk) -> None:
    """:raises ConfigUnsupported, XmlInternal: there is no such place, or no such file in a drive."""
    check_place(disk)
    if disk.type is StorageType.FILE and disk.source is not None and disk.source.file and disk.device in _FILES:
        check_suffix(disk, disk.source.file)


_FILES = (DiskDevice.DISK, DiskDevice.CDROM, DiskDevice.FLOPPY)

Problems = Iterator[tuple[str, str]]


def _problems(domain: Domain) -> Problems:
    if domain.type is not DomainType.VMWARE:
        yield "/domain/@type", f"a VMware host runs domains of type 'vmware', not '{domain.type.value}'"
    yield from _lost(domain, "/domain")
    yield from _wrong_machine(domain)
    for device in domain.devices.every():
        yield from _wrong_device(device, f"/domain/devices/{device.element_tag}")


def _lost(element: Element, path: str) -> Problems:
    """What an element says that would be lost."""
    kept = KEPT.get(type(element))
    if kept is None:
        if not isinstance(element, WHOLE) and not element.is_blank() and type(element).__name__ not in _ALWAYS:
            yield path, f"a VMware machine has no <{path.rpartition('/')[2]}>"
        return
    blank = element.plan().fresh()
    for part in element.plan().parts:
        value = getattr(element, part.name)
        if value is None or value == [] or value == blank.get(part.name):
            continue
        below = f"{path}/{part.xml}"
        if part.name not in kept:
            yield below, f"a VMware machine cannot keep '{part.xml}' of <{path.rpartition('/')[2]}>"
        elif isinstance(value, Element):
            yield from _lost(value, below)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, Element):
                    yield from _lost(each, below)


_ALWAYS = frozenset({"FirmwareFeature", "Input", "Console"})
"""Elements that every machine has, or that repeat another."""


def _wrong_machine(domain: Domain) -> Problems:
    assert domain.os is not None
    if domain.os.type.name is not OsTypeName.HVM:
        yield "/domain/os/type", f"a VMware host runs 'hvm' guests, not '{domain.os.type.name.value}'"
    if domain.os.type.arch not in (None, "i686", "x86_64"):
        yield "/domain/os/type/@arch", f"a VMware host has no processor of kind {domain.os.type.arch}"
    if domain.os.smbios not in (None, SmbiosMode.EMULATE, SmbiosMode.HOST):
        yield "/domain/os/smbios/@mode", f"Unsupported SMBIOS mode '{domain.os.smbios}'"
    if domain.memory is None or domain.memory.kib <= 0 or domain.memory.kib % 4096:
        yield "/domain/memory", "the memory of a VMware machine is a multiple of 4 MiB"
    if domain.cpu is not None and domain.cpu.mode not in (None, CpuMode.CUSTOM):
        yield "/domain/cpu/@mode", f"Unsupported CPU mode '{domain.cpu.mode}'"
    if domain.clock is not None and domain.clock.offset is not ClockOffset.UTC:
        yield "/domain/clock/@offset", "the clock of a VMware machine is its host's, which is UTC"
    yield from _wrong_ends(domain)
    topology = domain.cpu.topology if domain.cpu is not None else None
    if topology is not None:
        count = 1 if domain.vcpu is None else domain.vcpu.count
        if topology.threads != 1 or (topology.dies or 1) != 1 or topology.sockets * topology.cores != count:
            yield "/domain/cpu/topology", "a VMware machine has sockets of as many cores each, and no other topology"
    for name, most in (("graphics", 1), ("videos", 1), ("interfaces", 10), ("serials", 32), ("parallels", 3)):
        if len(getattr(domain.devices, name)) > most:
            yield f"/domain/devices/{name}", f"a VMware machine has at most {most} of these"


_ENDS = {
    "on_poweroff": LifecycleAction.DESTROY,
    "on_reboot": LifecycleAction.RESTART,
    "on_crash": LifecycleAction.DESTROY,
}


def _wrong_ends(domain: Domain) -> Problems:
    for name, only in _ENDS.items():
        if getattr(domain, name) not in (None, only):
            yield f"/domain/{name}", f"what happens then cannot be chosen for a VMware machine: it is '{only.value}'"


def _wrong_device(device: Any, path: str) -> Problems:
    for kind, check in _CHECKS.items():
        if isinstance(device, kind):
            yield from check(device, path)


def _disk(disk: Disk, path: str) -> Problems:
    if disk.target.bus not in (DiskBus.SCSI, DiskBus.SATA, DiskBus.IDE, DiskBus.FDC):
        yield f"{path}/target/@bus", f"Unsupported bus type '{disk.target.bus}'"
    if disk.device is DiskDevice.DISK and (disk.type is not StorageType.FILE or disk.source is None):
        yield path, "a hard disk of a VMware machine is a file of a datastore, as [datastore] folder/name.vmdk"
    if disk.type not in (StorageType.FILE, StorageType.BLOCK):
        yield f"{path}/@type", f"a VMware machine has no disks of type '{disk.type}'"
    if disk.readonly and disk.device not in (DiskDevice.CDROM, DiskDevice.LUN):
        yield f"{path}/readonly", "a VMware machine writes to its hard disks"
    cache = disk.driver.cache if disk.driver is not None else None
    if cache not in (None, DiskCache.DEFAULT, DiskCache.WRITE_THROUGH):
        yield f"{path}/driver/@cache", f"unsupported cache mode '{cache}'"


def _controller(controller: Controller, path: str) -> Problems:
    if controller.type is ControllerType.SCSI:
        if controller.model not in (None, "auto") and controller.model not in list(SCSI_OF):
            yield f"{path}/@model", f"a VMware machine has no SCSI controller '{controller.model}'"
        if (controller.index or 0) > 3:
            yield f"{path}/@index", "a VMware machine has at most 4 SCSI controllers"
    elif controller.type not in (ControllerType.SATA, ControllerType.IDE, ControllerType.FDC):
        yield f"{path}/@type", f"a VMware machine has no controller of type '{controller.type}' to be chosen"


def _interface(card: Interface, path: str) -> Problems:
    if card.type not in (InterfaceType.BRIDGE, InterfaceType.VDS):
        yield f"{path}/@type", f"Unsupported net type '{card.type}': cards are on a port group, by type 'bridge'"
    if card.model is not None and card.model.type.lower() not in CARD_OF:
        yield f"{path}/model/@type", f"a VMware machine has no card '{card.model.type}': it has {', '.join(CARD_OF)}"


def _graphics(graphics: Graphics, path: str) -> Problems:
    if graphics.type is not GraphicsType.VNC:
        yield f"{path}/@type", f"Unsupported graphics type '{graphics.type}'"


def _video(video: Video, path: str) -> Problems:
    if video.model is not None and video.model.type is not VideoType.VMVGA:
        yield f"{path}/model/@type", f"Unsupported video device type '{video.model.type}'"


def _balloon(balloon: Memballoon, path: str) -> Problems:
    if balloon.model is not MemballoonModel.NONE:
        yield f"{path}/@model", "the balloon of a VMware machine belongs to VMware Tools"


def _port(port: CharDevice, path: str) -> Problems:
    known = (CharType.DEV, CharType.FILE, *((CharType.PIPE, CharType.TCP) if isinstance(port, Serial) else ()))
    if port.type not in known:
        yield f"{path}/@type", f"Unsupported character device type '{port.type}'"


_CHECKS: dict[type[Any], Any] = {
    Disk: _disk,
    Controller: _controller,
    Interface: _interface,
    Graphics: _graphics,
    Video: _video,
    Memballoon: _balloon,
    Serial: _port,
    Parallel: _port,
}
