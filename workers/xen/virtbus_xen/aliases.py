"""Aliases of the devices of a running domain: the user's, else kind and number."""

from __future__ import annotations

from virtbus.domain import Device, Disk, Domain, Interface

_NAMES = {"interface": "net", "graphics": "graphics"}


def assign(domain: Domain) -> None:
    """Give every device that has none an alias, in place."""
    for device in domain.devices.every():
        if device.alias is None:
            device.alias = new_alias(domain, device)


def new_alias(domain: Domain, device: Device) -> str:
    """An alias that no device of the domain has."""
    taken = {each.alias for each in domain.devices.every()}
    tag = device.element_tag or "device"
    if isinstance(device, Disk):
        stem = f"{device.target.bus}-disk-{device.target.dev}"
        return stem if stem not in taken else _numbered(stem, taken)
    return _numbered(_NAMES["interface"] if isinstance(device, Interface) else _NAMES.get(tag, tag), taken)


def _numbered(stem: str, taken: set[str | None]) -> str:
    return next(name for number in range(len(taken) + 1) if (name := f"{stem}{number}") not in taken)
