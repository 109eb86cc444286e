"""The live form of a domain: what a definition gets when it is started, and a device when it is plugged."""

from __future__ import annotations

from collections.abc import Iterable

from virtbus.domain.address import VirtioSerialAddress
from virtbus.domain.buses import place_disk
from virtbus.domain.chardev import Channel, CharMode, CharSource, CharType
from virtbus.domain.defaults import pair_console
from virtbus.domain.device import Device
from virtbus.domain.devicedefaults import complete_device
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import PciHostdev, PciHostDriver
from virtbus.domain.interface import Interface, InterfaceTarget, InterfaceType
from virtbus.domain.lookup import insert
from virtbus.domain.storage import ReservationsSource
from virtbus.errors import AlreadyExists
from virtbus_qemu import aliases, devicedefaults, displays, memorysizes, pci, places
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command.block import MANAGED_RESERVATIONS
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.nodenumbers import number_nodes
from virtbus_qemu.settings import QemuSettings


def prepare(
    definition: Domain,
    folder: DomainFolder,
    settings: QemuSettings,
    *,
    number: int | None = None,
    choose_ports: bool = True,
    taken: Iterable[int] = (),
) -> Domain:
    """The live domain of a complete definition: with aliases, block node numbers, tap names, paths and ports.

    :param number: the id, the number of this life of the domain.
    :param choose_ports: whether free TCP ports are looked for; not for a trial.
    :param taken: ports that are given to domains which may not listen there yet.
    :raise HypervisorError: no port is free.
    """
    domain = definition.copy()
    domain.id = number
    places.after_pci(domain, renew=True)
    memorysizes.align(domain)
    aliases.assign(domain)
    nodes = 0
    for disk in reversed(domain.devices.disks):
        nodes = number_nodes(domain, disk, above=nodes)
    pair_console(domain)
    displays.prepare(domain, folder, settings, choose_ports=choose_ports, taken=taken)
    for device in domain.devices.every():
        if isinstance(device, Interface | Channel | PciHostdev | Disk):
            _give_host_end(device, domain, folder, settings)
    return domain


def prepare_device(
    live: Domain,
    device: Device,
    folder: DomainFolder,
    settings: QemuSettings,
    capabilities: Capabilities,
    *,
    nodes: int = 0,
) -> Device:
    """A device as it will be plugged into a running domain: with defaults, address, alias and node numbers.

    :param nodes: the highest number that a block node of this run has had.
    :raise AlreadyExists: a device with that alias is there.
    :raise XmlDetail: no place is left for it.
    """
    new = device.copy()
    trial = live.copy()
    complete_device(trial, new)
    devicedefaults.fill_device(trial, new, capabilities)
    taken = {each.alias for each in live.devices.every()}
    if new.alias is not None and new.alias in taken:
        raise AlreadyExists(f"there is a device with the alias {new.alias}", domain=live.name)
    insert(trial, new)
    if isinstance(new, Disk):
        place_disk(trial, new)
        number_nodes(trial, new, above=nodes)
    places.place_device(trial, new)
    pci.place_device(trial, new, capabilities, host=settings.host_pci)
    new.alias = new.alias or aliases.alias_for(trial, new)
    _give_host_end(new, trial, folder, settings)
    return new


#: How many characters of a domain's name are in the names of its files.
_SHORT = 20


def _channel_path(device: Channel, domain: Domain, folder: DomainFolder, settings: QemuSettings) -> str:
    """Where a channel that names no path listens: under its target's name, in a folder of the domain's."""
    name = device.target.name if device.target and device.target.name else None
    if settings.channels is None:
        return str(folder.path / f"{name or device.alias}.sock")
    where = device.address
    if name is None and isinstance(where, VirtioSerialAddress):
        name = f"vioser-{where.controller:02d}-{where.bus:02d}-{where.port:02d}.sock"
    number = -1 if domain.id is None else domain.id
    return str(settings.channels / f"{number}-{domain.name[:_SHORT]}" / (name or f"{device.alias}.sock"))


def _give_host_end(device: Device, domain: Domain, folder: DomainFolder, settings: QemuSettings) -> None:
    if isinstance(device, Channel) and device.type is CharType.UNIX:
        source = device.source
        if source is None:
            source = CharSource(mode=CharMode.BIND)
            device.sources = [source]
        if source.path is None:
            source.path = _channel_path(device, domain, folder, settings)
    elif isinstance(device, Disk):
        device.target.tray = None
        kept = device.source.reservations if device.source is not None else None
        if kept is not None and kept.managed:
            path = str(folder.path / f"{MANAGED_RESERVATIONS}.sock")
            kept.source = kept.source or ReservationsSource(type="unix", path=path, mode="client")
    elif isinstance(device, PciHostdev):
        driver = device.driver = device.driver or PciHostDriver()
        driver.name = driver.name or "vfio"
    elif isinstance(device, Interface) and device.type in (InterfaceType.BRIDGE, InterfaceType.ETHERNET):
        target = device.target = device.target or InterfaceTarget()
        if target.dev is None:
            # The kernel's limit is 15 characters; 8 of the domain's UUID and the card's number tell them apart.
            number = (device.alias or "").removeprefix("net")
            target.dev = f"vnet{folder.uuid.hex[:8]}{number if number.isdigit() else 'x'}"
