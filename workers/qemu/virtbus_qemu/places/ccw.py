"""Channels: where the devices of an s390x guest sit, named by channel subsystem, subchannel set and device number."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.address import CcwAddress
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.errors import XmlError, XmlInternal
from virtbus_qemu.places.virtiodevices import in_order, is_carried

#: The channel subsystem of virtual devices (the architecture: QEMU docs/system/s390x/css.rst).
VIRTUAL_SUBSYSTEM = 0xFE

_LAST_SET = 3
_LAST_NUMBER = 0xFFFF

Place = tuple[int, int, int]


def assign(domain: Domain) -> None:
    """Give every device that a channel carries its channel, the first ones that are free.

    :raise XmlError: two devices have the same channel.
    """
    taken: set[Place] = set()
    devices = [each for each in in_order(domain) if is_carried(each, channels=True) or _is_ccw(each)]
    for device in devices:
        if device.address is None:
            device.address = CcwAddress()
        if isinstance(device.address, CcwAddress) and device.address.devno is not None:
            _take(domain, device.address, taken)
    free = _free(taken)
    for device in devices:
        if isinstance(device.address, CcwAddress) and device.address.devno is None:
            _fill(domain, device.address, free)


def place(domain: Domain, device: Device) -> None:
    """Give one device a free channel, where it wants one and has none.

    :raise XmlError: the one it asks for is taken.
    """
    if device.address is None and is_carried(device, channels=True):
        device.address = CcwAddress()
    if not isinstance(device.address, CcwAddress):
        return
    taken: set[Place] = set()
    for other in in_order(domain):
        if other is not device and isinstance(other.address, CcwAddress) and other.address.devno is not None:
            _take(domain, other.address, taken)
    if device.address.devno is None:
        _fill(domain, device.address, _free(taken))
    else:
        _take(domain, device.address, taken)


def _is_ccw(device: Device) -> bool:
    return isinstance(device.address, CcwAddress)


def _take(domain: Domain, address: CcwAddress, taken: set[Place]) -> None:
    place = (address.cssid or 0, address.ssid or 0, address.devno or 0)
    if place in taken:
        subsystem, subset, number = place
        raise XmlError(f"The CCW devno '{subsystem:x}.{subset:x}.{number:04x}' is in use already", domain=domain.name)
    taken.add(place)


def _free(taken: set[Place]) -> Iterator[Place]:
    for subset in range(_LAST_SET + 1):
        for number in range(_LAST_NUMBER + 1):
            if (VIRTUAL_SUBSYSTEM, subset, number) not in taken:
                yield VIRTUAL_SUBSYSTEM, subset, number


def _fill(domain: Domain, address: CcwAddress, free: Iterator[Place]) -> None:
    place = next(free, None)
    if place is None:
        raise XmlInternal("There are no more free CCW devnos.", domain=domain.name)
    address.cssid, address.ssid, address.devno = place
