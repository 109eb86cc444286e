"""A host's NUMA nodes, processors, caches and memory bandwidth, as the capabilities document describes them."""

from __future__ import annotations

from virtbus.xml import Element, Ranges, UInt, ULong, attribute, child, children, text


class Memory(Element, tag="memory"):
    """A node's memory in KiB."""

    size: int = text(unit="KiB")


class Pages(Element, tag="pages"):
    """How many pages of one size a node has."""

    unit: str = attribute()
    size: ULong = attribute()
    count: ULong = text()


class Sibling(Element, tag="sibling"):
    """How far another node is."""

    id: UInt = attribute()
    value: UInt = attribute()


class Distances(Element, tag="distances"):
    """How far the other nodes are."""

    siblings: list[Sibling] = children()


class Quantity(Element, tag="size"):
    """A number with its unit."""

    value: ULong = attribute()
    unit: str = attribute()


class MemoryCache(Element, tag="cache"):
    """A cache on the memory's side."""

    level: UInt = attribute()
    associativity: str = attribute()
    policy: str = attribute()
    size: Quantity | None = child()
    line: Quantity | None = child("line")


class Processor(Element, tag="cpu", empty=True):
    """A logical processor; one that is offline has only its number."""

    id: UInt = attribute()
    socket_id: UInt | None = attribute()
    die_id: UInt | None = attribute()
    cluster_id: UInt | None = attribute()
    core_id: UInt | None = attribute()
    siblings: Ranges | None = attribute()


class Processors(Element, tag="cpus", empty=True):
    """A node's processors."""

    num: UInt = attribute()
    cpus: list[Processor] = children()


class Cell(Element, tag="cell"):
    """A NUMA node."""

    id: UInt = attribute()
    memory: Memory | None = child()
    pages: list[Pages] = children()
    distances: Distances | None = child()
    caches: list[MemoryCache] = children()
    cpus: Processors = child()


class Cells(Element, tag="cells"):
    """All NUMA nodes."""

    num: UInt = attribute()
    cells: list[Cell] = children()


class Latency(Element, tag="latency"):
    """How long an access takes, in nanoseconds."""

    initiator: UInt = attribute()
    target: UInt = attribute()
    cache: UInt | None = attribute()
    type: str = attribute()
    value: ULong = attribute()


class Bandwidth(Element, tag="bandwidth"):
    """How much goes through in a second."""

    initiator: UInt = attribute()
    target: UInt = attribute()
    cache: UInt | None = attribute()
    type: str = attribute()
    value: ULong = attribute()
    unit: str = attribute()


class Interconnects(Element, tag="interconnects"):
    """How nodes reach each other's memory."""

    latencies: list[Latency] = children()
    bandwidths: list[Bandwidth] = children()


class Topology(Element, tag="topology"):
    """The NUMA nodes, and the ways between them."""

    cells: Cells = child()
    interconnects: Interconnects | None = child()


class CacheControl(Element, tag="control"):
    """In what portions a cache can be given out."""

    granularity: ULong = attribute()
    min: ULong | None = attribute()
    unit: str = attribute()
    type: str = attribute()
    max_allocs: UInt = attribute("maxAllocs")


class Bank(Element, tag="bank"):
    """One cache."""

    id: UInt = attribute()
    level: UInt = attribute()
    type: str = attribute()
    size: ULong = attribute()
    unit: str = attribute()
    cpus: Ranges = attribute()
    controls: list[CacheControl] = children()


class MonitorFeature(Element, tag="feature"):
    """Something that can be observed."""

    name: str = attribute()


class Monitor(Element, tag="monitor"):
    """What of the resource can be observed, for how many groups at once."""

    level: UInt | None = attribute()
    reuse_threshold: ULong | None = attribute("reuseThreshold")
    max_monitors: UInt = attribute("maxMonitors")
    features: list[MonitorFeature] = children()


class Caches(Element, tag="cache"):
    """All caches that guests may care for."""

    banks: list[Bank] = children()
    monitor: Monitor | None = child()


class BandwidthControl(Element, tag="control"):
    """In what portions memory bandwidth can be given out, in percent."""

    granularity: UInt = attribute()
    min: UInt | None = attribute()
    max_allocs: UInt = attribute("maxAllocs")


class BandwidthNode(Element, tag="node"):
    """The memory behind one last-level cache."""

    id: UInt = attribute()
    cpus: Ranges = attribute()
    control: BandwidthControl | None = child()


class MemoryBandwidth(Element, tag="memory_bandwidth"):
    """How memory bandwidth can be given out and observed."""

    nodes: list[BandwidthNode] = children()
    monitor: Monitor | None = child()
