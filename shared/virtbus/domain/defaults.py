"""What libvirt fills in for every hypervisor when it reads a domain.

A hypervisor's own defaults (machine, controllers, models, addresses) are not here: its worker adds them.
Each device kind has at most one function in the table at the end; `complete` is idempotent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from virtbus.domain.boot import BootDevice, OsTypeName
from virtbus.domain.chardev import (
    CharDevice,
    CharProtocol,
    CharType,
    Console,
    ConsoleTarget,
    ConsoleTargetType,
    Parallel,
    ParallelTarget,
    Serial,
    SerialTarget,
    SerialTargetType,
)
from virtbus.domain.clock import Clock
from virtbus.domain.controller import Controller, ControllerType, Master, PciModel, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.graphics import Graphics, GraphicsType, Listen, ListenType
from virtbus.domain.hostdev import Hostdev, HostdevMode
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.interface import Interface, Mac
from virtbus.domain.lookup import insert
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.rng import Rng
from virtbus.domain.tuning import Placement, Vcpu

BUS_OF_PREFIX: tuple[tuple[str, DiskBus], ...] = (
    ("fd", DiskBus.FDC),
    ("hd", DiskBus.IDE),
    ("sd", DiskBus.SCSI),
    ("vd", DiskBus.VIRTIO),
    ("xvd", DiskBus.XEN),
    ("ubd", DiskBus.UML),
)
"""The bus that a disk's name speaks of."""

MAC_PREFIX: dict[DomainType, str] = {
    DomainType.XEN: "00:16:3e",
    DomainType.LXC: "00:16:3e",
    DomainType.VMWARE: "00:0c:29",
    DomainType.PARALLELS: "42:1c:00",
    DomainType.VZ: "42:1c:00",
    DomainType.BHYVE: "58:9c:fc",
}
"""The vendor's half of generated MAC addresses; QEMU's is 52:54:00, which libvirt takes for the others too."""


def complete(domain: Domain, *, renew: bool = False) -> None:
    """Fill in, in place, what libvirt fills in for every hypervisor. A new UUID and MAC addresses are random.

    :param renew: as when a user defines or creates a domain, not when a stored one is read: what follows from other
        numbers (memory from NUMA nodes) is computed anew although it is there.
    """
    if domain.uuid is None:
        domain.uuid = uuid4()
    _complete_memory(domain, renew)
    if domain.vcpu is None:
        domain.vcpu = Vcpu(count=1)
    if domain.vcpu.placement is None:
        domain.vcpu.placement = Placement.STATIC
    if domain.vcpu.current == domain.vcpu.count:
        domain.vcpu.current = None
    if domain.clock is None:
        domain.clock = Clock()
    domain.on_poweroff = domain.on_poweroff or LifecycleAction.DESTROY
    domain.on_reboot = domain.on_reboot or LifecycleAction.RESTART
    domain.on_crash = domain.on_crash or LifecycleAction.DESTROY
    for device in domain.devices.every():
        complete_device(domain, device)
    _sort(domain)
    pair_console(domain)
    for devices in (domain.devices.serials, domain.devices.parallels, domain.devices.consoles):
        for device in devices:
            complete_device(domain, device)
        _number_ports(devices)
    pair_console(domain)
    _complete_boot(domain)


def complete_device(domain: Domain, device: Device) -> None:
    """As `complete`, of one device, as when it is to be attached."""
    for kind, fill in _FILL.items():
        if isinstance(device, kind):
            fill(domain, device)


def _complete_memory(domain: Domain, renew: bool) -> None:
    """The memory is what the NUMA nodes and memory devices have together, the current memory at most that."""
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa is not None else []
    if cells and (renew or domain.memory is None):
        total = sum(cell.memory for cell in cells) + sum(device.target.size for device in domain.devices.memories)
        if domain.memory is None:
            domain.memory = Memory(kib=total)
        else:
            domain.memory.kib = total
    if domain.memory is None:
        return
    if domain.current_memory is None or not 0 < domain.current_memory.kib <= domain.memory.kib:
        domain.current_memory = CurrentMemory(kib=domain.memory.kib)


def _sort(domain: Domain) -> None:
    """libvirt keeps the disks of a bus in the order of their names, the controllers of a type in that of indices."""
    devices = domain.devices
    given = [*devices.disks, *devices.controllers]
    devices.disks, devices.controllers = [], []
    for device in given:
        insert(domain, device)


def _is_full_guest(domain: Domain) -> bool:
    return domain.os is not None and domain.os.type.name is OsTypeName.HVM


