"""What a running domain notes of its block nodes, so that they are found again by a worker that has another QEMU."""

from __future__ import annotations

from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.private import SourcePrivate
from virtbus_qemu.command.block.image import Image, chain, image_of
from virtbus_qemu.command.block.naming import nodes_of
from virtbus_qemu.command.parts import Context


def note_nodes(domain: Domain, context: Context) -> None:
    """Note the nodes of all disks, in place."""
    for disk in domain.devices.disks:
        note_disk(disk, context)


def note_disk(disk: Disk, context: Context) -> None:
    """As `note_nodes`, of one disk."""
    for image in chain(image_of(disk, context.settings)):
        _note(image, context)
        if image.data is not None:
            _note(image.data, context)


def _note(image: Image, context: Context) -> None:
    private = image.source.private = image.source.private or SourcePrivate()
    private.node_names = nodes_of(image, context).notes()
