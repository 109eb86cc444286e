"""How much of the host a domain gets: processors, memory, I/O, and where."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, Ranges, SizeUnit, SomeRanges, UInt, ULong, attribute, child, children, text


class Placement(StrEnum):
    """Whether somebody else (numad) chooses the host's processors."""

    STATIC = "static"
    AUTO = "auto"


class Vcpu(Element, tag="vcpu"):
    """How many virtual processors there are at most, how many at start, and on which of the host's they run."""

    placement: Placement | None = attribute()
    cpuset: Ranges | None = attribute()
    current: UInt | None = attribute()
    count: UInt = text(default=1)


class VcpuState(Element, tag="vcpu"):
    """Whether one virtual processor is plugged in."""

    id: UInt = attribute()
    enabled: bool = attribute()
    hotpluggable: bool | None = attribute()
    order: UInt | None = attribute()


class Vcpus(Element, tag="vcpus"):
    """Which virtual processors are plugged in."""

    vcpus: list[VcpuState] = children("vcpu")


class IothreadPoll(Element, tag="poll", empty=True):
    """How long an iothread polls before it sleeps, in nanoseconds."""

    max: ULong | None = attribute()
    grow: ULong | None = attribute()
    shrink: ULong | None = attribute()


class Iothread(Element, tag="iothread"):
    """A thread that serves disks."""

    id: UInt = attribute()
    thread_pool_min: int | None = attribute()
    thread_pool_max: int | None = attribute()
    poll: IothreadPoll | None = child()


class IothreadIds(Element, tag="iothreadids"):
    """The iothreads by number."""

    iothreads: list[Iothread] = children("iothread")


class DefaultIothread(Element, tag="defaultiothread"):
    """The thread that serves what no iothread does."""

    thread_pool_min: int | None = attribute()
    thread_pool_max: int | None = attribute()


class VcpuPin(Element, tag="vcpupin"):
    """Which of the host's processors a virtual one runs on."""

    vcpu: UInt = attribute()
    cpuset: Ranges = attribute()


class EmulatorPin(Element, tag="emulatorpin"):
    """Which of the host's processors the hypervisor's own threads run on."""

    cpuset: Ranges = attribute()


class IothreadPin(Element, tag="iothreadpin"):
    """Which of the host's processors an iothread runs on."""

    iothread: UInt = attribute()
    cpuset: Ranges = attribute()


class Scheduler(StrEnum):
    """The kernel's schedulers."""

    BATCH = "batch"
    IDLE = "idle"
    FIFO = "fifo"
    RR = "rr"


class VcpuSched(Element, tag="vcpusched"):
    """How the kernel schedules virtual processors."""

    vcpus: Ranges = attribute()
    scheduler: Scheduler = attribute()
    priority: int | None = attribute()


class IothreadSched(Element, tag="iothreadsched"):
    """How the kernel schedules iothreads."""

    iothreads: Ranges = attribute()
    scheduler: Scheduler = attribute()
    priority: int | None = attribute()


class EmulatorSched(Element, tag="emulatorsched"):
    """How the kernel schedules the hypervisor's own threads."""

    scheduler: Scheduler = attribute()
    priority: int | None = attribute()


class Cache(Element, tag="cache"):
    """A share of the host's cache."""

    id: UInt = attribute()
    level: UInt = attribute()
    type: str = attribute()
    size: ULong = attribute()
    size_unit: SizeUnit | None = attribute("unit")


class CacheMonitor(Element, tag="monitor"):
    """A measurement of cache use."""

    level: UInt = attribute()
    vcpus: Ranges = attribute()


class CacheTune(Element, tag="cachetune"):
    """Shares of the host's cache for some virtual processors."""

    vcpus: Ranges = attribute()
    id: str | None = attribute(live=True)
    caches: list[Cache] = children()
    monitors: list[CacheMonitor] = children()


class BandwidthNode(Element, tag="node"):
    """A share of a node's memory bandwidth, in percent."""

    id: UInt = attribute()
    bandwidth: UInt = attribute()


class BandwidthMonitor(Element, tag="monitor"):
    """A measurement of memory bandwidth."""

    vcpus: Ranges = attribute()


class MemoryTune(Element, tag="memorytune"):
    """Shares of memory bandwidth for some virtual processors."""

    vcpus: Ranges = attribute()
    id: str | None = attribute(live=True)
    nodes: list[BandwidthNode] = children()
    monitors: list[BandwidthMonitor] = children()


