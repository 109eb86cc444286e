"""Checkpoints: from when on a domain's writes are remembered, so that a backup needs only what changed."""

from __future__ import annotations

from enum import StrEnum

from virtbus.snapshot.moment import Moment, Parent, RecordedDomain
from virtbus.xml import Element, ULong, attribute, child, children


class CheckpointType(StrEnum):
    """Whether a bitmap remembers what is written to a disk."""

    NO = "no"
    BITMAP = "bitmap"


class CheckpointDisk(Element, tag="disk"):
    """One disk; `size` is how many bytes a backup since then would take."""

    name: str = attribute()
    checkpoint: CheckpointType | None = attribute()
    bitmap: str | None = attribute()
    size: ULong | None = attribute()


class CheckpointDisks(Element, tag="disks"):
    """The disks."""

    disks: list[CheckpointDisk] = children("disk")


class Checkpoint(Moment, tag="domaincheckpoint"):
    """From when on writes are remembered."""

    name: str | None = child()
    description: str | None = child()
    parent: Parent | None = child()
    creation_time: ULong | None = child("creationTime")
    disks: CheckpointDisks | None = child()
    domain: RecordedDomain | None = child()

    def name_bitmaps(self) -> None:
        """A disk has a bitmap unless it says otherwise, by the checkpoint's name unless it says another."""
        for disk in self.disks.disks if self.disks is not None else ():
            disk.checkpoint = disk.checkpoint or CheckpointType.BITMAP
            if disk.checkpoint is CheckpointType.BITMAP:
                disk.bitmap = disk.bitmap or self.name
