"""A definition made ready to run: aliases, names of the host's interfaces, loop devices for images."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from virtbus.domain import Domain, Interface, InterfaceType
from virtbus.domain.interface import InterfaceGuest, InterfaceTarget
from virtbus.errors import ConfigUnsupported
from virtbus_lxc import loops
from virtbus_lxc.accounts import number_of
from virtbus_lxc.aliases import assign_aliases
from virtbus_lxc.config.mountlines import root_of
from virtbus_lxc.folder import Notes

VETH = "vnet"
"""How generated names of the host's ends begin, as libvirt's do: they belong to the running domain only."""


def prepare(definition: Domain) -> Domain:
    """The live definition."""
    domain = definition.copy()
    assign_aliases(domain)
    for interface in domain.devices.interfaces:
        name_ends(domain, interface)
    return domain


def name_ends(domain: Domain, interface: Interface) -> None:
    """Name both ends of an interface, where they have no names."""
    if interface.type is not InterfaceType.DIRECT and (interface.target is None or interface.target.dev is None):
        interface.target = InterfaceTarget(dev=f"{VETH}{secrets.token_hex(4)}")
    guest = interface.guest = interface.guest or InterfaceGuest()
    if guest.actual is None:
        others = (each for each in domain.devices.interfaces if each is not interface)
        guest.actual = guest.dev or free_name(others)


def free_name(interfaces: Iterable[Interface]) -> str:
    """The first ethN that no interface of the container has."""
    taken = {name for each in interfaces if each.guest is not None for name in (each.guest.dev, each.guest.actual)}
    number = 0
    while f"eth{number}" in taken:
        number += 1
    return f"eth{number}"


async def settle(domain: Domain, notes: Notes) -> Domain:
    """The domain in words that LXC's configuration has: loop devices for images, numbers for users.

    :raise HypervisorError: an image cannot be used.
    """
    settled = domain.copy()
    for place, disk in enumerate(list(settled.devices.disks)):
        device = await loops.attach(disk)
        if device is not None:
            notes.loops[disk.alias or ""] = device
            settled.devices.disks[place] = loops.as_block(disk, device)
    for interface in settled.devices.interfaces:
        if interface.guest is not None:
            interface.guest.dev = interface.guest.actual
    os = settled.os
    if os is not None and (os.init_user or os.init_group):
        root = root_of(settled)
        folder = root.source.dir if root is not None and root.source is not None else None
        os.init_user = _number(folder, "passwd", os.init_user)
        os.init_group = _number(folder, "group", os.init_group)
    return settled


def _number(root: str | None, table: str, name: str | None) -> str | None:
    if name is None or name.isdigit():
        return name
    number = None if root is None else number_of(root, table, name)
    if number is None:
        raise ConfigUnsupported(
            f"the container has no '{name}' in /etc/{table}", hint="give its number",
            evidence={"path": f"/domain/os/init{'user' if table == 'passwd' else 'group'}"},
        )  # fmt: skip
    return number
