"""What no hypervisor can run: contradictions within a domain, as a table of checks.

A check looks at one thing and yields the error for each contradiction, with its path in the document. They expect
what `complete` fills in. A hypervisor adds checks of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from virtbus.domain.address import (
    Address,
    CcwAddress,
    DimmAddress,
    DriveAddress,
    PciAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from virtbus.domain.chardev import Channel, ChannelTargetType, CharDevice, CharType, Console, ConsoleTargetType
from virtbus.domain.controller import MODELS, Controller
from virtbus.domain.device import USER_ALIAS, Device
from virtbus.domain.devices import KINDS
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import ListenType
from virtbus.domain.interface import InterfaceType
from virtbus.domain.lookup import disk_number
from virtbus.domain.memorydevice import MemoryModel
from virtbus.domain.storage import StorageType
from virtbus.errors import ConfigUnsupported, InvalidArgument, VirtbusError, XmlDetail

Problems = Iterator[VirtbusError]


def check(domain: Domain) -> None:
    """Refuse a domain that contradicts itself.

    :raise XmlDetail: it does; `evidence["path"]` says where.
    :raise ConfigUnsupported: it asks for a combination that libvirt does not know.
    """
    for problems in CHECKS:
        for problem in problems(domain):
            raise problem.at(domain=domain.name or None)


def problems_of(domain: Domain) -> list[VirtbusError]:
    """Every contradiction, not only the first."""
    return [problem for problems in CHECKS for problem in problems(domain)]


def places(domain: Domain) -> Iterator[tuple[str, Device]]:
    """Every device with its path, such as /domain/devices/disk[2]."""
    for name, many, kind in KINDS:
        value = getattr(domain.devices, name)
        path = f"/domain/devices/{kind.element_tag}"
        if not many:
            if value is not None:
                yield path, value
            continue
        for number, device in enumerate(value, start=1):
            yield (path if len(value) == 1 else f"{path}[{number}]"), device


def _detail(message: str, path: str, hint: str | None = None) -> XmlDetail:
    return XmlDetail(message, hint=hint, evidence={"path": path})


def _unsupported(message: str, path: str, hint: str | None = None) -> ConfigUnsupported:
    return ConfigUnsupported(message, hint=hint, evidence={"path": path})


def _twice(items: Iterator[tuple[Hashable, str]]) -> Iterator[tuple[Any, str, str]]:
    """Of each key that comes again: the key, where it came first, where it comes again."""
    first: dict[Hashable, str] = {}
    for key, path in items:
        if key in first:
            yield key, first[key], path
        first.setdefault(key, path)


def _check_names(domain: Domain) -> Problems:
    name = domain.name
    if not name.strip():
        yield _detail("the domain's name is empty", "/domain/name")
    elif "/" in name or "\n" in name:
        what = "'/'" if "/" in name else "a line break"
        yield _detail(f"name {name!r:.80} cannot contain {what}", "/domain/name")
    elif len(name.encode()) > 255:
        yield _detail("the domain's name is longer than 255 bytes", "/domain/name")
    if domain.title is not None and "\n" in domain.title:
        yield _detail("the domain's title cannot contain line breaks", "/domain/title")


def _check_memory(domain: Domain) -> Problems:
    if domain.memory is None or domain.memory.kib == 0:
        yield _detail("Memory size must be specified via <memory> or in the <numa> configuration", "/domain/memory")
        return
    plugged = sum(device.target.size for device in domain.devices.memories)
    if plugged > domain.memory.kib:
        yield _detail("Total size of memory devices exceeds the total memory size", "/domain/memory")
    current, most = domain.current_memory, domain.max_memory
    if current is not None and current.kib > domain.memory.kib:
        yield _detail(
            f"current memory {current.kib} KiB exceeds memory {domain.memory.kib} KiB", "/domain/currentMemory"
        )
    if most is None:
        return
    if most.kib < domain.memory.kib:
        yield _detail(f"memory {domain.memory.kib} KiB exceeds maxMemory {most.kib} KiB", "/domain/maxMemory")
    slots = sum(device.model in _IN_SLOTS for device in domain.devices.memories)
    if most.slots is not None and slots > most.slots:
        yield _detail(f"memory device count '{slots}' exceeds slots count '{most.slots}'", "/domain/maxMemory/@slots")


_IN_SLOTS = (MemoryModel.DIMM, MemoryModel.NVDIMM)
"""The memory devices that take a slot; virtio's are PCI devices."""


