"""The virtual processor: its model, features, topology, and the guest's NUMA nodes."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.memorydevice import MemoryAccess
from virtbus.xml import Element, OnOff, Ranges, UInt, ULong, attribute, child, children, text


class CpuMode(StrEnum):
    """How much the virtual processor resembles the host's."""

    CUSTOM = "custom"
    HOST_MODEL = "host-model"
    HOST_PASSTHROUGH = "host-passthrough"
    MAXIMUM = "maximum"


class CpuMatch(StrEnum):
    """How exactly the described features are meant."""

    MINIMUM = "minimum"
    EXACT = "exact"
    STRICT = "strict"


class CpuCheck(StrEnum):
    """How strictly the virtual processor is compared with what was asked for."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


class CpuFallback(StrEnum):
    """Whether a simpler model may stand in."""

    ALLOW = "allow"
    FORBID = "forbid"


class CpuFeaturePolicy(StrEnum):
    """How a feature is meant."""

    FORCE = "force"
    REQUIRE = "require"
    OPTIONAL = "optional"
    DISABLE = "disable"
    FORBID = "forbid"


class CpuModel(Element, tag="model", empty=True):
    """The processor's model."""

    fallback: CpuFallback | None = attribute()
    vendor_id: str | None = attribute()
    name: str | None = text()


class CpuTopology(Element, tag="topology"):
    """How the virtual processors are arranged."""

    sockets: UInt = attribute()
    dies: UInt | None = attribute()
    clusters: UInt | None = attribute()
    cores: UInt = attribute()
    threads: UInt = attribute()


class CpuCache(Element, tag="cache"):
    """Whose caches the guest sees."""

    level: UInt | None = attribute()
    mode: str = attribute()


class PhysicalAddress(Element, tag="maxphysaddr"):
    """How many bits a physical address has."""

    mode: str = attribute()
    bits: UInt | None = attribute()
    limit: UInt | None = attribute()


class CpuFeature(Element, tag="feature"):
    """One feature of the processor."""

    policy: CpuFeaturePolicy | None = attribute()
    name: str = attribute()


class Sibling(Element, tag="sibling"):
    """How far another NUMA node is."""

    id: UInt = attribute()
    value: UInt = attribute()


class Distances(Element, tag="distances"):
    """How far the other NUMA nodes are."""

    siblings: list[Sibling] = children()


class NumaCacheSize(Element, tag="size"):
    """The size of a memory-side cache, in KiB."""

    value: int = attribute(unit="KiB")


class NumaCacheLine(Element, tag="line"):
    """The line of a memory-side cache, in bytes."""

    value: int = attribute(unit="B")


class NumaCache(Element, tag="cache"):
    """A memory-side cache of a NUMA node."""

    level: UInt = attribute()
    associativity: str = attribute()
    policy: str = attribute()
    size: NumaCacheSize | None = child()
    line: NumaCacheLine | None = child()


class NumaCell(Element, tag="cell"):
    """A NUMA node of the guest: its processors and its memory in KiB."""

    id: UInt | None = attribute()
    cpus: Ranges | None = attribute()
    memory: int = attribute(unit="KiB")
    mem_access: MemoryAccess | None = attribute("memAccess")
    discard: bool | None = attribute()
    distances: Distances | None = child()
    caches: list[NumaCache] = children()


class Latency(Element, tag="latency"):
    """How long an access between NUMA nodes takes, in nanoseconds."""

    initiator: UInt = attribute()
    target: UInt = attribute()
    cache: UInt | None = attribute()
    type: str = attribute()
    value: ULong = attribute()


class NodeBandwidth(Element, tag="bandwidth"):
    """How much goes between NUMA nodes in a second, in KiB."""

    initiator: UInt = attribute()
    target: UInt = attribute()
    cache: UInt | None = attribute()
    type: str = attribute()
    value: int = attribute(unit="KiB")


class Interconnects(Element, tag="interconnects"):
    """How NUMA nodes reach each other."""

    latencies: list[Latency] = children()
    bandwidths: list[NodeBandwidth] = children()


class Numa(Element, tag="numa"):
    """The guest's NUMA nodes."""

    cells: list[NumaCell] = children()
    interconnects: Interconnects | None = child()


class Cpu(Element, tag="cpu"):
    """The virtual processor."""

    mode: CpuMode | None = attribute()
    match: CpuMatch | None = attribute()
    check: CpuCheck | None = attribute()
    migratable: OnOff | None = attribute()
    deprecated_features: OnOff | None = attribute()
    model: CpuModel | None = child()
    vendor: str | None = child()
    topology: CpuTopology | None = child()
    cache: CpuCache | None = child()
    maxphysaddr: PhysicalAddress | None = child()
    features: list[CpuFeature] = children()
    numa: Numa | None = child()
