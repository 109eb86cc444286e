"""The controllers that libvirt adds to a definition: those the machine has built in, and those its devices need."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from virtbus.domain.address import DriveAddress, VirtioSerialAddress
from virtbus.domain.chardev import Channel, ChannelTargetType, ConsoleTargetType
from virtbus.domain.controller import Controller, ControllerType, Master, PciModel, ScsiModel, UsbModel
from virtbus.domain.disk import DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.lookup import insert
from virtbus_qemu.platform import Platform, platform_of

#: The companions of an ICH9 EHCI controller: model and the first port each serves.
COMPANIONS = {UsbModel.ICH9_UHCI1: 0, UsbModel.ICH9_UHCI2: 2, UsbModel.ICH9_UHCI3: 4}


def add_defaults(domain: Domain) -> None:
    """Add the controllers that every machine of the kind has; it comes before controllers are numbered."""
    platform = platform_of(domain)
    if not _of_type(domain.devices.controllers, ControllerType.USB):
        _add_usb(domain, platform)
    if platform.express:
        _need(domain, ControllerType.SATA, 0)
    _need(domain, ControllerType.PCI, 0, PciModel.PCIE_ROOT if platform.express else PciModel.PCI_ROOT)


def add_needed(domain: Domain) -> None:
    """Add the controllers that devices sit on, but for PCI bridges and ports (`pci.assign`); fill in models."""
    for controller in domain.devices.controllers:
        _fill(controller)
    for kind, index in sorted({need for check in _NEEDS for need in check(domain)}):
        _need(domain, kind, index)


def _fill(controller: Controller) -> None:
    if controller.type is ControllerType.USB and controller.model is None:
        controller.model = UsbModel.PIIX3_UHCI
    elif controller.type is ControllerType.SCSI and controller.model in (None, ScsiModel.AUTO):
        controller.model = ScsiModel.LSILOGIC


def _add_usb(domain: Domain, platform: Platform) -> None:
    if not platform.express:
        _need(domain, ControllerType.USB, 0, UsbModel.PIIX3_UHCI)
        return
    insert(domain, Controller(type=ControllerType.USB, index=0, model=UsbModel.ICH9_EHCI1))
    for model, port in COMPANIONS.items():
        companion = Controller(type=ControllerType.USB, index=0, model=model, master=Master(start_port=port))
        insert(domain, companion)


def _need(domain: Domain, kind: ControllerType, index: int, model: str | None = None) -> None:
    for each in _of_type(domain.devices.controllers, kind):
        # One that has no number yet becomes the first; a PCI bridge never does.
        if each.index == index or (each.index is None and index == 0 and kind is not ControllerType.PCI):
            return
    controller = Controller(type=kind, index=index, model=model)
    if model is None:
        _fill(controller)
    insert(domain, controller)


def _of_type(controllers: Iterable[Controller], kind: ControllerType) -> list[Controller]:
    return [each for each in controllers if each.type is kind]


_CONTROLLER_OF_BUS = {
    DiskBus.IDE: ControllerType.IDE,
    DiskBus.SATA: ControllerType.SATA,
    DiskBus.SCSI: ControllerType.SCSI,
    DiskBus.FDC: ControllerType.FDC,
}


def _disk_needs(domain: Domain) -> Iterable[tuple[ControllerType, int]]:
    for disk in domain.devices.disks:
        kind = _CONTROLLER_OF_BUS.get(disk.target.bus) if disk.target.bus else None
        if kind is not None:
            last = disk.address.controller if isinstance(disk.address, DriveAddress) else 0
            yield from ((kind, index) for index in range(last + 1))


def _serial_needs(domain: Domain) -> Iterable[tuple[ControllerType, int]]:
    devices = domain.devices
    ports: list[Channel | object] = [
        each for each in devices.channels if each.target and each.target.type is ChannelTargetType.VIRTIO
    ]
    ports += [each for each in devices.consoles if each.target and each.target.type is ConsoleTargetType.VIRTIO]
    for port in ports:
        address = getattr(port, "address", None)
        yield ControllerType.VIRTIO_SERIAL, address.controller if isinstance(address, VirtioSerialAddress) else 0


_NEEDS: tuple[Callable[[Domain], Iterable[tuple[ControllerType, int]]], ...] = (_disk_needs, _serial_needs)
"""What tells which controllers devices sit on, by type and index."""