def _check_vcpus(domain: Domain) -> Problems:
    vcpu = domain.vcpu
    if vcpu is None:
        return
    if vcpu.count == 0:
        yield _detail("invalid maximum number of vCPUs '0'", "/domain/vcpu")
    elif vcpu.current is not None and vcpu.current > vcpu.count:
        yield _detail(
            f"maxvcpus must not be less than current vcpus ({vcpu.count} < {vcpu.current})", "/domain/vcpu/@current"
        )
    elif vcpu.current == 0:
        yield _detail("invalid current number of vCPUs '0'", "/domain/vcpu/@current")
    topology = domain.cpu.topology if domain.cpu is not None else None
    if topology is None:
        return
    product = topology.sockets * (topology.dies or 1) * (topology.clusters or 1) * topology.cores * topology.threads
    if product == 0:
        yield _detail("Invalid CPU topology", "/domain/cpu/topology")
    elif product != vcpu.count:
        yield _unsupported("CPU topology doesn't match maximum vcpu count", "/domain/cpu/topology")


def _check_disk_names(domain: Domain) -> Problems:
    disks = [(path, device) for path, device in places(domain) if isinstance(device, Disk)]
    targets: Iterator[tuple[Hashable, str]] = ((disk.target.dev, f"{path}/target/@dev") for path, disk in disks)
    for name, first, again in _twice(targets):
        yield _detail(f"target '{name}' duplicated for disks", again, f"{first} has it too")
    identities: Iterator[tuple[Hashable, str]] = ((disk.wwn.lower(), path) for path, disk in disks if disk.wwn)
    for wwn, first, again in _twice(identities):
        yield _detail(f"Disks have identical WWN '{wwn}'", f"{again}/wwn", f"{first} has it too")
    for path, disk in disks:
        if disk.address is None and disk_number(disk.target.dev) < 0:
            yield _detail(f"Unknown disk name '{disk.target.dev}' and no address specified", f"{path}/target/@dev")


def _check_disks(domain: Domain) -> Problems:
    for path, disk in places(domain):
        if not isinstance(disk, Disk):
            continue
        bus = disk.target.bus
        if disk.device is DiskDevice.FLOPPY and bus is not DiskBus.FDC:
            yield _unsupported(f"Invalid bus type '{bus}' for floppy disk", f"{path}/target/@bus")
        if disk.device is DiskDevice.DISK and bus is DiskBus.FDC:
            yield _unsupported(f"Invalid bus type '{bus}' for disk", f"{path}/target/@bus")
        if disk.device is DiskDevice.CDROM and bus in (DiskBus.VIRTIO, DiskBus.FDC):
            yield _unsupported(f"disk type of '{disk.target.dev}' does not support ejectable media", f"{path}/@device")
        if disk.device is DiskDevice.LUN and disk.type in (StorageType.FILE, StorageType.DIR):
            yield _detail("disk device='lun' is only valid for block type disk source", f"{path}/@device")
        if disk.source is None and disk.device in (DiskDevice.DISK, DiskDevice.LUN):
            yield _detail(f"disk '{disk.target.dev}' has no source", f"{path}/source")
        yield from _check_source(path, disk)
        yield from _check_iotune(path, disk)


_SOURCE_NEEDS: dict[StorageType, tuple[str, ...]] = {
    StorageType.FILE: ("file",),
    StorageType.BLOCK: ("dev",),
    StorageType.DIR: ("dir",),
    StorageType.NETWORK: ("protocol",),
    StorageType.VOLUME: ("pool", "volume"),
    StorageType.VHOST_USER: ("path",),
    StorageType.VHOST_VDPA: ("dev",),
}


def _check_source(path: str, disk: Disk) -> Problems:
    """A source has what its type needs; only drives with removable media may name no image."""
    if disk.source is None:
        return
    for name in _SOURCE_NEEDS.get(disk.type, ()):
        empty = disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY) and disk.type is not StorageType.VOLUME
        if getattr(disk.source, name) is None and not empty:
            yield _detail(f"missing '{name}' in the source of disk '{disk.target.dev}'", f"{path}/source/@{name}")


