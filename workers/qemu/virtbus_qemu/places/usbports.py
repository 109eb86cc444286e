"""USB ports: which device hangs at which port of which controller or hub, as libvirt assigns it.

A port is named by its path from the controller: 1.2 is the second port of the hub at the controller's first port.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from virtbus.domain.address import UsbAddress
from virtbus.domain.chardev import Serial, SerialTargetType
from virtbus.domain.controller import Controller, ControllerType, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import UsbHostdev
from virtbus.domain.hub import Hub, HubType
from virtbus.domain.input import Input, InputBus
from virtbus.domain.redirdev import Redirdev, RedirdevBus
from virtbus.domain.sound import Sound, SoundModel
from virtbus.errors import XmlError, XmlInternal

_HUB_PORTS = 8
_DEPTH = 4
"""How many hubs may hang in a row: the USB standard allows five, QEMU's paths have room for four ports."""

_PORTS: dict[str, int] = {
    UsbModel.PIIX3_UHCI: 2,
    UsbModel.PIIX4_UHCI: 2,
    UsbModel.VT82C686B_UHCI: 2,
    UsbModel.EHCI: 6,
    UsbModel.ICH9_EHCI1: 6,
    UsbModel.PCI_OHCI: 3,
    UsbModel.NEC_XHCI: 4,
    UsbModel.QUSB1: 4,
    UsbModel.QUSB2: 4,
    UsbModel.QEMU_XHCI: 4,
}
"""How many ports a controller has unless it says otherwise; one of another model has two."""

_SAYS = (UsbModel.NEC_XHCI, UsbModel.QUSB1, UsbModel.QUSB2, UsbModel.QEMU_XHCI)
"""Models of which a definition may say how many ports they have."""


@dataclass
class _Ports:
    """The ports of a controller or a hub."""

    count: int
    taken: set[int] = field(default_factory=set)
    hubs: dict[int, _Ports] = field(default_factory=dict)

    def free(self, depth: int = 1) -> str | None:
        """The path of the first free port: one of its own, else of the first hub that has one."""
        for port in range(1, self.count + 1):
            if port not in self.taken:
                return str(port)
        if depth >= _DEPTH:
            return None
        for port in sorted(self.hubs):
            path = self.hubs[port].free(depth + 1)
            if path is not None:
                return f"{port}.{path}"
        return None


