"""The numbers of block nodes: each image, filter and passed unit of one run of a domain has its own."""

from __future__ import annotations

from collections.abc import Iterable

from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.storage import BackingStore, StorageSource
from virtbus_qemu.blockfilters import filter_numbers, note_filters


def number_nodes(domain: Domain, disk: Disk, *, above: int = 0) -> int:
    """Give each image of a disk's chain, and each filter, its block node number: one that none of this run has had.

    :param above: the highest that was given, also to images that are gone.
    :returns: the highest that is given now.
    """
    if disk.target.bus is DiskBus.SD:
        # It has no nodes.
        return above
    used = max(above, highest_node(domain))
    for image in _numbered(disk):
        if image.index is None:
            used += 1
            image.index = used
    used += note_filters(disk, used + 1)
    # An empty drive has its number too, for the sake of those who count as libvirt does.
    return used + (disk.source is None)


def highest_node(domain: Domain) -> int:
    """The highest number of a block node that the domain's disks have."""
    numbers = [each.index or 0 for disk in domain.devices.disks for each in _numbered(disk)]
    return max((*numbers, *(number for disk in domain.devices.disks for number in filter_numbers(disk))), default=0)


def _numbered(disk: Disk) -> Iterable[StorageSource | BackingStore]:
    """What bears the numbers of a disk's images: its source, then each backing store, each before its data file."""
    if disk.source is not None:
        yield disk.source
        if disk.source.data_store is not None:
            yield disk.source.data_store.source
    backing = disk.backing_store
    while backing is not None and backing.source is not None:
        yield backing
        if backing.source.data_store is not None:
            yield backing.source.data_store.source
        backing = backing.backing_store
