"""What huge pages and memory placement may not be."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, detail, malformed, unsupported
from virtbus.domain.domain import Domain
from virtbus.domain.tuning import NumaMode, Placement
from virtbus.xml.codec import numbers


def check_huge_pages(domain: Domain) -> Problems:
    """One size is for all nodes that have none of their own, and only nodes that are there have one."""
    pages = domain.memory_backing.hugepages.pages if domain.memory_backing and domain.memory_backing.hugepages else []
    cells = len(domain.cpu.numa.cells) if domain.cpu is not None and domain.cpu.numa is not None else 0
    general: int | None = None
    for number, page in enumerate(pages, start=1):
        path = f"/domain/memoryBacking/hugepages/page[{number}]"
        nodes = numbers(page.nodeset) if page.nodeset is not None else []
        # A guest without nodes is one node, so its node 0 is all of it.
        missing = next((node for node in nodes if node >= max(cells, 1)), None)
        if missing is not None:
            yield detail(f"hugepages: node {missing} not found", f"{path}/@nodeset")
        elif not nodes or not cells:
            if general is not None:
                yield detail(f"two master hugepages detected: {page.size} and {general}", path)
            general = page.size


def check_placement(domain: Domain) -> Problems:
    """Nodes are not bound one by one where somebody else places the memory; restrictive is all or nothing."""
    tune = domain.numatune
    if tune is None or not tune.nodes:
        return
    if tune.memory is not None and tune.memory.placement is Placement.AUTO:
        yield unsupported(
            "Per-node binding is not compatible with automatic NUMA placement.", "/domain/numatune/memnode"
        )
        return
    whole = tune.memory is not None and tune.memory.mode is NumaMode.RESTRICTIVE
    parts = [node.mode is NumaMode.RESTRICTIVE for node in tune.nodes]
    if any(parts) and not whole:
        yield malformed(
            "'restrictive' mode is required in memory element when mode is 'restrictive' in memnode element",
            "/domain/numatune/memory/@mode",
        )
    elif whole and not all(parts):
        yield malformed(
            "'restrictive' mode is required in memnode element when mode is 'restrictive' in memory element",
            "/domain/numatune/memnode/@mode",
        )
