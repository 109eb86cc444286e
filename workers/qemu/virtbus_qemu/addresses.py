"""Where devices sit on buses other than PCI: drives, virtio-serial ports, USB ports, memory slots."""

from __future__ import annotations

from collections.abc import Iterable

from virtbus.domain.address import Address, DimmAddress, DriveAddress, UsbAddress, VirtioSerialAddress
from virtbus.domain.chardev import Channel, ChannelTargetType, Console, ConsoleTargetType
from virtbus.domain.controller import Controller, ControllerType, ScsiModel, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.input import Input, InputBus
from virtbus.domain.lookup import disk_number
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.errors import XmlDetail

#: How many units a bus of each kind has: per controller, buses and units of each.
_UNITS = {DiskBus.IDE: (2, 2), DiskBus.SATA: (1, 6), DiskBus.SCSI: (1, 7), DiskBus.FDC: (1, 2)}

#: How many ports a USB controller has where it does not say.
_USB_PORTS = {
    UsbModel.PIIX3_UHCI: 2,
    UsbModel.PIIX4_UHCI: 2,
    UsbModel.ICH9_EHCI1: 6,
    UsbModel.EHCI: 6,
    UsbModel.NEC_XHCI: 4,
    UsbModel.QEMU_XHCI: 4,
}
_MANY_USB_PORTS = 4

_VIRTIO_SERIAL_PORTS = 31


def assign_drives(domain: Domain) -> None:
    """Give disks on IDE, SATA and SCSI their drive addresses; controllers are added by these afterwards."""
    for disk in domain.devices.disks:
        place_drive(domain, disk)
    taken: dict[tuple[object, ...], str] = {}
    for disk in domain.devices.disks:
        if isinstance(disk.address, DriveAddress):
            place = (disk.target.bus, *_drive_place(disk.address))
            if place in taken:
                raise XmlDetail(
                    f"disks {taken[place]} and {disk.target.dev} have the same drive address", domain=domain.name
                )
            taken[place] = disk.target.dev


def place_drive(domain: Domain, disk: Disk) -> None:
    """Give a disk its drive address by its name: the fifth letter sits at the fifth place."""
    if disk.address is not None or disk.target.bus not in _UNITS:
        return
    buses, units = _UNITS[disk.target.bus]
    taken = {
        _drive_place(other.address)
        for other in domain.devices.disks
        if other is not disk and other.target.bus is disk.target.bus and isinstance(other.address, DriveAddress)
    }
    number = max(0, disk_number(disk.target.dev))
    while True:
        controller, rest = divmod(number, buses * units)
        bus, unit = divmod(rest, units)
        place = DriveAddress(controller=controller, bus=bus, target=0, unit=unit)
        if _drive_place(place) not in taken:
            disk.address = place
            return
        number += 1


def _drive_place(address: DriveAddress) -> tuple[int, int, int, int]:
    return address.controller, address.bus, address.target, address.unit


def assign_ports(domain: Domain) -> None:
    """Give virtio-serial ports, USB devices and memory modules their places."""
    for device in domain.devices.every():
        place_port(domain, device)


def place_port(domain: Domain, device: Device) -> None:
    """Give one device its place, where its kind has such a place."""
    if isinstance(device, Channel | Console) and _is_virtio_port(device):
        _place_virtio_serial(domain, device)
    elif _is_usb(device) and not (isinstance(device.address, UsbAddress) and device.address.port):
        _place_usb(domain, device)
    elif isinstance(device, MemoryDevice) and device.model is MemoryModel.DIMM:
        _place_dimm(domain, device)


def _is_virtio_port(device: Channel | Console) -> bool:
    return device.target is not None and device.target.type in (ChannelTargetType.VIRTIO, ConsoleTargetType.VIRTIO)


def _place_virtio_serial(domain: Domain, device: Channel | Console) -> None:
    if isinstance(device.address, VirtioSerialAddress) and device.address.port:
        return
    taken = {
        (other.controller, other.port)
        for other in _addresses(domain, device)
        if isinstance(other, VirtioSerialAddress) and other.port
    }
    # Port 0 is for a console (QEMU: docs/system, virtio-serial).
    first = 0 if isinstance(device, Console) and not any(port == 0 for _, port in taken) else 1
    for controller in _indices(domain, ControllerType.VIRTIO_SERIAL):
        for port in range(first, _VIRTIO_SERIAL_PORTS):
            if (controller, port) not in taken:
                device.address = VirtioSerialAddress(controller=controller, bus=0, port=port)
                return
    raise XmlDetail("no virtio-serial port is left", domain=domain.name, hint="add a virtio-serial controller")


def _is_usb(device: Device) -> bool:
    if isinstance(device, Disk):
        return device.target.bus is DiskBus.USB
    return isinstance(device, Input) and device.bus is InputBus.USB


def _place_usb(domain: Domain, device: Device) -> None:
    taken = {(other.bus, other.port) for other in _addresses(domain, device) if isinstance(other, UsbAddress)}
    for controller in _main_usb_controllers(domain):
        model = UsbModel(controller.model) if controller.model else UsbModel.PIIX3_UHCI
        count = controller.ports or _USB_PORTS.get(model, _MANY_USB_PORTS)
        for port in range(1, count + 1):
            if (controller.index, str(port)) not in taken:
                device.address = UsbAddress(bus=controller.index or 0, port=str(port))
                return
    raise XmlDetail("no USB port is left", domain=domain.name, hint="add a USB controller such as qemu-xhci")


def _main_usb_controllers(domain: Domain) -> Iterable[Controller]:
    for controller in domain.devices.controllers:
        if controller.type is ControllerType.USB and controller.master is None and controller.model != UsbModel.NONE:
            yield controller


def _place_dimm(domain: Domain, device: MemoryDevice) -> None:
    if isinstance(device.address, DimmAddress) and device.address.slot is not None:
        return
    taken = {other.slot for other in _addresses(domain, device) if isinstance(other, DimmAddress)}
    slots = domain.max_memory.slots if domain.max_memory and domain.max_memory.slots else 0
    free = next((slot for slot in range(slots) if slot not in taken), None)
    if free is None:
        raise XmlDetail("no memory slot is left", domain=domain.name, hint="<maxMemory> says how many slots there are")
    device.address = DimmAddress(slot=free)


def _addresses(domain: Domain, besides: Device) -> Iterable[Address]:
    for other in domain.devices.every():
        if other is not besides and other.address is not None:
            yield other.address


def _indices(domain: Domain, kind: ControllerType) -> list[int]:
    return [each.index or 0 for each in domain.devices.controllers if each.type is kind]


def scsi_model(domain: Domain, index: int) -> str:
    """The model of a SCSI controller."""
    for controller in domain.devices.controllers:
        if controller.type is ControllerType.SCSI and controller.index == index:
            return controller.model or ScsiModel.LSILOGIC
    return ScsiModel.LSILOGIC
