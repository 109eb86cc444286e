"""Where drives and smartcards sit, and the controllers that this takes, for every hypervisor.

A disk's name says its place: the second letter pair of `sdb` is the second unit of the first SCSI controller.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.address import CcidAddress, DriveAddress, VirtioSerialAddress
from virtbus.domain.chardev import ChannelTargetType, ConsoleTargetType
from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.hostdev import Hostdev, ScsiHostdev
from virtbus.domain.lookup import disk_number, insert

#: How many buses a controller has, and how many units each.
UNITS: dict[DiskBus, tuple[int, int]] = {
    DiskBus.IDE: (2, 2),
    DiskBus.SATA: (1, 6),
    DiskBus.SCSI: (1, 7),
    DiskBus.FDC: (1, 2),
}

WIDE_UNITS = 15
"""How many units a VMware machine's SCSI controller has for others."""
OWN_UNIT = 7
"""The unit of a wide SCSI bus that its controller has for itself."""

CONTROLLER_OF_BUS: dict[DiskBus, ControllerType] = {
    DiskBus.SCSI: ControllerType.SCSI,
    DiskBus.FDC: ControllerType.FDC,
    DiskBus.IDE: ControllerType.IDE,
    DiskBus.SATA: ControllerType.SATA,
}
"""The type of controller that a disk on a bus needs, in the order in which libvirt adds them."""

Place = tuple[int, int, int, int]


def place_of(address: DriveAddress) -> Place:
    """Controller, bus, target and unit, to be compared."""
    return address.controller, address.bus, address.target, address.unit


def place(domain: Domain) -> None:
    """Give drives and SCSI devices of the host their addresses, and smartcard readers their slots."""
    for disk in domain.devices.disks:
        place_disk(domain, disk)
    for hostdev in domain.devices.hostdevs:
        place_hostdev(domain, hostdev)
    slot = 0
    for reader in domain.devices.smartcards:
        if reader.address is None:
            taken = {each.address.slot for each in domain.devices.smartcards if isinstance(each.address, CcidAddress)}
            slot = next(number for number in range(slot, slot + len(taken) + 1) if number not in taken)
            reader.address = CcidAddress(controller=0, slot=slot)


def place_disk(domain: Domain, disk: Disk) -> None:
    """Give a disk the address that its name says, where its bus has such addresses and it has none."""
    number = disk_number(disk.target.dev)
    if disk.address is not None or disk.target.bus not in UNITS or number < 0:
        return
    if domain.type is DomainType.VMWARE and disk.target.bus is DiskBus.SCSI:
        controller, unit = divmod(number, WIDE_UNITS)
        disk.address = DriveAddress(controller=controller, bus=0, target=0, unit=unit + (unit >= OWN_UNIT))
        return
    buses, units = UNITS[disk.target.bus]
    controller, rest = divmod(number, buses * units)
    bus, unit = divmod(rest, units)
    disk.address = DriveAddress(controller=controller, bus=bus, target=0, unit=unit)


def place_hostdev(domain: Domain, hostdev: Hostdev) -> None:
    """Give a SCSI device of the host the first free unit of the SCSI controllers that are there."""
    if not isinstance(hostdev, ScsiHostdev) or hostdev.address is not None:
        return
    taken = {place_of(address) for address in _scsi_addresses(domain)}
    indices = [each.index or 0 for each in domain.devices.controllers if each.type is ControllerType.SCSI]
    _, units = UNITS[DiskBus.SCSI]
    for controller in [*indices, max(indices, default=-1) + 1]:
        for unit in range(units):
            if (controller, 0, 0, unit) not in taken:
                hostdev.address = DriveAddress(controller=controller, bus=0, target=0, unit=unit)
                return


def _scsi_addresses(domain: Domain) -> Iterator[DriveAddress]:
    for disk in domain.devices.disks:
        if disk.target.bus is DiskBus.SCSI and isinstance(disk.address, DriveAddress):
            yield disk.address
    for hostdev in domain.devices.hostdevs:
        if isinstance(hostdev, ScsiHostdev) and isinstance(hostdev.address, DriveAddress):
            yield hostdev.address


def add_controllers(domain: Domain) -> None:
    """Add the controllers that drives, virtio-serial ports and smartcard readers sit on; of drives all before them."""
    there = {(each.type, each.index) for each in domain.devices.controllers}
    for kind, index in _needs(domain):
        for each in range(index + 1) if kind in CONTROLLER_OF_BUS.values() else (index,):
            if (kind, each) not in there:
                by_hostdev = kind is ControllerType.SCSI and not _by_disk(domain, index)
                model = _last_scsi_model(domain) if by_hostdev else None
                insert(domain, Controller(type=kind, index=each, model=model))
                there.add((kind, each))


def _by_disk(domain: Domain, index: int) -> bool:
    """Whether a disk needs that SCSI controller."""
    addresses = (disk.address for disk in domain.devices.disks if disk.target.bus is DiskBus.SCSI)
    return any(isinstance(each, DriveAddress) and each.controller >= index for each in addresses)


def _needs(domain: Domain) -> Iterator[tuple[ControllerType, int]]:
    devices = domain.devices
    for bus, kind in CONTROLLER_OF_BUS.items():
        for disk in devices.disks:
            if disk.target.bus is bus and isinstance(disk.address, DriveAddress):
                yield kind, disk.address.controller
    ports = [each for each in devices.channels if each.target and each.target.type is ChannelTargetType.VIRTIO]
    others = [each for each in devices.consoles if each.target and each.target.type is ConsoleTargetType.VIRTIO]
    for port in (*ports, *others):
        yield (
            ControllerType.VIRTIO_SERIAL,
            port.address.controller if isinstance(port.address, VirtioSerialAddress) else 0,
        )
    for reader in devices.smartcards:
        if isinstance(reader.address, CcidAddress):
            yield ControllerType.CCID, reader.address.controller
    for hostdev in devices.hostdevs:
        if isinstance(hostdev, ScsiHostdev) and isinstance(hostdev.address, DriveAddress):
            yield ControllerType.SCSI, hostdev.address.controller


def _last_scsi_model(domain: Domain) -> str | None:
    """What the last SCSI controller is; further ones that the host's devices need are the same."""
    return next((each.model for each in reversed(domain.devices.controllers) if each.type is ControllerType.SCSI), None)
