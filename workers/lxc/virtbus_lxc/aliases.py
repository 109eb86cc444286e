"""The aliases of a running container's devices, as libvirt gives them."""

from __future__ import annotations

from virtbus.domain import Device, Domain

_PREFIXES = {"interface": "net", "filesystem": "fs"}
"""Where it is not the element's name; a number follows."""


def assign_aliases(domain: Domain) -> None:
    """Give every device an alias that has none."""
    for device in domain.devices.every():
        if device.alias is None:
            device.alias = new_alias(domain, device)


def new_alias(domain: Domain, device: Device) -> str:
    """The alias of one more device."""
    taken = {each.alias for each in domain.devices.every()}
    tag = device.element_tag or type(device).__name__.lower()
    prefix = _PREFIXES.get(tag, tag)
    number = 0
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"