_CONSOLELESS = (
    SerialTargetType.PCI_SERIAL,
    SerialTargetType.USB_SERIAL,
    SerialTargetType.ISA_DEBUG,
    SerialTargetType.SCLP_SERIAL,
)
"""Serial ports that libvirt takes for no console."""


def pair_console(domain: Domain) -> None:
    """A full guest's first console is its first serial port: each makes the other, and the console repeats the port.

    To be called again when the port's source, alias or address has changed.
    """
    if not _is_full_guest(domain):
        return
    serials, consoles = domain.devices.serials, domain.devices.consoles
    if consoles and not _is_serial(consoles[0]):
        return
    if consoles and not serials:
        serials.append(Serial(target=SerialTarget(port=0), **_stream(consoles[0])))
    if not serials:
        return
    target = serials[0].target.type if serials[0].target is not None else None
    if not consoles:
        if target in _CONSOLELESS:
            return
        consoles.append(Console(target=ConsoleTarget(type=ConsoleTargetType.SERIAL, port=0), **_stream(serials[0])))
    elif target not in _CONSOLELESS:
        vars(consoles[0]).update(_stream(serials[0]))
        if consoles[0].target is not None and serials[0].target is not None:
            consoles[0].target.port = serials[0].target.port


def _stream(device: CharDevice) -> dict[str, Any]:
    """What a console and its serial port have in common."""
    names = ("type", "sources", "protocol", "log", "alias", "acpi", "address")
    twin = device.copy()
    return {name: getattr(twin, name) for name in names}


def _is_serial(console: Console) -> bool:
    return console.target is None or console.target.type in (None, ConsoleTargetType.SERIAL)


def _number_ports(devices: list[Any]) -> None:
    """Ports that are not numbered get the numbers after the largest."""
    largest = max((device.target.port for device in devices if device.target.port is not None), default=-1)
    for device in devices:
        if device.target.port is None:
            largest += 1
            device.target.port = largest


def _complete_boot(domain: Domain) -> None:
    """A full guest of which nothing is said boots from its hard disk."""
    if domain.os is None or not _is_full_guest(domain) or domain.os.boots:
        return
    if all(getattr(device, "boot", None) is None for device in domain.devices.every()):
        domain.os.boots = [BootDevice.HD]


def _fill_disk(domain: Domain, disk: Disk) -> None:
    if disk.target.bus is None:
        disk.target.bus = next((bus for prefix, bus in BUS_OF_PREFIX if disk.target.dev.startswith(prefix)), None)
    if disk.target.bus is None and disk.device is DiskDevice.FLOPPY:
        disk.target.bus = DiskBus.FDC
    if disk.device is DiskDevice.CDROM:
        disk.readonly = True
    if disk.source is not None and not any(vars(disk.source).values()):
        disk.source = None


def _fill_interface(domain: Domain, interface: Interface) -> None:
    if interface.mac is None:
        prefix = MAC_PREFIX.get(domain.type, "52:54:00")
        interface.mac = Mac(address=prefix + "".join(f":{byte:02x}" for byte in secrets.token_bytes(3)))
    else:
        interface.mac.address = ":".join(f"{int(byte, 16):02x}" for byte in interface.mac.address.split(":"))


def _fill_serial(domain: Domain, serial: Serial) -> None:
    serial.target = serial.target or SerialTarget()


def _fill_parallel(domain: Domain, parallel: Parallel) -> None:
    parallel.target = parallel.target or ParallelTarget()


_CONSOLE_OF_OS: dict[OsTypeName, ConsoleTargetType] = {
    OsTypeName.HVM: ConsoleTargetType.SERIAL,
    OsTypeName.XEN: ConsoleTargetType.XEN,
    OsTypeName.LINUX: ConsoleTargetType.XEN,
    OsTypeName.XENPVH: ConsoleTargetType.XEN,
    OsTypeName.EXE: ConsoleTargetType.LXC,
    OsTypeName.UML: ConsoleTargetType.UML,
}


def _fill_console(domain: Domain, console: Console) -> None:
    console.target = console.target or ConsoleTarget()
    if console.target.type is None and domain.os is not None:
        console.target.type = _CONSOLE_OF_OS[domain.os.type.name]


def _fill_chardev(domain: Domain, device: CharDevice) -> None:
    """A socket without a path is named at start; a TCP connection without a protocol is raw."""
    if device.type is CharType.UNIX:
        device.sources = [source for source in device.sources if source.path is not None]
    device.sources = [source for source in device.sources if any(vars(source).values())]
    if device.type is CharType.TCP and device.protocol is None:
        device.protocol = CharProtocol.RAW


