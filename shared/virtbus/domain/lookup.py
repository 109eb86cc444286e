"""Finding the one device that is meant, and putting devices in, out and in each other's place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from virtbus.domain.chardev import CharDevice
from virtbus.domain.controller import Controller
from virtbus.domain.device import Device
from virtbus.domain.devices import field_of
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.graphics import Graphics
from virtbus.domain.hostdev import Hostdev
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface
from virtbus.domain.memorydevice import MemoryDevice
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.watchdog import Watchdog
from virtbus.errors import Ambiguous, Conflict, NoDevice
from virtbus.xml import Element

ALONE: dict[type[Device], tuple[str, ...]] = {
    Disk: ("target.dev",),
    Controller: ("type", "index"),
    Filesystem: ("target.dir",),
    Graphics: ("type",),
}
"""Kinds that libvirt knows by these fields alone, whatever else a description says."""

KEYS: dict[type[Device], tuple[str, ...]] = {
    Interface: ("mac.address",),
    Hostdev: ("mode", "type", "source"),
    Rng: ("model", "rate", "backend"),
    Watchdog: ("model", "action"),
    Input: ("type", "bus", "model", "source"),
    MemoryDevice: ("model", "uuid", "source", "target.size", "target.node"),
    Shmem: ("name", "model", "size", "role", "server"),
    Redirdev: ("bus", "type", "sources"),
    CharDevice: ("type", "sources", "target"),
}
"""Kinds that libvirt knows by these fields, and by alias and address where the description has them."""


def find(domain: Domain, alias: str) -> Device:
    """The device with that alias.

    :raise NoDevice: there is none; `evidence["candidates"]` lists the aliases there are.
    """
    aliases = []
    for device in domain.devices.every():
        if device.alias == alias:
            return device
        if device.alias is not None:
            aliases.append(device.alias)
    raise NoDevice(
        f"no device has the alias '{alias}'",
        domain=domain.name,
        hint="the devices' aliases are in the live XML" if not aliases else f"there are {', '.join(aliases[:20])}",
        evidence={"alias": alias, "candidates": aliases},
    )


def resolve(domain: Domain, description: Device) -> Device:
    """The one device that a description means, by libvirt's own keys.

    :raise NoDevice: nothing fits; `evidence["candidates"]` lists the devices of the same kind.
    :raise Ambiguous: several fit.
    """
    kind = type(description)
    same = [device for device in domain.devices.every() if _element_tag(device) == _element_tag(description)]
    fitting = [device for device in same if _fits(description, device)]
    if len(fitting) == 1:
        return fitting[0]
    tag = _element_tag(description)
    evidence = {"candidates": [described(device) for device in fitting or same]}
    what = described(description)
    if not fitting:
        raise NoDevice(f"no {tag} matches {what}", domain=domain.name, evidence=evidence)
    raise Ambiguous(
        f"{len(fitting)} {tag} devices match {what}",
        domain=domain.name,
        hint="name it by its alias, or add its address",
        evidence=evidence | {"kind": kind.__name__},
    )


def described(device: Device) -> str:
    """A device in a few words: its tag, its keys, its alias."""
    keys = next((keys for table in (ALONE, KEYS) for kind, keys in table.items() if isinstance(device, kind)), ())
    words = [f"{key}={value}" for key in keys if isinstance(value := _value(device, key), str | int)]
    if device.alias:
        words.append(f"alias={device.alias}")
    return " ".join([_element_tag(device), *words])


def _element_tag(device: Device) -> str:
    return device.element_tag or type(device).__name__.lower()


def _fits(wanted: Device, device: Device) -> bool:
    for kind, keys in ALONE.items():
        if isinstance(wanted, kind):
            return all(_matches(_value(wanted, key), _value(device, key)) for key in keys)
    for kind, keys in KEYS.items():
        if isinstance(wanted, kind):
            return all(_matches(_value(wanted, key), _value(device, key)) for key in (*keys, "alias", "address"))
    return _matches(wanted, device)


def _value(device: Device, key: str) -> Any:
    value: Any = device
    for name in key.split("."):
        value = getattr(value, name, None)
    return value


def _matches(wanted: Any, found: Any) -> bool:
    """Whether everything that `wanted` says is so in `found`."""
    if wanted is None or wanted is False:
        return True
    if isinstance(wanted, Element):
        return type(wanted) is type(found) and all(
            _matches(value, getattr(found, name)) for name, value in vars(wanted).items()
        )
    if isinstance(wanted, list):
        if not wanted:
            return True
        return len(wanted) == len(found) and all(map(_matches, wanted, found))
    if isinstance(wanted, str) and isinstance(found, str):
        # Only MAC addresses and UUIDs come in either case, and no other key has colons and hexadecimal only.
        return wanted == found or (_MAC.fullmatch(wanted) is not None and wanted.lower() == found.lower())
    return bool(wanted == found)


_MAC = re.compile("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def insert(domain: Domain, device: Device) -> None:
    """Add a device where libvirt would: disks and controllers in order, others at the end of their kind.

    :raise Conflict: the domain can have one of the kind only, and has it.
    """
    name, many = field_of(device)
    if not many:
        if getattr(domain.devices, name) is not None:
            tag = _element_tag(device)
            raise Conflict(f"the domain has a {tag} already, and can have only one", domain=domain.name)
        setattr(domain.devices, name, device)
        return
    devices: list[Device] = getattr(domain.devices, name)
    order = next((order for kind, order in _ORDER.items() if isinstance(device, kind)), None)
    devices.insert(len(devices) if order is None else _place(devices, device, order), device)


def remove(domain: Domain, device: Device) -> None:
    """Take a device of the domain out.

    :raise NoDevice: the domain does not have it.
    """
    name, many = field_of(device)
    if not many:
        if getattr(domain.devices, name) is not device:
            raise NoDevice(f"the domain has no such {_element_tag(device)}", domain=domain.name)
        setattr(domain.devices, name, None)
        return
    devices: list[Device] = getattr(domain.devices, name)
    del devices[_position(domain, devices, device)]


def replace(domain: Domain, old: Device, new: Device) -> None:
    """Put a device in the place of another of the same kind.

    :raise NoDevice: the domain does not have the old one.
    :raise Conflict: the new one is of another kind.
    """
    name, many = field_of(old)
    if field_of(new)[0] != name:
        raise Conflict(f"a {_element_tag(new)} cannot replace a {_element_tag(old)}", domain=domain.name)
    if not many:
        remove(domain, old)
        setattr(domain.devices, name, new)
        return
    devices: list[Device] = getattr(domain.devices, name)
    devices[_position(domain, devices, old)] = new


def _position(domain: Domain, devices: list[Device], device: Device) -> int:
    for position, each in enumerate(devices):
        if each is device:
            return position
    raise NoDevice(f"the domain has no such {_element_tag(device)}", domain=domain.name)


LAST_DISK = 2**31 - 1
"""libvirt counts disks in 31 bits."""


def disk_number(name: str) -> int:
    """The number of a disk's name without its bus: vda is 0, sdz 25, sdaa 26; -1 where it is no such name."""
    match = re.fullmatch(r"(?:fd|hd|vd|sd|xvd|ubd)([a-z]+)[0-9]*", name)
    if match is None:
        return -1
    number = 0
    for letter in match.group(1):
        number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1 if number <= LAST_DISK else -1


def _disk_order(device: Any) -> tuple[Any, int]:
    return device.target.bus, disk_number(device.target.dev)


def _controller_order(device: Any) -> tuple[Any, tuple[int, bool]]:
    """The companions of a USB2 controller have its index and follow it."""
    return device.type, (device.index or 0, device.master is not None)


_ORDER: dict[type[Device], Callable[[Any], tuple[Any, Any]]] = {Disk: _disk_order, Controller: _controller_order}
"""Of kinds that are kept in order: the group (bus, type) and the number within it."""


def _place(devices: list[Device], device: Device, order: Callable[[Any], tuple[Any, Any]]) -> int:
    """Before the first of its group with a larger number, else after the last of its group, else at the end."""
    group, number = order(device)
    place: int | None = None
    for position in range(len(devices) - 1, -1, -1):
        other, its_number = order(devices[position])
        if other != group:
            continue
        if its_number > number:
            place = position
        elif place is None:
            place = position + 1
    return len(devices) if place is None else place
