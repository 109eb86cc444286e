"""A Linux host as its /sys and /sys/fs/resctrl describe it: nodes, processors, caches, memory bandwidth.

Sources: Linux Documentation/ABI (sysfs-devices-system-cpu, sysfs-devices-node), Documentation/admin-guide/mm/numaperf,
Documentation/arch/x86/resctrl.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from virtbus.capabilities.resctrl import Resctrl
from virtbus.capabilities.topology import (
    Bandwidth,
    Bank,
    Caches,
    Cell,
    Cells,
    Distances,
    Interconnects,
    Latency,
    Memory,
    MemoryBandwidth,
    MemoryCache,
    Pages,
    Processor,
    Processors,
    Quantity,
    Sibling,
    Topology,
)

#: Caches of lower levels belong to one core alone, and are no concern of guests.
_LOWEST_CACHE = 2

_CACHE_TYPES = {"Unified": "both", "Instruction": "code", "Data": "data"}
_ASSOCIATIVITY = {0: "direct", 1: "full"}
_WRITE_POLICY = {0: "writeback", 1: "writethrough"}
_MIB = 1024

#: What a node's memory and pages are, where /sys is not asked: (node) -> memory in KiB and pages by size in KiB.
MemoryOf = Callable[[int], tuple[int, dict[int, int]]]


def numbers(text: str) -> list[int]:
    """The numbers of a list such as 0-3,8."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def ranges(values: Iterable[int]) -> str:
    """Numbers as a list such as 0-3,8."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value == parts[-1][-1] + 1:
            parts[-1][1:] = [value]
        else:
            parts.append([value])
    return ",".join("-".join(map(str, part)) for part in parts)


def pretty(size: int) -> tuple[int, str]:
    """A size in bytes, in the largest unit in which it is whole."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    index = 0
    while size and size % 1024 == 0 and index + 1 < len(units):
        size, index = size // 1024, index + 1
    return size, units[index]


