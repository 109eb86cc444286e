"""IOMMUs: translation of the addresses that devices of the guest use."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device
from virtbus.xml import Element, OnOff, UInt, attribute, child


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
