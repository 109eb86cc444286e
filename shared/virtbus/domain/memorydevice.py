"""Memory devices: memory that is plugged in, persistent memory, and memory that grows and shrinks."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from virtbus.domain.device import Device
from virtbus.xml import Element, Hex, Ranges, UInt, attribute, child, flag


class MemoryModel(StrEnum):
    """Which kind of memory the guest sees."""

    DIMM = "dimm"
    NVDIMM = "nvdimm"
    VIRTIO_PMEM = "virtio-pmem"
    VIRTIO_MEM = "virtio-mem"
    SGX_EPC = "sgx-epc"


class MemoryAccess(StrEnum):
    """Whether other processes of the host share the memory."""

    SHARED = "shared"
    PRIVATE = "private"


class MemoryDeviceSource(Element, tag="source"):
    """Where the memory comes from: pages of the host, or a file."""

    nodemask: Ranges | None = child()
    page_size: int | None = child("pagesize", unit="KiB")
    path: str | None = child()
    align_size: int | None = child("alignsize", unit="KiB")
    pmem: bool = flag()


class MemoryLabel(Element, tag="label"):
    """The part of an NVDIMM that keeps its labels."""

    size: int = child(unit="KiB")


class MemoryBase(Element, tag="address"):
    """Where in the guest's memory a virtio device begins."""

    base: Hex = attribute()


class MemoryTarget(Element, tag="target"):
    """How much memory, in KiB, and on which NUMA node of the guest."""

    dynamic_memslots: bool | None = attribute("dynamicMemslots")
    size: int = child(unit="KiB")
    node: UInt | None = child()
    label: MemoryLabel | None = child()
    readonly: bool = flag()
    block: int | None = child(unit="KiB")
    requested: int | None = child(unit="KiB")
    current: int | None = child(unit="KiB", live=True)
    address: MemoryBase | None = child()


class MemoryDevice(Device, tag="memory"):
    """A memory device."""

    model: MemoryModel = attribute()
    access: MemoryAccess | None = attribute()
    discard: bool | None = attribute()
    uuid: UUID | None = child()
    source: MemoryDeviceSource | None = child()
    target: MemoryTarget = child()
