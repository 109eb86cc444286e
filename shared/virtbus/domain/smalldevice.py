"""Devices with hardly any settings: hub, vsock, iommu, crypto, pstore; and leases, which are no devices."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.device import AcpiIndex, Device, VirtioDriver, VirtioOptions, generated
from virtbus.xml import Element, OnOff, UInt, ULong, attribute, child


class HubType(StrEnum):
    """Which bus a hub widens."""

    USB = "usb"


class Hub(Device, tag="hub"):
    """A USB hub."""

    type: HubType = attribute()


class VsockModel(StrEnum):
    """Which generation of virtio is spoken."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class Cid(Element, tag="cid"):
    """The guest's number among those of the host."""

    auto: bool | None = attribute()
    address: UInt | None = attribute()


class Vsock(Device, tag="vsock"):
    """Sockets between guest and host."""

    model: VsockModel | None = attribute()
    cid: Cid | None = child()
    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
    driver: VirtioDriver | None = child()


class IommuModel(StrEnum):
    """Which IOMMU the guest sees."""

    INTEL = "intel"
    SMMUV3 = "smmuv3"
    VIRTIO = "virtio"


class IommuDriver(Element, tag="driver"):
    """What an IOMMU offers."""

    intremap: OnOff | None = attribute()
    caching_mode: OnOff | None = attribute()
    eim: OnOff | None = attribute()
    iotlb: OnOff | None = attribute()
    aw_bits: UInt | None = attribute()
    dma_translation: OnOff | None = attribute()


class Iommu(Device, tag="iommu"):
    """An IOMMU."""

    model: IommuModel = attribute()
    driver: IommuDriver | None = child()


class CryptoBackend(Element, tag="backend"):
    """Who does a crypto device's work."""

    model: str = attribute()
    queues: UInt | None = attribute()


class CryptoDriver(VirtioOptions, tag="driver"):
    """How the hypervisor serves a crypto device."""


class Crypto(Device, tag="crypto"):
    """A device that encrypts for the guest."""

    model: str = attribute()
    type: str = attribute()
    backend: CryptoBackend = child()
    driver: CryptoDriver | None = child()


class Pstore(Device, tag="pstore"):
    """Where a crashing guest leaves its last words; `size` is in KiB."""

    backend: str = attribute()
    path: str | None = child()
    size: int | None = child(unit="KiB")


class LeaseTarget(Element, tag="target"):
    """The file that keeps a lease."""

    path: str = attribute()
    offset: ULong | None = attribute()


class Lease(Element, tag="lease"):
    """A lease that a lock manager takes while the domain runs."""

    lockspace: str | None = child()
    key: str = child()
    target: LeaseTarget = child()