class _Tree:
    """All USB ports of a domain."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._buses = {
            controller.index or 0: _Ports(count)
            for controller in domain.devices.controllers
            if controller.type is ControllerType.USB and (count := port_count(controller))
        }

    def take(self, device: Device) -> None:
        """Note where a device that has a port hangs; a hub adds its own.

        :raise XmlError: that port is taken, or there is none.
        """
        address = device.address
        if not isinstance(address, UsbAddress) or not address.port:
            return
        ports, port = self._find(address)
        if port > ports.count:
            raise self._refusal(f"requested USB port {address.port} not present on USB bus {address.bus}")
        if port in ports.taken:
            raise self._refusal(f"Duplicate USB address bus {address.bus} port {address.port}")
        ports.taken.add(port)
        if isinstance(device, Hub):
            ports.hubs[port] = _Ports(_HUB_PORTS)

    def give(self, device: Device) -> None:
        """Give a device that has no port the first free one, of its bus if it names one."""
        asked = device.address.bus if isinstance(device.address, UsbAddress) else None
        if asked is not None and asked not in self._buses:
            raise self._missing(asked)
        for bus, ports in sorted(self._buses.items()):
            path = ports.free() if asked in (None, bus) else None
            if path is not None:
                device.address = UsbAddress(bus=bus, port=path)
                self.take(device)
                return
        raise XmlInternal(
            "No free USB ports", domain=self._domain.name, hint="add a USB controller such as qemu-xhci, or a hub"
        )

    def _find(self, address: UsbAddress) -> tuple[_Ports, int]:
        ports = self._buses.get(address.bus)
        if ports is None:
            raise self._missing(address.bus)
        *hubs, last = map(int, (address.port or "").split("."))
        where = f"USB address bus: {address.bus} port: {address.port}"
        for port in hubs:
            if port > ports.count:
                raise self._refusal(f"port {port} out of range in {where}")
            if port not in ports.hubs:
                raise self._refusal(f"there is no hub at port {port} in {where}")
            ports = ports.hubs[port]
        return ports, last

    def _missing(self, bus: int) -> XmlError:
        return self._refusal(f"USB bus {bus} requested but no controller with that index is present")

    def _refusal(self, words: str) -> XmlError:
        return XmlError(words, domain=self._domain.name)


def port_count(controller: Controller) -> int:
    """How many ports a USB controller has; a companion serves those of its main controller."""
    if controller.model == UsbModel.NONE or controller.master is not None:
        return 0
    said = controller.ports if controller.model in _SAYS else None
    return said or _PORTS.get(controller.model or "", 2)


def assign(domain: Domain, *, renew: bool) -> None:
    """Check the ports that devices name; give ports to those that name none, if all are to have one.

    :param renew: see `places.after_pci`.
    :raise XmlError: a port is taken twice, or not there.
    """
    if not renew and not all(_has_port(each) for each in _devices(domain)):
        return
    _add_hubs(domain)
    tree = _Tree(domain)
    hubs = [hub for hub in domain.devices.hubs if hub.type is HubType.USB]
    # A hub must be known before what hangs at it.
    for hub in sorted((hub for hub in hubs if _has_port(hub)), key=_depth):
        tree.take(hub)
    devices = list(_devices(domain, hubs=False))
    for device in devices:
        tree.take(device)
    for device in (*hubs, *devices):
        if not _has_port(device):
            tree.give(device)


def place(domain: Domain, device: Device) -> None:
    """Give one device of a running domain a free port, where it is a USB device.

    :raise XmlError: the port that it names is taken, or not there.
    """
    if not is_usb(device):
        return
    tree = _Tree(domain)
    others = [each for each in _devices(domain) if each is not device and _has_port(each)]
    for other in sorted(others, key=_depth):
        tree.take(other)
    if _has_port(device):
        tree.take(device)
    else:
        tree.give(device)


def is_usb(device: Device) -> bool:
    """Whether a device hangs at a USB port."""
    if isinstance(device, Disk):
        return device.target.bus is DiskBus.USB
    if isinstance(device, Input):
        return device.bus is InputBus.USB
    if isinstance(device, Serial):
        return device.target is not None and device.target.type is SerialTargetType.USB_SERIAL
    if isinstance(device, Controller):
        return device.type is ControllerType.CCID
    if isinstance(device, Sound):
        return device.model is SoundModel.USB
    if isinstance(device, Redirdev):
        return device.bus is RedirdevBus.USB
    return isinstance(device, UsbHostdev | Hub)


_KINDS = ("hubs", "hostdevs", "disks", "controllers", "inputs", "serials", "sounds", "redirdevs")
"""The kinds of devices that may be USB ones, in the order in which libvirt gives them ports."""


def _devices(domain: Domain, *, hubs: bool = True) -> Iterator[Device]:
    for name in _KINDS if hubs else _KINDS[1:]:
        yield from (device for device in getattr(domain.devices, name) if is_usb(device))


def _has_port(device: Device) -> bool:
    return isinstance(device.address, UsbAddress) and bool(device.address.port)


def _depth(device: Device) -> int:
    return (device.address.port or "").count(".") if isinstance(device.address, UsbAddress) else 0


def _add_hubs(domain: Domain) -> None:
    """Add as many hubs as ports are too few for the devices that have none: each brings eight, and takes one."""
    hubs = [hub for hub in domain.devices.hubs if hub.type is HubType.USB]
    ports = sum(port_count(each) for each in domain.devices.controllers if each.type is ControllerType.USB)
    lacking = sum(not _has_port(each) for each in _devices(domain)) - ports - _HUB_PORTS * len(hubs)
    if ports and lacking > 0:
        domain.devices.hubs += [Hub(type=HubType.USB) for _ in range(-(-(lacking + 1) // (_HUB_PORTS - 1)))]
