"""What libvirt fills into each kind of device, for every hypervisor.

Each kind has at most one function in the table at the end. Buses and addresses are the next module's matter.
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Any

from virtbus.domain.boot import OsTypeName
from virtbus.domain.chardev import (
    CharDevice,
    CharMode,
    CharProtocol,
    CharType,
    Console,
    ConsoleTarget,
    ConsoleTargetType,
    Parallel,
    ParallelTarget,
    Serial,
    SerialTarget,
)
from virtbus.domain.controller import Controller, ControllerType, Master, PciModel, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk
from virtbus.domain.diskdefaults import fill_disk, with_unit
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.graphics import FREE_PORT, Graphics, GraphicsType, Listen, ListenType
from virtbus.domain.hostdev import Hostdev, HostdevMode, HostdevModel, MdevHostdev, ScsiHostdev
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.interface import Interface, InterfaceDriver, Mac
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.rng import Rng, RngBackend, RngBackendModel
from virtbus.domain.smalldevice import Vsock, VsockModel
from virtbus.domain.smartcard import Smartcard
from virtbus.domain.sound import Audio, AudioType

MAC_PREFIX: dict[DomainType, str] = {
    DomainType.XEN: "00:16:3e",
    DomainType.LXC: "00:16:3e",
    DomainType.VMWARE: "00:0c:29",
    DomainType.PARALLELS: "42:1c:00",
    DomainType.VZ: "42:1c:00",
    DomainType.BHYVE: "58:9c:fc",
}
"""The vendor's half of generated MAC addresses; QEMU's is 52:54:00, which libvirt takes for the others too."""


def complete_device(domain: Domain, device: Device) -> None:
    """As `complete`, of one device, as when it is to be attached."""
    for kind, fill in _FILL.items():
        if isinstance(device, kind):
            fill(domain, device)


_CARDS = {
    name.lower(): name
    for name in (
        *("netfront", "rtl8139", "virtio", "e1000", "e1000e", "igb", "virtio-transitional", "virtio-non-transitional"),
        *("usb-net", "spapr-vlan", "lan9118", "smc91c111", "vlance", "vmxnet", "vmxnet2", "vmxnet3"),
        *("Am79C970A", "Am79C973", "82540EM", "82545EM", "82543GC"),
    )
}
"""The cards that libvirt knows, however they are capitalised."""


def _fill_interface(domain: Domain, interface: Interface) -> None:
    if interface.model is not None:
        interface.model.type = _CARDS.get(interface.model.type.lower(), interface.model.type)
    frames = interface.coalesce.rx.frames if interface.coalesce is not None and interface.coalesce.rx else None
    if interface.coalesce is not None and (frames is None or not frames.max):
        # Waiting for no frames is not waiting.
        interface.coalesce = None
    if interface.mac is None or not interface.mac.address.strip("0:"):
        prefix = MAC_PREFIX.get(domain.type, "52:54:00")
        interface.mac = Mac(address=prefix + "".join(f":{byte:02x}" for byte in urandom(3)))
    else:
        interface.mac.address = ":".join(f"{int(byte, 16):02x}" for byte in interface.mac.address.split(":"))
    _drop_needless(interface)


def _drop_needless(interface: Interface) -> None:
    """What libvirt overlooks: a single queue, which is what every card has, and what only virtio cards are told."""
    driver = interface.driver
    if driver is not None and driver.queues == 1:
        driver.queues = None
    if interface.model is not None and interface.model.type.startswith("virtio"):
        return
    if driver is not None:
        interface.driver = InterfaceDriver(
            iommu=driver.iommu, ats=driver.ats, packed=driver.packed, page_per_vq=driver.page_per_vq
        )
        if interface.driver.is_blank():
            interface.driver = None
    if interface.backend is not None:
        interface.backend.vhost = None


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


def _fill_stream(domain: Domain, device: CharDevice | Smartcard | RngBackend) -> None:
    """A connection is made unless it says that one is waited for; a UNIX socket without a path is named at start."""
    connects = device.type in (CharType.UNIX, CharType.TCP, CharType.UDP)
    kept = []
    for source in device.sources:
        said = any(value for name, value in vars(source).items() if name != "mode")
        if not said and connects and (device.type is CharType.UNIX or source.mode is None):
            continue
        if connects and source.mode is None:
            source.mode = CharMode.CONNECT
        if said or source.mode is not None:
            kept.append(source)
    if device.type is CharType.UDP:
        kept.sort(key=lambda source: source.mode is CharMode.CONNECT)
    device.sources = kept
    if device.type is not CharType.TCP:
        device.protocol = None
    elif device.protocol is None:
        device.protocol = CharProtocol.RAW


def _fill_memballoon(domain: Domain, balloon: Memballoon) -> None:
    """A balloon that is none has no place, and nobody knows it by a name."""
    if balloon.model is MemballoonModel.NONE:
        balloon.alias = balloon.acpi = balloon.address = None


def _fill_rng(domain: Domain, rng: Rng) -> None:
    _fill_stream(domain, rng.backend)
    if rng.backend.model is RngBackendModel.RANDOM and not rng.backend.path:
        rng.backend.path = "/dev/random"


def _fill_vsock(domain: Domain, vsock: Vsock) -> None:
    vsock.model = vsock.model or VsockModel.VIRTIO


def _fill_hostdev(domain: Domain, hostdev: Hostdev) -> None:
    if hostdev.mode is HostdevMode.SUBSYSTEM and getattr(hostdev, "managed", False) is None:
        vars(hostdev)["managed"] = False
    if isinstance(hostdev, MdevHostdev) and hostdev.model is HostdevModel.VFIO_PCI and hostdev.display is None:
        hostdev.display = False
    if isinstance(hostdev, ScsiHostdev) and hostdev.source.name is not None:
        hostdev.source.name = with_unit(hostdev.source.name)


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
    listens = graphics.listens
    by_socket = graphics.type is GraphicsType.VNC and graphics.socket is not None
    if by_socket and listens and listens[0].type is not ListenType.SOCKET:
        # The attribute is older than the elements, and wins over an address.
        listens[0] = Listen(type=ListenType.SOCKET, socket=graphics.socket)
    silent = graphics.port is None and graphics.tls_port is None and not graphics.autoport
    if not graphics.listens:
        if graphics.type is GraphicsType.SPICE and silent and graphics.listen is None:
            graphics.listens, graphics.autoport = [Listen(type=ListenType.NONE)], None
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
    if first.type in (ListenType.ADDRESS, ListenType.NETWORK):
        _decide_autoport(graphics)


def _decide_autoport(graphics: Graphics) -> None:
    """A port of -1, and none at all, mean that one is found at start; libvirt always says which it is."""
    if graphics.autoport is None:
        graphics.autoport = graphics.port in (None, -1) and (
            graphics.type is not GraphicsType.SPICE or graphics.tls_port in (None, -1)
        )
    if graphics.autoport and graphics.type is not GraphicsType.SPICE and graphics.port is None:
        graphics.port = FREE_PORT.get(graphics.type, -1)


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


def default_audio(domain: Domain) -> Audio | None:
    """The audio backend that a QEMU guest has where its definition says none; windows of the host choose their own."""
    if domain.devices.audios:
        return None
    kinds = {each.type for each in domain.devices.graphics}
    if GraphicsType.SPICE in kinds:
        return Audio(id=1, type=AudioType.SPICE)
    return Audio(id=1, type=AudioType.NONE) if not kinds or GraphicsType.VNC in kinds else None


_FILL: dict[type[Device], Callable[[Domain, Any], None]] = {
    Disk: fill_disk,
    Controller: _fill_controller,
    Interface: _fill_interface,
    CharDevice: _fill_stream,
    Smartcard: _fill_stream,
    Serial: _fill_serial,
    Parallel: _fill_parallel,
    Console: _fill_console,
    Input: _fill_input,
    Memballoon: _fill_memballoon,
    Rng: _fill_rng,
    Vsock: _fill_vsock,
    Hostdev: _fill_hostdev,
    Graphics: _fill_graphics,
}
