"""The guest's memory: its size, its slots, and what it is made of on the host.

backends(context, Piece("ram-node0", size, node=0))     # the objects behind a NUMA node
module(context, device)                                 # those behind a memory device
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from virtbus.domain.domain import Domain
from virtbus.domain.memory import HugePage, MemoryAllocationMode, MemoryBacking, MemorySourceType
from virtbus.domain.memorydevice import MemoryAccess, MemoryDevice, MemoryModel
from virtbus.domain.tuning import NumaMode, Placement
from virtbus.errors import ConfigUnsupported, InternalError
from virtbus.xml.codec import numbers
from virtbus_qemu.command import numa
from virtbus_qemu.command.accelerator import offered as offered_machine
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given, on_off
from virtbus_qemu.ledger import read_through
from virtbus_qemu.settings import QemuSettings

_KIB = 1024

#: The page size of the host's memory, where nobody asks for another: x86's and most others'.
_PLAIN_PAGE_KIB = 4

#: The size of huge pages that a host has by default.
_USUAL_HUGE_PAGE_KIB = 2048

#: How many characters of a domain's name go into names of folders, as with libvirt.
_SHORT_NAME = 20

_POLICIES = {NumaMode.STRICT: "bind", NumaMode.PREFERRED: "preferred", NumaMode.INTERLEAVE: "interleave"}


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of the guest's memory."""

    id: str
    """Of its object."""
    size: int
    """In KiB."""
    node: int | None = None
    """The guest's NUMA node that it belongs to."""
    main: bool = False
    """It is the guest's main memory: its blocks' names must not depend on the object's, for the sake of migration."""
    access: MemoryAccess | None = None
    discard: bool | None = None
    page: int | None = None
    """The size of its pages in KiB."""
    nodes: tuple[int, ...] | None = None
    """The host's NUMA nodes that it lies on."""
    path: str | None = None
    """A file with its content."""
    align: int | None = None
    """In KiB."""
    persistent: bool = False
    """The file lies on persistent memory."""
    model: MemoryModel | None = None
    """Of a memory device."""


def options(context: Context) -> list[str]:
    """-m, the object of the main memory, and whether all is locked."""
    domain = context.domain
    size = f"size={initial(domain)}k"
    if domain.max_memory is not None:
        size += f",slots={domain.max_memory.slots}" if domain.max_memory.slots else ""
        size += f",maxmem={domain.max_memory.kib}k"
    locked = bool(domain.memory_backing and domain.memory_backing.locked)
    return ["-m", size, *_main(context), "-overcommit", f"mem-lock={on_off(locked)}"]


def initial(domain: Domain) -> int:
    """The memory without that of memory devices, in KiB."""
    total = domain.memory.kib if domain.memory else 0
    return total - sum(each.target.size for each in domain.devices.memories)


def main_memory(context: Context) -> str | None:
    """The name of the machine's main memory (QEMU: query-machines, default-ram-id); None where it is not known."""
    offered = offered_machine(context.domain, context.capabilities)
    return offered.default_ram_id if offered is not None else None


def _main(context: Context) -> list[str]:
    if numa.cells(context.domain):
        return []
    name = main_memory(context)
    if name is None:
        return path_options(context)
    piece = Piece(id=name, size=initial(context.domain), main=True)
    return [word for each in backends(context, piece) for word in each.options()]


def path_options(context: Context) -> list[str]:
    """Huge pages, and whether they are set aside at once, for the memory of a machine that takes no objects for it."""
    backing = context.domain.memory_backing or MemoryBacking()
    page = None
    if backing.hugepages is not None:
        page = backing.hugepages.pages[0].size if backing.hugepages.pages else _default_page(context.settings)
    huge = page is not None and page != _PLAIN_PAGE_KIB
    at_once = backing.allocation is not None and backing.allocation.mode is MemoryAllocationMode.IMMEDIATE
    path = ["-mem-path", huge_folder(context, page)] if huge and page is not None else []
    return [*(["-mem-prealloc"] if huge or at_once else []), *path]


def module(context: Context, device: MemoryDevice) -> tuple[Backend, ...]:
    """The objects behind a memory device; the last is the memory, the others are there for it."""
    return backends(context, _piece_of(device))


