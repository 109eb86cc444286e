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
from virtbus.domain.device import USER_ALIAS, Device, DeviceBoot
from virtbus.domain.domain import Domain

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
    for path, (_, first) in _takentwice(domain):
        yield detail(f"the address of {path} is used twice", f"{path}/address", f"{first} has it too")


def _takentwice(domain: Domain) -> Iterator[tuple[str, tuple[Hashable, str]]]:
    taken: dict[Hashable, str] = {}
    for path, device in places(domain):
        key = _place_of(device)
        if key is None or is_serial_console(domain, device):
            continue
        if key in taken:
            yield path, (key, taken[key])
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
        yield from _check_loadparm(path, boot)
        if boot.order == 0:
            yield detail("incorrect boot order '0', expecting positive integer", f"{path}/boot/@order")
    numbers: Iterator[tuple[Hashable, str]] = ((boot.order, f"{path}/boot/@order") for path, boot in ordered)
    for order, first, again in twice(numbers):
        yield detail(f"boot order '{order}' used for more than one device", again, f"{first} has it too")


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
_LOADPARM = re.compile("[A-Za-z0-9. ]*")


def _check_loadparm(path: str, boot: DeviceBoot) -> Problems:
    if boot.loadparm is not None and not _LOADPARM.fullmatch(boot.loadparm):
        yield internal(
            f"invalid loadparm value '{boot.loadparm}', expecting chars in set of [a-zA-Z0-9.] and blank spaces",
            f"{path}/boot/@loadparm",
        )
