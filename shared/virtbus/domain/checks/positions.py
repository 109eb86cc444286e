"""What aliases, addresses and boot orders may not be: the same as another device's."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from virtbus.domain.address import (
    Address,
    CcwAddress,
    DimmAddress,
    PciAddress,
    SpaprVioAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from virtbus.domain.checks.problem import (
    Problems,
    detail,
    internal,
    is_serial_console,
    malformed,
    places,
    twice,
    unsupported,
)
from virtbus.domain.device import USER_ALIAS, Device
from virtbus.domain.domain import Domain
from virtbus.errors import VirtbusError

_ALIAS = re.compile("[A-Za-z0-9_-]{1,128}")


def check_aliases(domain: Domain) -> Problems:
    named = [
        (device.alias, f"{path}/alias/@name")
        for path, device in places(domain)
        if device.alias is not None and device.alias.startswith(USER_ALIAS) and not is_serial_console(domain, device)
    ]
    for alias, path in named:
        if not _ALIAS.fullmatch(alias) or alias == USER_ALIAS:
            yield detail(f"'{alias}' cannot be an alias", path, "letters, digits, _ and - may follow ua-")
    pairs: Iterator[tuple[Hashable, str]] = iter(named)
    for alias, first, again in twice(pairs):
        yield detail(f"non unique alias detected: {alias}", again, f"{first} has it too")


_PLACE: dict[type[Address], Callable[[Any], Hashable]] = {
    PciAddress: lambda at: (at.domain, at.bus, at.slot, at.function) if at.bus or at.slot or at.domain else None,
    VirtioSerialAddress: lambda at: (at.controller, at.bus, at.port) if at.port else None,
    UsbAddress: lambda at: (at.bus, at.port) if at.port else None,
    CcwAddress: lambda at: None if at.devno is None else (at.cssid, at.ssid, at.devno),
    DimmAddress: lambda at: at.slot,
}
"""What must be unique among the addresses of a kind; None where one is still to be assigned."""


def check_addresses(domain: Domain) -> Problems:
    """No two devices share a place. The words are those of the bus."""
    for path, (device, first) in _taken_twice(domain):
        assert device.address is not None
        make, words = _WORDS[type(device.address)]
        yield make(words(device.address), f"{path}/address", f"{first} has it too")


_WORDS: dict[type[Address], tuple[Callable[..., VirtbusError], Callable[[Any], str]]] = {
    PciAddress: (
        malformed,
        lambda at: f"Attempted double use of PCI Address {at.domain:04x}:{at.bus:02x}:{at.slot:02x}.{at.function:x}",
    ),
    VirtioSerialAddress: (
        malformed,
        lambda at: f"virtio serial port {at.port} on controller {at.controller} is already occupied",
    ),
    UsbAddress: (malformed, lambda at: f"Duplicate USB address bus {at.bus} port {at.port}"),
    CcwAddress: (
        internal,
        lambda at: f"The CCW devno '{at.cssid or 0:x}.{at.ssid or 0:x}.{at.devno or 0:04x}' is in use already",
    ),
    DimmAddress: (
        unsupported,
        lambda at: f"memory device slot '{at.slot}' is already being used by another memory device",
    ),
}


def _taken_twice(domain: Domain) -> Iterator[tuple[str, tuple[Device, str]]]:
    taken: dict[Hashable, str] = {}
    for path, device in places(domain):
        key = _place_of(device)
        if key is None or is_serial_console(domain, device):
            continue
        if key in taken:
            yield path, (device, taken[key])
        taken.setdefault(key, path)


def _place_of(device: Device) -> Hashable:
    address = device.address
    for kind, key in _PLACE.items():
        if isinstance(address, kind):
            place = key(address)
            return None if place is None else (kind.__name__, place)
    return None


def check_boot_order(domain: Domain) -> Problems:
    ordered = [(path, boot) for path, device in places(domain) if (boot := getattr(device, "boot", None)) is not None]
    if ordered and domain.os is not None and domain.os.boots:
        yield unsupported("per-device boot elements cannot be used together with os/boot elements", "/domain/os/boot")
    for path, boot in ordered:
        if boot.order == 0:
            yield detail("incorrect boot order '0', expecting positive integer", f"{path}/boot/@order")
    numbers: Iterator[tuple[Hashable, str]] = ((boot.order, f"{path}/boot/@order") for path, boot in ordered)
    for order, first, again in twice(numbers):
        yield detail(f"boot order '{order}' used for more than one device", again, f"{first} has it too")


def check_spapr(domain: Domain) -> Problems:
    """A POWER guest's virtual bus has registers of 32 bits."""
    for path, device in places(domain):
        reg = device.address.reg if isinstance(device.address, SpaprVioAddress) else None
        if reg is not None and reg > LAST_REGISTER:
            words = f"spapr-vio reg='0x{reg:x}' exceeds maximum possible value (0x{LAST_REGISTER:x})"
            yield unsupported(words, f"{path}/address/@reg")


LAST_REGISTER = 0xFFFFFFFF


def check_zpci(domain: Domain) -> Problems:
    """An s390x guest's PCI devices have identifiers from 1."""
    for path, device in places(domain):
        zpci = device.address.zpci if isinstance(device.address, PciAddress) else None
        if zpci is not None and zpci.uid is not None and not 0 < zpci.uid <= LAST_UID:
            yield malformed(
                f"Invalid PCI address uid='0x{zpci.uid:04x}', must be > 0x0000 and <= 0x{LAST_UID:04x}",
                f"{path}/address/zpci/@uid",
            )


LAST_UID = 0xFFFF