def is_set_aside(context: Context, device: MemoryDevice) -> bool:
    """Whether memory that grows has its pages set aside as soon as the guest gets them."""
    backing = context.domain.memory_backing
    at_once = backing and backing.allocation and backing.allocation.mode is MemoryAllocationMode.IMMEDIATE
    wanted = bool(at_once) or _page(context, _piece_of(device)) is not None
    return wanted and context.has("virtio-mem-pci.prealloc")


def _piece_of(device: MemoryDevice) -> Piece:
    source = device.source
    return Piece(
        id=f"mem{device.alias}",
        size=device.target.size,
        node=device.target.node,
        access=device.access,
        discard=device.discard,
        page=source.page_size if source else None,
        nodes=tuple(numbers(source.nodemask)) if source and source.nodemask else None,
        path=source.path if source else None,
        align=source.align_size if source else None,
        persistent=bool(source and source.pmem),
        model=device.model,
    )


def backends(context: Context, piece: Piece) -> tuple[Backend, ...]:
    """The objects behind a piece of memory; the last is the memory, the others are there for it.

    :raise ConfigUnsupported: the guest has no such NUMA node, or the host lacks one.
    :raise InternalError: the host has no pages of that size.
    """
    properties, prealloc = _kind(context, piece)
    if piece.model is MemoryModel.VIRTIO_MEM and context.has("memory-backend-file.reserve"):
        properties["reserve"] = False
    if prealloc:
        properties["prealloc"] = True
        allocation = context.domain.memory_backing and context.domain.memory_backing.allocation
        if allocation and allocation.threads and context.has("memory-backend-file.prealloc-threads"):
            properties["prealloc-threads"] = allocation.threads
    properties["size"] = piece.size * _KIB
    properties |= given(align=piece.align * _KIB if piece.align else None, pmem=piece.persistent or None)
    nodes = _nodes(context, piece)
    policy = _POLICIES.get(numa.mode_of(context.domain, piece.node))
    if nodes is not None and policy is not None:
        properties |= {"host-nodes": nodes, "policy": policy}
    memory = Backend(BackendKind.OBJECT, properties)
    allowed = numa.nodes_of_threads(context)
    near = [node for node in nodes or () if allowed is None or node in allowed]
    if not near or not prealloc or not context.has("thread-context"):
        return (memory,)
    # What touches the pages first must run on their nodes.
    threads = {"qom-type": "thread-context", "id": f"tc-{piece.id}", "node-affinity": near}
    properties["prealloc-context"] = threads["id"]
    return (Backend(BackendKind.OBJECT, threads), memory)


def is_particular(context: Context, piece: Piece) -> bool:
    """Whether something of a piece can be said by an object only."""
    backing = context.domain.memory_backing or MemoryBacking()
    special = piece.page is not None or piece.nodes is not None or piece.path is not None
    special = special or any(piece.node in (numbers(page.nodeset) if page.nodeset else ()) for page in _pages(backing))
    special = special or numa.memory_node(context.domain, piece.node) is not None
    special = special or _access(context, piece) is not None
    return special or backing.source in (MemorySourceType.FILE, MemorySourceType.MEMFD)


def huge_folder(context: Context, page: int) -> str:
    """Where the guest's huge pages lie.

    :raise InternalError: the host has none of that size.
    """
    mount = context.settings.hugepages.get(page)
    if mount is None:
        raise InternalError(
            f"Unable to find any usable hugetlbfs mount for {page} KiB",
            domain=context.domain.name,
            hint="name the mount in the worker's settings, or use <source type='memfd'/>",
            evidence={"path": "/domain/memoryBacking/hugepages"},
        )
    return str(mount / context.settings.below_hugepages / folder_name(context.domain))


def folder_name(domain: Domain) -> str:
    """The name of folders with the guest's memory: of this life of the domain."""
    return f"{-1 if domain.id is None else domain.id}-{domain.name[:_SHORT_NAME]}"


def folders(domain: Domain, settings: QemuSettings) -> Iterator[str]:
    """The folders that files of the guest's memory may lie in."""
    yield str(settings.memory / folder_name(domain))
    for mount in settings.hugepages.values():
        yield str(mount / settings.below_hugepages / folder_name(domain))


