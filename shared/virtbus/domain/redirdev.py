"""USB devices that a client's machine lends to the guest."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.chardev import CharDevice, CharLog, CharProtocol, CharSource, CharType
from virtbus.domain.device import AcpiIndex, DeviceBoot, generated
from virtbus.xml import attribute, child, children


class RedirdevBus(StrEnum):
    """Which bus a redirected device is on."""

    USB = "usb"


class Redirdev(CharDevice, tag="redirdev"):
    """A USB device that comes over a stream."""

    bus: RedirdevBus = attribute(default=RedirdevBus.USB)
    type: CharType = attribute()
    sources: list[CharSource] = children("source")
    protocol: CharProtocol | None = child(attribute="type")
    log: CharLog | None = child()
    boot: DeviceBoot | None = child()
    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