class CpuTune(Element, tag="cputune"):
    """How much processor time, in microseconds of each period, and on which of the host's processors."""

    shares: ULong | None = child()
    period: ULong | None = child()
    quota: int | None = child()
    global_period: ULong | None = child()
    global_quota: int | None = child()
    emulator_period: ULong | None = child()
    emulator_quota: int | None = child()
    iothread_period: ULong | None = child()
    iothread_quota: int | None = child()
    vcpu_pins: list[VcpuPin] = children()
    emulator_pin: EmulatorPin | None = child()
    iothread_pins: list[IothreadPin] = children()
    emulator_sched: EmulatorSched | None = child()
    vcpu_scheds: list[VcpuSched] = children()
    iothread_scheds: list[IothreadSched] = children()
    cache_tunes: list[CacheTune] = children()
    memory_tunes: list[MemoryTune] = children()


class NumaMode(StrEnum):
    """How strictly memory stays on the host's nodes."""

    STRICT = "strict"
    PREFERRED = "preferred"
    INTERLEAVE = "interleave"
    RESTRICTIVE = "restrictive"


class NumaMemory(Element, tag="memory"):
    """On which of the host's nodes the memory lies."""

    mode: NumaMode | None = attribute()
    nodeset: SomeRanges | None = attribute()
    placement: Placement | None = attribute()


class NumaMemoryNode(Element, tag="memnode"):
    """On which of the host's nodes one guest node's memory lies."""

    cell_id: UInt = attribute("cellid")
    mode: NumaMode | None = attribute()
    nodeset: SomeRanges = attribute()


class NumaTune(Element, tag="numatune"):
    """On which of the host's nodes the memory lies."""

    memory: NumaMemory | None = child()
    nodes: list[NumaMemoryNode] = children()


class MemTune(Element, tag="memtune"):
    """Limits of the domain's memory on the host, in KiB."""

    hard_limit: int | None = child(unit="KiB")
    soft_limit: int | None = child(unit="KiB")
    min_guarantee: int | None = child(unit="KiB")
    swap_hard_limit: int | None = child(unit="KiB")


class BlkioDevice(Element, tag="device"):
    """Limits of what the domain does to one device of the host."""

    path: str = child()
    weight: UInt | None = child()
    read_iops_sec: UInt | None = child()
    write_iops_sec: UInt | None = child()
    read_bytes_sec: ULong | None = child()
    write_bytes_sec: ULong | None = child()


class BlkioTune(Element, tag="blkiotune"):
    """The domain's share of the host's block I/O."""

    weight: UInt | None = child()
    devices: list[BlkioDevice] = children()


class FibreChannel(Element, tag="fibrechannel"):
    """The name under which a SAN sees the domain."""

    appid: str | None = attribute()


class Resource(Element, tag="resource"):
    """The cgroup that the domain belongs to."""

    partition: str | None = child()
    fibrechannel: FibreChannel | None = child()


class IdRange(Element):
    """A range of user or group numbers, and what they are on the host."""

    start: UInt = attribute()
    target: UInt = attribute()
    count: UInt = attribute()


class IdMap(Element, tag="idmap"):
    """What users and groups of the guest are on the host."""

    uids: list[IdRange] = children("uid")
    gids: list[IdRange] = children("gid")


class ThrottleGroup(Element, tag="throttlegroup"):
    """Limits that several disks share."""

    total_bytes_sec: ULong | None = child()
    read_bytes_sec: ULong | None = child()
    write_bytes_sec: ULong | None = child()
    total_iops_sec: ULong | None = child()
    read_iops_sec: ULong | None = child()
    write_iops_sec: ULong | None = child()
    total_bytes_sec_max: ULong | None = child()
    read_bytes_sec_max: ULong | None = child()
    write_bytes_sec_max: ULong | None = child()
    total_iops_sec_max: ULong | None = child()
    read_iops_sec_max: ULong | None = child()
    write_iops_sec_max: ULong | None = child()
    size_iops_sec: ULong | None = child()
    total_bytes_sec_max_length: ULong | None = child()
    read_bytes_sec_max_length: ULong | None = child()
    write_bytes_sec_max_length: ULong | None = child()
    total_iops_sec_max_length: ULong | None = child()
    read_iops_sec_max_length: ULong | None = child()
    write_iops_sec_max_length: ULong | None = child()
    group_name: str = child()


class ThrottleGroups(Element, tag="throttlegroups"):
    """The domain's throttle groups."""

    groups: list[ThrottleGroup] = children()