def _fill_rng(domain: Domain, rng: Rng) -> None:
    if rng.backend.type is CharType.TCP and rng.backend.protocol is None:
        rng.backend.protocol = CharProtocol.RAW


def _fill_hostdev(domain: Domain, hostdev: Hostdev) -> None:
    if hostdev.mode is HostdevMode.SUBSYSTEM and getattr(hostdev, "managed", False) is None:
        vars(hostdev)["managed"] = False


def _fill_input(domain: Domain, device: Input) -> None:
    if device.bus is not None:
        return
    if device.type is InputType.EVDEV:
        return
    if device.type is InputType.PASSTHROUGH:
        device.bus = InputBus.VIRTIO
    elif domain.os is not None and domain.os.type.name in (OsTypeName.XEN, OsTypeName.LINUX):
        device.bus = InputBus.XEN
    elif device.type is not InputType.TABLET and domain.os is not None and domain.os.type.arch in _X86:
        device.bus = InputBus.PS2
    else:
        device.bus = InputBus.USB


_X86 = (None, "x86_64", "i686")


def _fill_graphics(domain: Domain, graphics: Graphics) -> None:
    """The older attributes `listen` and `socket` become listen elements."""
    if graphics.type not in (GraphicsType.VNC, GraphicsType.SPICE, GraphicsType.RDP):
        return
    silent = graphics.port is None and graphics.tls_port is None and graphics.autoport is None
    if not graphics.listens:
        if graphics.type is GraphicsType.SPICE and silent and graphics.listen is None:
            graphics.listens = [Listen(type=ListenType.NONE)]
        elif graphics.type is GraphicsType.VNC and graphics.socket is not None:
            graphics.listens = [Listen(type=ListenType.SOCKET, socket=graphics.socket)]
        else:
            graphics.listens = [Listen(type=ListenType.ADDRESS, address=graphics.listen)]
    first = graphics.listens[0]
    if first.type is ListenType.ADDRESS and first.address is None and graphics.listen is not None:
        first.address = graphics.listen
    if first.type is ListenType.SOCKET and first.socket is None:
        first.socket = graphics.socket
    if first.type is not ListenType.ADDRESS or graphics.listen is None:
        # One that differs from the element's stays, for the check to refuse.
        graphics.listen = first.address
    if graphics.type is GraphicsType.VNC:
        graphics.socket = first.socket if first.type is ListenType.SOCKET else None
    if first.type in (ListenType.ADDRESS, ListenType.NETWORK) and graphics.autoport is None:
        _decide_autoport(graphics)


def _decide_autoport(graphics: Graphics) -> None:
    """A port of -1, and none at all, mean that one is found at start; libvirt always says which it is."""
    if graphics.type is GraphicsType.SPICE:
        wanted = graphics.port in (None, -1) and graphics.tls_port in (None, -1)
    else:
        wanted = graphics.port in (None, -1)
    graphics.autoport = wanted
    if wanted and graphics.type is not GraphicsType.SPICE and graphics.port is None:
        graphics.port = -1


def _fill_controller(domain: Domain, controller: Controller) -> None:
    """Companions get their first port; controllers without an index the first that their type has free."""
    port = _FIRST_PORT.get(controller.model or "")
    if controller.master is None and port is not None and controller.type is ControllerType.USB:
        controller.master = Master(start_port=port)
    if controller.index is None:
        taken = {other.index for other in domain.devices.controllers if other.type is controller.type}
        # Bus 0 is the root's, which the hypervisor's own rules add where the definition does not say it.
        first = int(controller.type is ControllerType.PCI and controller.model not in _ROOTS)
        controller.index = next(index for index in range(first, first + len(taken) + 1) if index not in taken)


_ROOTS = (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)

_FIRST_PORT: dict[str, int] = {UsbModel.ICH9_UHCI1: 0, UsbModel.ICH9_UHCI2: 2, UsbModel.ICH9_UHCI3: 4}
"""The first port that each companion of a USB2 controller serves."""


_FILL: dict[type[Device], Callable[[Domain, Any], None]] = {
    Disk: _fill_disk,
    Controller: _fill_controller,
    Interface: _fill_interface,
    CharDevice: _fill_chardev,
    Serial: _fill_serial,
    Parallel: _fill_parallel,
    Console: _fill_console,
    Input: _fill_input,
    Rng: _fill_rng,
    Hostdev: _fill_hostdev,
    Graphics: _fill_graphics,
}
