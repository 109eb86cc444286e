"""The host's side of disks: QEMU's block nodes, in libvirt's layout.

    block.top(disk, context)            # "libvirt-1-format": what the guest's device uses
    block.backends(disk, context)       # objects and nodes, the lowest image of the chain first

image: what is opened and how; naming: nodes and objects; protocols: where an image lies; nodes: the graph;
filters: what lies between the top image and the guest.
"""

from __future__ import annotations

from virtbus.domain.disk import Disk
from virtbus_qemu.command.block.filters import filters, top_filter
from virtbus_qemu.command.block.image import CHAINED, caching_of, image_of
from virtbus_qemu.command.block.naming import MANAGED_RESERVATIONS, nodes_of
from virtbus_qemu.command.block.nodes import graph, reservations
from virtbus_qemu.command.parts import Backend, Context

__all__ = ["CHAINED", "MANAGED_RESERVATIONS", "backends", "caching_of", "image_of", "reservations", "top"]


def top(disk: Disk, context: Context) -> str | None:
    """The node that the guest's side of a disk uses; None for an empty drive."""
    image = image_of(disk, context.settings)
    return None if image is None else top_filter(disk) or nodes_of(image, context).top


def backends(disk: Disk, context: Context) -> list[Backend]:
    """The nodes of a disk and the objects that they need, in the order of their making.

    :raise ConfigUnsupported: QEMU cannot open one of its images.
    """
    image = image_of(disk, context.settings)
    if image is None:
        return []
    return [*graph(image, context), *filters(disk, nodes_of(image, context).top)]
