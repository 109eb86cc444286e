"""The balloon: memory that the host takes back from the guest while it runs."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.device import AcpiIndex, Device, VirtioDriver, generated
from virtbus.xml import OnOff, UInt, attribute, child


class MemballoonModel(StrEnum):
    """Which balloon the guest sees."""

    VIRTIO = "virtio"
    XEN = "xen"
    NONE = "none"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class Memballoon(Device, tag="memballoon"):
    """The balloon; `stats` is every how many seconds the guest reports its memory."""

    model: MemballoonModel = attribute()
    autodeflate: OnOff | None = attribute()
    free_page_reporting: OnOff | None = attribute("freePageReporting")
    stats: UInt | None = child(attribute="period")
    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
    driver: VirtioDriver | None = child()