@dataclass(slots=True)
class Sysfs:
    """The two trees of one host.

    :param system: /sys/devices/system, or a copy of it.
    :param resctrl: /sys/fs/resctrl, or a copy of it; None where it is not mounted.
    :param memory: who knows a node's memory; None asks /sys.
    :param distances: whether distances between nodes are told.
    """

    system: Path
    resctrl: Path | None = None
    memory: MemoryOf | None = None
    distances: bool = True
    _online: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        text = self._read("cpu/online")
        self._online = frozenset(numbers(text) if text else [])

    def topology(self) -> Topology | None:
        """NUMA nodes and processors; None where the tree has no nodes."""
        nodes = numbers(self._read("node/online") or "")
        if not nodes:
            return None
        cells = [self._cell(node) for node in nodes]
        return Topology(cells=Cells(num=len(cells), cells=cells), interconnects=self._interconnects(nodes))

    def caches(self) -> Caches | None:
        """The caches that guests may care for; None where none is known."""
        found: dict[tuple[int, int, str], Bank] = {}
        for cpu in sorted(self._online):
            for index in self._indexed(f"cpu/cpu{cpu}/cache", "index"):
                bank = self._bank(f"cpu/cpu{cpu}/cache/index{index}")
                if bank is not None:
                    found.setdefault((bank.level, bank.id, bank.type), bank)
        banks = [found[key] for key in sorted(found)]
        control = Resctrl.at(self.resctrl)
        for bank in banks:
            bank.controls = control.cache(bank)
        monitor = control.cache_monitor()
        return Caches(banks=banks, monitor=monitor) if banks else None

    def memory_bandwidth(self, caches: Caches | None) -> MemoryBandwidth | None:
        """How the memory behind the host's caches can be given out; None where it cannot."""
        control = Resctrl.at(self.resctrl)
        nodes = control.bandwidth(caches.banks if caches else [])
        monitor = control.bandwidth_monitor()
        return MemoryBandwidth(nodes=nodes, monitor=monitor) if nodes or monitor else None

    # ---- one node ----

    def _cell(self, node: int) -> Cell:
        path = f"node/node{node}"
        cpus = numbers(self._read(f"{path}/cpulist") or "")
        size, pages = self.memory(node) if self.memory else self._pages(path)
        return Cell(
            id=node,
            memory=Memory(size=size) if size else None,
            pages=[Pages(unit="KiB", size=each, count=count) for each, count in sorted(pages.items())],
            distances=self._distances(path),
            caches=self._memory_caches(path),
            cpus=Processors(num=len(cpus), cpus=[self._processor(cpu) for cpu in cpus]),
        )

    def _processor(self, cpu: int) -> Processor:
        if cpu not in self._online:
            return Processor(id=cpu)
        topology = f"cpu/cpu{cpu}/topology"
        places = {
            key: max(self._number(f"{topology}/{name}", 0), 0)
            for key, name in (
                ("socket_id", "physical_package_id"),
                ("die_id", "die_id"),
                ("cluster_id", "cluster_id"),
                ("core_id", "core_id"),
            )
        }
        siblings = self._read(f"{topology}/thread_siblings_list")
        together = ranges(numbers(siblings)) if siblings else str(cpu)
        return Processor(id=cpu, siblings=together, **places)

    def _pages(self, path: str) -> tuple[int, dict[int, int]]:
        """A node's memory and pages, as /sys tells them; what huge pages take is no ordinary memory."""
        match = re.search(r"MemTotal:\s+(\d+) kB", self._read(f"{path}/meminfo") or "")
        total = int(match[1]) if match else 0
        pages = {
            int(folder.name.removeprefix("hugepages-").removesuffix("kB")): int(count.read_text())
            for folder in sorted((self.system / path / "hugepages").glob("hugepages-*kB"))
            if (count := folder / "nr_hugepages").exists()
        }
        ordinary = max(total - sum(size * count for size, count in pages.items()), 0)
        return total, {4: ordinary // 4, **pages}

    def _distances(self, path: str) -> Distances | None:
        text = self._read(f"{path}/distance") if self.distances else None
        if text is None:
            return None
        return Distances(siblings=[Sibling(id=each, value=int(value)) for each, value in enumerate(text.split())])

    def _memory_caches(self, path: str) -> list[MemoryCache]:
        found = []
        for level in self._indexed(f"{path}/memory_side_cache", "index"):
            place = f"{path}/memory_side_cache/index{level}"
            size, unit = pretty(self._number(f"{place}/size", 0))
            found.append(
                MemoryCache(
                    level=level,
                    associativity=_ASSOCIATIVITY.get(self._number(f"{place}/indexing", -1), "none"),
                    policy=_WRITE_POLICY.get(self._number(f"{place}/write_policy", -1), "none"),
                    size=Quantity(value=size, unit=unit),
                    line=Quantity(value=self._number(f"{place}/line_size", 0), unit="B"),
                )
            )
        return found

    def _interconnects(self, nodes: Iterable[int]) -> Interconnects | None:
        """What the nodes nearest to each memory reach it with (ACPI's HMAT)."""
        found = Interconnects()
        for target in nodes:
            classes = self._indexed(f"node/node{target}", "access")
            if not classes:
                continue
            place = f"node/node{target}/access{classes[0]}/initiators"
            for initiator in self._indexed(place, "node"):
                for kind in ("read", "write"):
                    latency = self._number(f"{place}/{kind}_latency", 0)
                    speed = self._number(f"{place}/{kind}_bandwidth", 0)
                    if latency:
                        found.latencies.append(Latency(initiator=initiator, target=target, type=kind, value=latency))
                    if speed:
                        found.bandwidths.append(
                            Bandwidth(initiator=initiator, target=target, type=kind, value=speed * _MIB, unit="KiB")
                        )
        return found if found.latencies or found.bandwidths else None

    # ---- one cache ----

    def _bank(self, path: str) -> Bank | None:
        level = self._number(f"{path}/level", 0)
        size = self._read(f"{path}/size")
        if level < _LOWEST_CACHE or size is None:
            return None
        value, unit = pretty(_bytes(size.strip()))
        cpus = numbers(self._read(f"{path}/shared_cpu_list") or "")
        return Bank(
            id=self._number(f"{path}/id", 0),
            level=level,
            type=_CACHE_TYPES.get((self._read(f"{path}/type") or "").strip(), "both"),
            size=value,
            unit=unit,
            cpus=ranges(cpus),
        )

    # ---- files ----

    def _read(self, path: str) -> str | None:
        try:
            return (self.system / path).read_text()
        except OSError:
            # Kernels differ in what they tell; a file that is not there says nothing.
            return None

    def _number(self, path: str, default: int) -> int:
        text = self._read(path)
        return int(text) if text and text.strip() else default

    def _indexed(self, path: str, prefix: str) -> list[int]:
        """The numbers of the entries of a folder that are called PREFIX<number>."""
        names = (entry.name.removeprefix(prefix) for entry in (self.system / path).glob(f"{prefix}*"))
        return sorted(int(name) for name in names if name.isdecimal())


def _bytes(size: str) -> int:
    scale = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(size[-1:])
    return int(size) if scale is None else int(size[:-1]) * scale