def _check_iotune(path: str, disk: Disk) -> Problems:
    if disk.iotune is None:
        return
    for what in ("bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"):
        total, read, write = (getattr(disk.iotune, f"{which}_{what}") for which in ("total", "read", "write"))
        if total and (read or write):
            yield _unsupported(
                f"total and read/write {what} cannot be set at the same time", f"{path}/iotune/total_{what}"
            )


def _check_controllers(domain: Domain) -> Problems:
    controllers = [(path, device) for path, device in places(domain) if isinstance(device, Controller)]
    # The companions of a USB2 controller share its index.
    numbered: Iterator[tuple[Hashable, str]] = (
        ((each.type, each.index), path) for path, each in controllers if each.master is None and each.index is not None
    )
    for (kind, index), first, again in _twice(numbered):
        yield _detail(f"Multiple '{kind}' controllers with index '{index}'", f"{again}/@index", f"{first} has it too")
    for path, controller in controllers:
        models = MODELS.get(controller.type)
        if controller.model is None or models is None:
            continue
        if controller.model not in [str(model) for model in models]:
            yield _detail(
                f"Unknown model type '{controller.model}'", f"{path}/@model", f"there are {', '.join(models)}"
            )


def _is_serial_console(domain: Domain, device: Device) -> bool:
    """Whether this is the console that only repeats a serial port, with its alias and address."""
    return (
        isinstance(device, Console)
        and device.target is not None
        and device.target.type is ConsoleTargetType.SERIAL
        and bool(domain.devices.serials)
    )


_ALIAS = re.compile("[A-Za-z0-9_-]{1,128}")


def _check_aliases(domain: Domain) -> Problems:
    named = [
        (device.alias, f"{path}/alias/@name")
        for path, device in places(domain)
        if device.alias is not None
        and device.alias.startswith(USER_ALIAS)
        and not _is_serial_console(domain, device)
    ]
    for alias, path in named:
        if not _ALIAS.fullmatch(alias) or alias == USER_ALIAS:
            yield _detail(f"'{alias}' cannot be an alias", path, "letters, digits, _ and - may follow ua-")
    pairs: Iterator[tuple[Hashable, str]] = iter(named)
    for alias, first, again in _twice(pairs):
        yield _detail(f"non unique alias detected: {alias}", again, f"{first} has it too")


_PLACE: dict[type[Address], Callable[[Any], Hashable]] = {
    PciAddress: lambda at: (at.domain, at.bus, at.slot, at.function) if at.bus or at.slot or at.domain else None,
    VirtioSerialAddress: lambda at: (at.controller, at.bus, at.port) if at.port else None,
    UsbAddress: lambda at: (at.bus, at.port) if at.port else None,
    CcwAddress: lambda at: None if at.devno is None else (at.cssid, at.ssid, at.devno),
    DimmAddress: lambda at: at.slot,
}
"""What must be unique among the addresses of a kind; None where one is still to be assigned."""


def _check_addresses(domain: Domain) -> Problems:
    for path, (_, first) in _taken_twice(domain):
        yield _detail(f"the address of {path} is used twice", f"{path}/address", f"{first} has it too")


def _taken_twice(domain: Domain) -> Iterator[tuple[str, tuple[Hashable, str]]]:
    taken: dict[Hashable, str] = {}
    for path, device in places(domain):
        key = _place_of(device)
        if key is None or _is_serial_console(domain, device):
            continue
        if key in taken:
            yield path, (key, taken[key])
        taken.setdefault(key, path)


def _place_of(device: Device) -> Hashable:
    address = device.address
    if isinstance(address, DriveAddress):
        bus = device.target.bus if isinstance(device, Disk) else DiskBus.SCSI
        return ("drive", bus, address.controller, address.bus, address.target, address.unit)
    for kind, key in _PLACE.items():
        if isinstance(address, kind):
            place = key(address)
            return None if place is None else (kind.__name__, place)
    return None


def _check_boot_order(domain: Domain) -> Problems:
    ordered = [(path, boot) for path, device in places(domain) if (boot := getattr(device, "boot", None)) is not None]
    if ordered and domain.os is not None and domain.os.boots:
        yield _unsupported("per-device boot elements cannot be used together with os/boot elements", "/domain/os/boot")
    for path, boot in ordered:
        if boot.order == 0:
            yield _detail("incorrect boot order '0', expecting positive integer", f"{path}/boot/@order")
    numbers: Iterator[tuple[Hashable, str]] = ((boot.order, f"{path}/boot/@order") for path, boot in ordered)
    for order, first, again in _twice(numbers):
        yield _detail(f"boot order '{order}' used for more than one device", again, f"{first} has it too")


