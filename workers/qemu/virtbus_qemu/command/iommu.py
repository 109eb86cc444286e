"""IOMMUs."""

from __future__ import annotations

from virtbus.domain.iommu import Iommu, IommuDriver, IommuModel
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts, given, on_off


def describe(device: Iommu, context: Context) -> Parts:
    """An IOMMU. That of ARM is a word of -machine."""
    if device.model is IommuModel.SMMUV3:
        return Parts()
    if device.model is IommuModel.VIRTIO:
        return Parts(device={"driver": "virtio-iommu", "id": device.alias, **place.of(device, context)})
    driver = device.driver or IommuDriver()
    options = {
        "intremap": on_off(driver.intremap),
        "caching-mode": driver.caching_mode,
        "eim": on_off(driver.eim),
        "device-iotlb": driver.iotlb,
        "aw-bits": driver.aw_bits or None,
        "dma-translation": driver.dma_translation,
    }
    return Parts(device={"driver": "intel-iommu", "id": device.alias, **given(options)})
