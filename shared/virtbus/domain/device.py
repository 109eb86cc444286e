"""What every device has: an alias, an address, and the parts that several kinds share."""

from __future__ import annotations

from typing import Annotated, Any

from virtbus.domain.address import Address
from virtbus.errors import XmlInternal
from virtbus.xml import Element, Hex, Hex2, Hex4, OnOff, Refusal, UInt, attribute, child, pattern

USER_ALIAS = "ua-"
"""Aliases that begin so are the user's and belong to the definition; others are given anew at each start."""


def generated(alias: Any) -> bool:
    """Whether an alias was given at start, so that only a running domain has it."""
    return not str(alias).startswith(USER_ALIAS)


class AcpiIndex(Element, tag="acpi"):
    """The index by which the guest's firmware and kernel name a PCI device."""

    index: UInt | None = attribute()


class Device(Element, tail=True):
    """A device of a domain."""

    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()


LoadParameter = Annotated[
    str,
    pattern(
        "[A-Za-z0-9. ]*",
        "letters, digits, dots and blanks",
        Refusal(
            XmlInternal,
            "invalid loadparm value '{upper}', expecting chars in set of [a-zA-Z0-9.] and blank spaces",
        ),
        capitals=True,
    ),
]
"""What an s390x guest's firmware is told; it reads capitals."""


class DeviceBoot(Element, tag="boot"):
    """Where the device stands among those that the firmware boots from, from 1."""

    order: UInt = attribute()
    loadparm: LoadParameter | None = attribute()


class Rom(Element, tag="rom"):
    """The option ROM of a PCI device."""

    enabled: bool | None = attribute()
    bar: OnOff | None = attribute()
    file: str | None = attribute()


class VirtioOptions(Element, tail=True):
    """What every virtio device's driver may be told."""

    iommu: OnOff | None = attribute()
    ats: OnOff | None = attribute()
    packed: OnOff | None = attribute()
    page_per_vq: OnOff | None = attribute()


class VirtioDriver(VirtioOptions, tag="driver"):
    """The driver of a virtio device that has no other settings."""


class Reconnect(Element, tag="reconnect"):
    """Whether and how often (in seconds) a lost connection is tried again."""

    enabled: bool | None = attribute()
    timeout: UInt | None = attribute()
    delay: UInt | None = attribute()


class HostAddress(Element, tag="address"):
    """A PCI or USB device of the host that stands behind a disk or an interface."""

    type: str | None = attribute()
    domain: Hex4 | None = attribute()
    bus: Hex2 | None = attribute()
    slot: Hex2 | None = attribute()
    function: Hex | None = attribute()
    device: Hex2 | None = attribute()
