"""The live form of a domain: what a definition gets when it is started, and a device when it is plugged."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from virtbus.domain.chardev import Channel, CharSource, CharType
from virtbus.domain.defaults import pair_console
from virtbus.domain.device import Device
from virtbus.domain.devicedefaults import complete_device
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import Graphics, GraphicsType, ListenType
from virtbus.domain.interface import Interface, InterfaceTarget, InterfaceType
from virtbus.domain.lookup import insert
from virtbus.domain.storage import BackingStore, StorageSource
from virtbus.errors import AlreadyExists, HypervisorError
from virtbus_qemu import addresses, aliases, defaults, pci
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.platform import platform_of
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
    aliases.assign(domain)
    for disk in reversed(domain.devices.disks):
        number_nodes(domain, disk)
    pair_console(domain)
    given = set(taken)
    for device in domain.devices.every():
        if isinstance(device, Interface | Channel):
            _give_host_end(device, domain, folder)
        elif isinstance(device, Graphics):
            _name_socket(device, folder)
            if choose_ports:
                _choose_port(device, settings, given)
    return domain


def prepare_device(
    live: Domain, device: Device, folder: DomainFolder, settings: QemuSettings, *, nodes: int = 0
) -> Device:
    """A device as it will be plugged into a running domain: with defaults, address, alias and node numbers.

    :param nodes: the highest number that a block node of this run has had.
    :raise AlreadyExists: a device with that alias is there.
    :raise XmlDetail: no place is left for it.
    """
    new = device.copy()
    trial = live.copy()
    complete_device(trial, new)
    defaults.fill_device(new)
    taken = {each.alias for each in live.devices.every()}
    if new.alias is not None and new.alias in taken:
        raise AlreadyExists(f"there is a device with the alias {new.alias}", domain=live.name)
    insert(trial, new)
    if isinstance(new, Disk):
        addresses.place_drive(trial, new)
        number_nodes(trial, new, above=nodes)
    if pci.wants(new, platform_of(trial)) is not pci.Wish.NONE:
        if pci.needs_place(new):
            pci.place_device(trial, new, grow=False)
        else:
            pci.Bus(trial)
    addresses.place_port(trial, new)
    new.alias = new.alias or aliases.alias_for(trial, new)
    _give_host_end(new, trial, folder)
    return new


def number_nodes(domain: Domain, disk: Disk, *, above: int = 0) -> None:
    """Give each image of a disk's chain its block node number: one that no image of this run has had before.

    :param above: the highest that was given, also to images that are gone.
    """
    used = max(above, highest_node(domain))
    for image in _numbered(disk):
        if image.index is None:
            used += 1
            image.index = used


def highest_node(domain: Domain) -> int:
    """The highest number of a block node that the domain's disks have."""
    return max((each.index or 0 for disk in domain.devices.disks for each in _numbered(disk)), default=0)


def _numbered(disk: Disk) -> Iterable[StorageSource | BackingStore]:
    """What bears the numbers of a disk's images: its source, then each backing store."""
    if disk.source is not None:
        yield disk.source
    backing = disk.backing_store
    while backing is not None and backing.source is not None:
        yield backing
        backing = backing.backing_store


def _give_host_end(device: Device, domain: Domain, folder: DomainFolder) -> None:
    if isinstance(device, Channel) and device.type is CharType.UNIX:
        source = device.source
        if source is None:
            source = CharSource()
            device.sources = [source]
        if source.path is None:
            name = device.target.name if device.target and device.target.name else device.alias
            source.path = str(folder.path / f"{name}.sock")
    elif isinstance(device, Interface) and device.type in (InterfaceType.BRIDGE, InterfaceType.ETHERNET):
        target = device.target = device.target or InterfaceTarget()
        if target.dev is None:
            # The kernel's limit is 15 characters; 8 of the domain's UUID and the card's number tell them apart.
            number = (device.alias or "").removeprefix("net")
            target.dev = f"vnet{folder.uuid.hex[:8]}{number if number.isdigit() else 'x'}"


def _name_socket(device: Graphics, folder: DomainFolder) -> None:
    for listen in device.listens:
        if listen.type is ListenType.SOCKET and listen.socket is None:
            listen.socket = str(folder.path / f"{device.type}.sock")
            listen.auto_generated = True


def _choose_port(device: Graphics, settings: QemuSettings, taken: set[int]) -> None:
    listen = device.listens[0] if device.listens else None
    wants_port = listen is None or listen.type is ListenType.ADDRESS
    if device.type is GraphicsType.VNC and wants_port and device.port in (None, -1):
        address = (listen.address if listen else None) or device.listen or settings.display.vnc_listen
        device.port = _free_port(address, settings.display.vnc_ports, taken)
        taken.add(device.port)


def _free_port(address: str, ports: tuple[int, int], taken: set[int]) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in range(ports[0], ports[1] + 1):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if port not in taken:
                    probe.bind((address, port))
                    return port
            except OSError:
                continue
    raise HypervisorError(f"no port from {ports[0]} to {ports[1]} is free for VNC on {address}")
