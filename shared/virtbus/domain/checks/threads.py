"""What shares of cache and memory bandwidth may not be."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from virtbus.domain.checks.problem import Problems, malformed
from virtbus.domain.domain import Domain
from virtbus.xml.codec import numbers


def check_caches(domain: Domain) -> Problems:
    """A share is given once, as a whole or in its two halves; processors have one share or the same."""
    tunes = domain.cputune.cache_tunes if domain.cputune is not None else []
    yield from _check_overlap([tune.vcpus for tune in tunes], "cachetune")
    for number, tune in enumerate(tunes, start=1):
        path = f"/domain/cputune/cachetune[{number}]"
        for one, other in combinations(tune.caches, 2):
            alike = one.type == other.type or "both" in (one.type, other.type)
            if (one.level, one.id) == (other.level, other.id) and alike:
                yield malformed(
                    f"Colliding cache allocations for cache level '{one.level}' id '{one.id}'", f"{path}/cache"
                )
        yield from _check_monitors(tune.vcpus, (each.vcpus for each in tune.monitors), path)


def check_bandwidth(domain: Domain) -> Problems:
    """A node's bandwidth is given once, and at most all of it."""
    tunes = domain.cputune.memory_tunes if domain.cputune is not None else []
    yield from _check_overlap([tune.vcpus for tune in tunes], "memorytune")
    for number, tune in enumerate(tunes, start=1):
        path = f"/domain/cputune/memorytune[{number}]"
        for one, other in combinations(tune.nodes, 2):
            if one.id == other.id:
                yield malformed(f"Memory Bandwidth collision on node id '{one.id}'", f"{path}/node")
        for node in tune.nodes:
            if node.bandwidth > 100:
                yield malformed(f"Memory Bandwidth value exceeds 100 for node '{node.id}'", f"{path}/node/@bandwidth")
        yield from _check_monitors(tune.vcpus, (each.vcpus for each in tune.monitors), path)


def _check_overlap(vcpus: list[str], tag: str) -> Problems:
    for one, other in combinations(vcpus, 2):
        if set(numbers(one)) & set(numbers(other)):
            yield malformed(f"Overlapping vcpus in {tag}s", f"/domain/cputune/{tag}/@vcpus")


def _check_monitors(vcpus: str, monitored: Iterable[str], path: str) -> Problems:
    """What is measured is one of the processors that the share is for."""
    for each in monitored:
        if not set(numbers(each)) <= set(numbers(vcpus)):
            yield malformed("Aliens in vcpus of monitor", f"{path}/monitor/@vcpus", f"one of {vcpus} is expected")
