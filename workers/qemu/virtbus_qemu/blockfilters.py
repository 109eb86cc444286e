"""The block nodes that limit a running disk, as its definition notes them (private data): one per throttle group."""

from __future__ import annotations

import re

from virtbus.domain.disk import Disk
from virtbus.domain.private import DiskPrivate, NodeName, NodeNames

FILTER = "throttle-filter"
"""What the notes call such a node."""

_NAME = re.compile(r"libvirt-(\d+)-filter")


def noted_filters(disk: Disk) -> list[NodeName]:
    """The nodes, the lowest first."""
    names = disk.private.node_names if disk.private else None
    return [each for each in names.nodes if each.type == FILTER] if names else []


def filter_numbers(disk: Disk) -> list[int]:
    """Their numbers."""
    found = (_NAME.fullmatch(each.name) for each in noted_filters(disk))
    return [int(match[1]) for match in found if match]


def note_filters(disk: Disk, first: int) -> int:
    """Name the nodes of a disk that have no name yet, by the numbers from `first`.

    :returns: how many numbers were used.
    """
    wanted = disk.throttle_filters.groups if disk.throttle_filters else []
    if not wanted or noted_filters(disk):
        return 0
    disk.private = disk.private or DiskPrivate()
    names = [
        NodeName(type=FILTER, name=f"libvirt-{first + order}-filter", group=group) for order, group in enumerate(wanted)
    ]
    disk.private.node_names = NodeNames(nodes=[*(disk.private.node_names or NodeNames()).nodes, *names])
    return len(names)