_CHAR_NEEDS: dict[CharType, tuple[tuple[str, ...], str]] = {
    CharType.TCP: (("host", "service"), "Missing source {} attribute for char device"),
    CharType.FILE: (("path",), "Missing source {} attribute for char device"),
    CharType.DEV: (("path",), "Missing source {} attribute for char device"),
    CharType.PIPE: (("path",), "Missing source {} attribute for char device"),
    CharType.NMDM: (("master", "slave"), "Missing source {} attribute for char device"),
    CharType.SPICEPORT: (("channel",), "Missing source {} attribute for char device"),
}


def _check_chardevs(domain: Domain) -> Problems:
    for path, device in places(domain):
        if not isinstance(device, CharDevice) or _is_serial_console(domain, device):
            continue
        names, message = _CHAR_NEEDS.get(device.type, ((), ""))
        for name in names:
            if device.source is None or getattr(device.source, name) is None:
                yield _detail(message.format(name), f"{path}/source/@{name}")
        if isinstance(device, Channel):
            yield from _check_channel(path, device)


def _check_channel(path: str, channel: Channel) -> Problems:
    target = channel.target
    if target is None:
        yield _detail("target type must be specified for channel device", f"{path}/target")
    elif target.type is ChannelTargetType.GUESTFWD:
        if target.address is None:
            yield _detail("guestfwd channel does not define a target address", f"{path}/target/@address")
        if target.port is None:
            yield _detail("guestfwd channel does not define a target port", f"{path}/target/@port")


_INTERFACE_NEEDS: dict[InterfaceType, str] = {
    InterfaceType.BRIDGE: "bridge",
    InterfaceType.NETWORK: "network",
    InterfaceType.DIRECT: "dev",
    InterfaceType.INTERNAL: "name",
    InterfaceType.VDPA: "dev",
}


def _check_interfaces(domain: Domain) -> Problems:
    for number, interface in enumerate(domain.devices.interfaces, start=1):
        path = "/domain/devices/interface" + (f"[{number}]" if len(domain.devices.interfaces) > 1 else "")
        need = _INTERFACE_NEEDS.get(interface.type)
        if need is not None and (interface.source is None or not getattr(interface.source, need)):
            yield _detail(
                f"No <source> '{need}' attribute specified with <interface type='{interface.type}'/>",
                f"{path}/source/@{need}",
            )
        mac = interface.mac.address if interface.mac is not None else "00"
        if int(mac.partition(":")[0], 16) & 1:
            yield _detail(f"expected unicast mac address, found multicast '{mac}'", f"{path}/mac/@address")
        model = interface.model.type if interface.model is not None else "x"
        if not re.fullmatch("[A-Za-z0-9_-]+", model):
            yield InvalidArgument("Model name contains invalid characters", evidence={"path": f"{path}/model/@type"})


def _check_graphics(domain: Domain) -> Problems:
    for number, graphics in enumerate(domain.devices.graphics, start=1):
        path = "/domain/devices/graphics" + (f"[{number}]" if len(domain.devices.graphics) > 1 else "")
        first = graphics.listens[0] if graphics.listens else None
        if first is not None and first.type is ListenType.ADDRESS and graphics.listen not in (None, first.address):
            yield _detail(
                f"graphics 'listen' attribute '{graphics.listen}' must match 'address' attribute of first listen "
                f"element (found '{first.address}')",
                f"{path}/@listen",
            )
        for name in ("port", "tls_port", "websocket"):
            port = getattr(graphics, name)
            if port is not None and not -1 <= port <= 65535:
                yield _detail(f"{port} is no port", f"{path}/@{name}", "from 0 to 65535, or -1 for a free one")


CHECKS: tuple[Callable[[Domain], Problems], ...] = (
    _check_names,
    _check_memory,
    _check_vcpus,
    _check_disk_names,
    _check_disks,
    _check_controllers,
    _check_aliases,
    _check_addresses,
    _check_boot_order,
    _check_chardevs,
    _check_interfaces,
    _check_graphics,
)
