"""Snapshots: a domain's disks, and perhaps its memory, as they were."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain import Domain
from virtbus.domain.disk import SnapshotLocation
from virtbus.domain.storage import ImageFormat, MetadataCache, StorageSource, StorageType
from virtbus.snapshot.moment import Moment, Parent, RecordedDomain
from virtbus.xml import Digit, Element, ULong, attribute, child, children, flag, verbatim


class SnapshotState(StrEnum):
    """What the domain did when the snapshot was taken."""

    NOSTATE = "nostate"
    RUNNING = "running"
    BLOCKED = "blocked"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    PM_SUSPENDED = "pmsuspended"
    DISK_SNAPSHOT = "disk-snapshot"


class SnapshotMemory(Element, tag="memory"):
    """Where the memory went."""

    snapshot: SnapshotLocation | None = attribute()
    file: str | None = attribute()


class SnapshotDriver(Element, tag="driver"):
    """The layout of a new image."""

    type: ImageFormat | None = attribute()
    metadata_cache: MetadataCache | None = child()


class SnapshotDisk(Element, tag="disk"):
    """What happens to one disk; the source is the new image that the guest goes on writing."""

    name: str = attribute()
    snapshot: SnapshotLocation | None = attribute()
    type: StorageType | None = attribute()
    driver: SnapshotDriver | None = child()
    source: StorageSource | None = child()
    delete_in_progress: bool = flag("snapshotDeleteInProgress")


class SnapshotDisks(Element, tag="disks"):
    """What happens to each disk."""

    disks: list[SnapshotDisk] = children("disk")


class Snapshot(Moment, tag="domainsnapshot"):
    """A domain as it was."""

    name: str | None = child()
    description: str | None = child()
    state: SnapshotState | None = child()
    parent: Parent | None = child()
    creation_time: ULong | None = child("creationTime")
    memory: SnapshotMemory | None = child()
    disks: SnapshotDisks | None = child()
    revert_disks: SnapshotDisks | None = child("revertDisks")
    domain: RecordedDomain | None = child()
    inactive_domain: Domain | None = child("inactiveDomain")
    cookie: list[str] = verbatim()
    active: Digit | None = child()

    def begin(self) -> None:
        """Take out what only a snapshot that was taken can say, and fill in what a new one leaves open.

        A disk that is given a new image is snapshot outside of the old one, in a file unless it says otherwise.
        """
        self.state = self.parent = self.creation_time = self.active = None
        self.domain = self.inactive_domain = None
        self.cookie = []
        for disk in self.disks.disks if self.disks is not None else ():
            if disk.source is not None or disk.driver is not None:
                disk.snapshot = disk.snapshot or SnapshotLocation.EXTERNAL
            if disk.snapshot is SnapshotLocation.EXTERNAL:
                disk.type = disk.type or StorageType.FILE
        if self.memory is not None and self.memory.file is not None:
            self.memory.snapshot = self.memory.snapshot or SnapshotLocation.EXTERNAL