def _kind(context: Context, piece: Piece) -> tuple[dict[str, Any], bool]:
    """The object's kind with what is particular to it, and whether its pages are set aside at once."""
    backing = context.domain.memory_backing or MemoryBacking()
    if piece.model is MemoryModel.SGX_EPC:
        return {"qom-type": "memory-backend-epc", "id": piece.id}, True
    access, page = _access(context, piece), _page(context, piece)
    share = given(share=None if access is None else access is MemoryAccess.SHARED)
    prealloc = backing.allocation is not None and backing.allocation.mode is MemoryAllocationMode.IMMEDIATE
    grows = piece.model is MemoryModel.VIRTIO_MEM
    plain_names = {"x-use-canonical-path-for-ramblock-id": False} if _is_named_plainly(context, piece) else {}
    if piece.path is None and backing.source is MemorySourceType.MEMFD:
        huge = {"hugetlb": True, "hugetlbsize": page * _KIB} if page else {}
        head = {"qom-type": "memory-backend-memfd", "id": piece.id}
        return {**head, **huge, **share, **plain_names}, (prealloc or bool(page)) and not grows
    if not (page or piece.path or share or backing.source is MemorySourceType.FILE):
        return {"qom-type": "memory-backend-ram", "id": piece.id}, prealloc and not grows
    if piece.path is not None:
        path, prealloc = piece.path, prealloc or (piece.model is MemoryModel.NVDIMM and not piece.persistent)
    elif page:
        path, prealloc = huge_folder(context, page), True
    else:
        path = str(context.settings.memory / folder_name(context.domain) / piece.id.removeprefix("mem"))
    discard = given({"discard-data": _discard(context, piece) if piece.path is None else None})
    head = {"qom-type": "memory-backend-file", "id": piece.id, "mem-path": path}
    return {**head, **discard, **share, **plain_names}, prealloc and not grows


def _is_named_plainly(context: Context, piece: Piece) -> bool:
    return piece.main and context.has("memory-backend-file.x-use-canonical-path-for-ramblock-id")


def _access(context: Context, piece: Piece) -> MemoryAccess | None:
    cell = numa.cell_of(context.domain, piece.node)
    backing = context.domain.memory_backing
    if piece.model is MemoryModel.VIRTIO_PMEM:
        # The guest's writes must reach the file.
        return piece.access or MemoryAccess.SHARED
    return piece.access or (cell.mem_access if cell else None) or (backing.access if backing else None)


def _discard(context: Context, piece: Piece) -> bool | None:
    cell = numa.cell_of(context.domain, piece.node)
    backing = context.domain.memory_backing
    if piece.discard is not None:
        return piece.discard
    if cell is not None and cell.discard is not None:
        return cell.discard
    return True if backing is not None and backing.discard else None


def _pages(backing: MemoryBacking) -> list[HugePage]:
    return backing.hugepages.pages if backing.hugepages else []


def _page(context: Context, piece: Piece) -> int | None:
    """The size of a piece's huge pages in KiB; None for the host's own."""
    backing = context.domain.memory_backing or MemoryBacking()
    page = piece.page
    if page is None and backing.hugepages is not None and piece.path is None:
        own = [each for each in _pages(backing) if each.nodeset and piece.node in numbers(each.nodeset)]
        usual = [each for each in _pages(backing) if not each.nodeset]
        if own or usual:
            page = (own or usual)[0].size
        elif not _pages(backing):
            page = _default_page(context.settings)
    return None if page == _PLAIN_PAGE_KIB else page


def _default_page(settings: QemuSettings) -> int:
    return next(iter(settings.hugepages), _USUAL_HUGE_PAGE_KIB)


def _nodes(context: Context, piece: Piece) -> list[int] | None:
    """The host's NUMA nodes that a piece lies on.

    :raise ConfigUnsupported: the host lacks one.
    """
    nodes: Iterable[int] | None = piece.nodes
    if nodes is None:
        tune, own = context.domain.numatune, numa.memory_node(context.domain, piece.node)
        if own is not None:
            nodes = numbers(own.nodeset)
            # What holds for the other nodes of the guest.
            read_through(tune.memory if tune is not None else None)
        elif tune is not None and tune.memory is not None:
            is_chosen = tune.memory.placement is Placement.AUTO
            nodes = numa.host_nodes(context.settings) if is_chosen else numbers(tune.memory.nodeset or "")
    if nodes is None:
        return None
    chosen = sorted(nodes)
    for number in chosen:
        if number not in numa.host_nodes(context.settings):
            raise ConfigUnsupported(
                f"NUMA node {number} is unavailable",
                domain=context.domain.name,
                evidence={"path": "/domain/numatune", "node": number},
            )
    return chosen
