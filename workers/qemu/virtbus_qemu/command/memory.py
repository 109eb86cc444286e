"""The guest's memory: its size, its slots, and what it is made of on the host."""

from __future__ import annotations

from typing import Any

from virtbus.domain.memory import HugePages, MemoryAllocationMode, MemoryBacking, MemorySourceType
from virtbus.domain.memorydevice import MemoryAccess
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given

RAM = "pc.ram"
"""The name of the guest's main memory (QEMU: query-machines, default-ram-id)."""

_KIB = 1024


def options(context: Context) -> list[str]:
    """-m, the objects behind it, -overcommit and the NUMA nodes."""
    domain = context.domain
    total = domain.memory.kib if domain.memory else 0
    modules = sum(each.target.size for each in domain.devices.memories)
    initial = total - modules if domain.max_memory else total
    size = f"size={initial}k"
    if domain.max_memory is not None:
        size += f",slots={domain.max_memory.slots or 0},maxmem={domain.max_memory.kib}k"
    cells = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    locked = bool(domain.memory_backing and domain.memory_backing.locked)
    made = [*_main(context, initial)] if not cells else _nodes(context)
    return ["-m", size, *made, "-overcommit", f"mem-lock={'on' if locked else 'off'}"]


def _main(context: Context, kib: int) -> list[str]:
    return backend(context, RAM, kib * _KIB).options()


def _nodes(context: Context) -> list[str]:
    words: list[str] = []
    cells = context.domain.cpu.numa.cells if context.domain.cpu and context.domain.cpu.numa else []
    for number, cell in enumerate(cells):
        node = number if cell.id is None else cell.id
        share = None if cell.mem_access is None else cell.mem_access is MemoryAccess.SHARED
        host = backend(context, f"ram-node{node}", cell.memory * _KIB, share=share, discard=cell.discard)
        cpus = "".join(f",cpus={span.strip()}" for span in cell.cpus.split(",")) if cell.cpus else ""
        words += [*host.options(), "-numa", f"node,nodeid={node}{cpus},memdev={host.id}"]
    return words


def backend(
    context: Context,
    name: str,
    size: int,
    *,
    share: bool | None = None,
    page_kib: int | None = None,
    discard: bool | None = None,
) -> Backend:
    """The object behind a piece of memory.

    :param size: in bytes.
    :param share: whether others share it; None as the domain says.
    :param page_kib: the size of its pages in KiB; None as the domain says.
    :raise ConfigUnsupported: the host has no pages of that size.
    """
    backing = context.domain.memory_backing or MemoryBacking()
    if share is None and backing.access is not None:
        share = backing.access is MemoryAccess.SHARED
    page = page_kib or _page(context, backing.hugepages)
    properties: dict[str, Any] = {**_source(context, backing, page, share), "id": name, "size": size}
    allocation = backing.allocation
    if (allocation is not None and allocation.mode is MemoryAllocationMode.IMMEDIATE) or page:
        properties |= given({"prealloc-threads": allocation.threads if allocation else None}, prealloc=True)
    dropped = discard if discard is not None else backing.discard or None
    if dropped and properties["qom-type"] == "memory-backend-file":
        properties["discard-data"] = True
    return Backend(BackendKind.OBJECT, properties)


def _source(context: Context, backing: MemoryBacking, page: int | None, share: bool | None) -> dict[str, Any]:
    if backing.source is MemorySourceType.MEMFD:
        huge = {"hugetlb": True, "hugetlbsize": page * _KIB} if page else {}
        # Memory of a memfd is shared unless told otherwise.
        return {"qom-type": "memory-backend-memfd", **huge, "share": bool(share)}
    if page:
        mount = context.settings.hugepages.get(page)
        if mount is None:
            raise ConfigUnsupported(
                f"no hugetlbfs with pages of {page} KiB is known",
                domain=context.domain.name,
                hint="name its mount in the worker's settings, or use <source type='memfd'/>",
                evidence={"path": "/domain/memoryBacking/hugepages"},
            )
        path = str(mount / "virtbus" / str(context.domain.uuid))
        return {"qom-type": "memory-backend-file", "mem-path": path, **given(share=share)}
    if backing.source is MemorySourceType.FILE:
        path = str(context.settings.memory / str(context.domain.uuid))
        return {"qom-type": "memory-backend-file", "mem-path": path, **given(share=share)}
    return {"qom-type": "memory-backend-ram", **given(share=share)}


def _page(context: Context, pages: HugePages | None) -> int | None:
    if pages is None:
        return None
    if not pages.pages:
        return next(iter(context.settings.hugepages), _USUAL_HUGE_PAGE_KIB)
    if len(pages.pages) > 1 or pages.pages[0].nodeset is not None:
        raise ConfigUnsupported(
            "pages of several sizes, or for some nodes only, are not supported",
            domain=context.domain.name,
            evidence={"path": "/domain/memoryBacking/hugepages/page"},
        )
    return pages.pages[0].size


_USUAL_HUGE_PAGE_KIB = 2048
