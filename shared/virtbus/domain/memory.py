"""The guest's memory, and what it is made of on the host."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.memorydevice import MemoryAccess
from virtbus.xml import Element, OnOff, Ranges, UInt, attribute, child, children, flag, text


class Memory(Element, tag="memory"):
    """The guest's memory at start, in KiB."""

    dump_core: OnOff | None = attribute("dumpCore")
    kib: int = text(unit="KiB")


class CurrentMemory(Element, tag="currentMemory"):
    """What the guest may use of its memory now, in KiB."""

    kib: int = text(unit="KiB")


class MaxMemory(Element, tag="maxMemory"):
    """Up to how much memory, in KiB, may be plugged in, and in how many slots."""

    slots: UInt | None = attribute()
    kib: int = text(unit="KiB")


class HugePage(Element, tag="page"):
    """A size of huge pages in KiB, and the guest's NUMA nodes that get them."""

    size: int = attribute(unit="KiB")
    nodeset: Ranges | None = attribute()


class HugePages(Element, tag="hugepages", empty=True):
    """The guest's memory is made of the host's huge pages."""

    pages: list[HugePage] = children()


class MemorySourceType(StrEnum):
    """What the memory is on the host."""

    FILE = "file"
    ANONYMOUS = "anonymous"
    MEMFD = "memfd"


class MemoryAllocationMode(StrEnum):
    """When the host sets memory aside."""

    IMMEDIATE = "immediate"
    ON_DEMAND = "ondemand"


class MemoryAllocation(Element, tag="allocation"):
    """When, and with how many threads, the host sets memory aside."""

    mode: MemoryAllocationMode | None = attribute()
    threads: UInt | None = attribute()


class MemoryBacking(Element, tag="memoryBacking"):
    """What the guest's memory is made of on the host."""

    hugepages: HugePages | None = child()
    nosharepages: bool = flag()
    locked: bool = flag()
    source: MemorySourceType | None = child(attribute="type")
    access: MemoryAccess | None = child(attribute="mode")
    allocation: MemoryAllocation | None = child()
    discard: bool = flag()
