"""-numa: the guest's NUMA nodes, and what ties their memory to the host's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from virtbus.domain.cpu import Latency, NodeBandwidth, NumaCache, NumaCell
from virtbus.domain.domain import Domain
from virtbus.domain.tuning import NumaMemoryNode, NumaMode
from virtbus.xml.codec import numbers
from virtbus_qemu.command import memory
from virtbus_qemu.command.accelerator import offered
from virtbus_qemu.command.parts import Context
from virtbus_qemu.ledger import peek
from virtbus_qemu.settings import QemuSettings

_NODES = Path("/sys/devices/system/node/online")

#: How far a node is from itself and from another where nothing is said (ACPI: SLIT).
_NEAR, _FAR = 10, 20

#: QEMU's names of what stands between an initiator and a target, by the level of the cache.
_HIERARCHY = ("memory", "first-level", "second-level", "third-level")

_ASSOCIATIVITY = {"full": "complex"}
_POLICY = {"writeback": "write-back", "writethrough": "write-through"}

_MIB_KIB = 1024


def cells(domain: Domain) -> list[NumaCell]:
    """The guest's NUMA nodes by number."""
    said = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    return sorted(said, key=lambda cell: cell.id or 0)


def cell_of(domain: Domain, node: int | None) -> NumaCell | None:
    """A NUMA node of the guest; None where there is none of that number."""
    if node is None:
        return None
    return next((cell for number, cell in enumerate(cells(domain)) if number == node), None)


def has_attributes(domain: Domain) -> bool:
    """Whether something is said of caches, latencies or bandwidths (ACPI: HMAT)."""
    if domain.cpu is None or domain.cpu.numa is None:
        return False
    return domain.cpu.numa.interconnects is not None or any(cell.caches for cell in domain.cpu.numa.cells)


def memory_node(domain: Domain, node: int | None) -> NumaMemoryNode | None:
    """Where on the host one guest node's memory lies, if that is said of this node."""
    nodes = domain.numatune.nodes if domain.numatune is not None and node is not None else []
    return next((each for each in nodes if each.cell_id == node), None)


def mode_of(domain: Domain, node: int | None) -> NumaMode:
    """How strictly a piece of memory stays on its nodes of the host."""
    own = memory_node(domain, node)
    if own is None and domain.numatune is not None and domain.numatune.memory is not None:
        return domain.numatune.memory.mode or NumaMode.STRICT
    return (own.mode if own else None) or NumaMode.STRICT


def host_nodes(settings: QemuSettings) -> frozenset[int]:
    """The numbers of the host's NUMA nodes."""
    if settings.numa_nodes is not None:
        return settings.numa_nodes
    try:
        return frozenset(numbers(_NODES.read_text().strip()))
    except OSError:
        return frozenset({0})


def nodes_of_threads(context: Context) -> frozenset[int] | None:
    """The host's NUMA nodes whose processors QEMU's own threads may run on; None where they may run anywhere."""
    tune = context.domain.cputune
    own = peek(tune, "emulator_pin") if tune else None
    cpus = peek(own, "cpuset") or peek(context.domain.vcpu, "cpuset")
    if not cpus:
        return None
    chosen = set(numbers(cpus))
    return frozenset(node for node in host_nodes(context.settings) if chosen & _cpus_of(node, context.settings))


def _cpus_of(node: int, settings: QemuSettings) -> frozenset[int]:
    if settings.node_cpus is not None:
        return settings.node_cpus.get(node, frozenset())
    try:
        return frozenset(numbers((_NODES.parent / f"node{node}" / "cpulist").read_text().strip()))
    except OSError:
        return frozenset()


def options(context: Context) -> list[str]:
    """The guest's NUMA nodes with their memory, distances, latencies, bandwidths and caches."""
    domain = context.domain
    if not cells(domain):
        return []
    return [*_nodes(context), *_distances(domain), *_attributes(domain)]


def _nodes(context: Context) -> Iterator[str]:
    pieces = [
        memory.Piece(id=f"ram-node{number}", size=cell.memory, node=number)
        for number, cell in enumerate(cells(context.domain))
    ]
    machine = offered(context.domain, context.capabilities)
    takes_sizes = machine is not None and machine.numa_mem is True
    objects = not takes_sizes or any(memory.is_particular(context, piece) for piece in pieces)
    if not objects:
        yield from memory.path_options(context)
    for number, (cell, piece) in enumerate(zip(cells(context.domain), pieces, strict=True)):
        if objects and cell.memory:
            for each in memory.backends(context, piece):
                yield from each.options()
        words = [f"node,nodeid={number}"]
        words += [f"cpus={span}" for span in cell.cpus.split(",")] if cell.cpus else []
        if has_attributes(context.domain):
            words.append(f"initiator={_initiator(context.domain, number, cell)}")
        if cell.memory:
            words.append(f"memdev={piece.id}" if objects else f"mem={cell.memory // _MIB_KIB}")
        yield from ("-numa", ",".join(words))


def _initiator(domain: Domain, number: int, cell: NumaCell) -> int:
    """The node whose processors reach a node's memory best."""
    if cell.cpus:
        return number
    links = domain.cpu.numa.interconnects if domain.cpu and domain.cpu.numa else None
    widest = [each for each in (links.bandwidths if links else ()) if each.target == number and not each.cache]
    if widest:
        return max(widest, key=lambda each: each.value).initiator
    quickest = [each for each in (links.latencies if links else ()) if each.target == number and not each.cache]
    if quickest:
        return min(quickest, key=lambda each: each.value).initiator
    return next((place for place, each in enumerate(cells(domain)) if each.cpus), 0)


def _distances(domain: Domain) -> Iterator[str]:
    said = {
        (number, sibling.id): sibling.value
        for number, cell in enumerate(cells(domain))
        for sibling in (cell.distances.siblings if cell.distances else ())
    }
    if not said:
        return
    count = len(cells(domain))
    for source in range(count):
        for target in range(count):
            value = said.get((source, target)) or said.get((target, source)) or (_NEAR if source == target else _FAR)
            yield from ("-numa", f"dist,src={source},dst={target},val={value}")


def _attributes(domain: Domain) -> Iterator[str]:
    links = domain.cpu.numa.interconnects if domain.cpu and domain.cpu.numa else None
    for latency in links.latencies if links else ():
        yield from ("-numa", f"{_link(latency)}-latency,latency={latency.value}")
    for bandwidth in links.bandwidths if links else ():
        yield from ("-numa", f"{_link(bandwidth)}-bandwidth,bandwidth={bandwidth.value}K")
    for number, cell in enumerate(cells(domain)):
        for cache in sorted(cell.caches, key=lambda cache: cache.level):
            yield from ("-numa", _cache(number, cache))


def _link(link: Latency | NodeBandwidth) -> str:
    """What lies between two nodes, up to whether it is a latency or a bandwidth."""
    hierarchy = _HIERARCHY[link.cache or 0]
    return f"hmat-lb,initiator={link.initiator},target={link.target},hierarchy={hierarchy},data-type={link.type}"


def _cache(number: int, cache: NumaCache) -> str:
    words = [f"hmat-cache,node-id={number}"]
    words += [f"size={cache.size.value}K"] if cache.size else []
    words.append(f"level={cache.level}")
    words.append(f"associativity={_ASSOCIATIVITY.get(cache.associativity, cache.associativity)}")
    words.append(f"policy={_POLICY.get(cache.policy, cache.policy)}")
    words += [f"line={cache.line.value}"] if cache.line else []
    return ",".join(words)
