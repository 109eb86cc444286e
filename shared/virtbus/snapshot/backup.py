"""Backups: the hypervisor writes a domain's disks elsewhere (push), or serves them to whoever asks (pull)."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain import Domain
from virtbus.domain.private import ObjectSecret, SourcePrivate, TlsObject
from virtbus.domain.security import DeviceSecurityLabel
from virtbus.domain.storage import Encryption, HostTransport, ImageFormat, StorageType
from virtbus.xml import Element, UInt, attribute, child, children


class BackupMode(StrEnum):
    """Who moves the bytes."""

    PUSH = "push"
    PULL = "pull"


class BackupDiskMode(StrEnum):
    """Whether all of a disk is saved, or what changed since a checkpoint."""

    FULL = "full"
    INCREMENTAL = "incremental"


class BackupState(StrEnum):
    """How far the backup of one disk is."""

    NONE = "none"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class BackupServer(Element, tag="server"):
    """Where a pull backup is served, by NBD."""

    transport: HostTransport | None = attribute()
    tls: bool | None = attribute()
    name: str | None = attribute()
    port: UInt | None = attribute()
    socket: str | None = attribute()
    fdgroup: str | None = attribute()


class BackupDriver(Element, tag="driver"):
    """The layout of an image."""

    type: ImageFormat = attribute()


class BackupStore(Element):
    """An image that the hypervisor writes: the backup, or what the guest overwrites meanwhile."""

    file: str | None = attribute()
    dev: str | None = attribute()
    seclabels: list[DeviceSecurityLabel] = children()
    encryption: Encryption | None = child()
    private: SourcePrivate | None = child("privateData", private=True)


class BackupDisk(Element, tag="disk"):
    """What happens to one disk."""

    name: str = attribute()
    backup: bool | None = attribute()
    state: BackupState | None = attribute(private=True)
    type: StorageType | None = attribute()
    backup_mode: BackupDiskMode | None = attribute("backupmode")
    incremental: str | None = attribute()
    export_name: str | None = attribute("exportname")
    export_bitmap: str | None = attribute("exportbitmap")
    index: UInt | None = attribute(private=True)
    driver: BackupDriver | None = child()
    target: BackupStore | None = child()
    scratch: BackupStore | None = child()


class BackupDisks(Element, tag="disks"):
    """What happens to each disk."""

    disks: list[BackupDisk] = children("disk")


class BackupObjects(Element, tag="objects"):
    """The names of the hypervisor's objects that a server with TLS needs."""

    secrets: list[ObjectSecret] = children("secret")
    tls: TlsObject | None = child("TLSx509")


class BackupPrivate(Element, tag="privateData"):
    """What only the hypervisor's driver needs."""

    objects: BackupObjects | None = child()


class Backup(Element, tag="domainbackup"):
    """A backup job; with `incremental` it has what changed since the checkpoint of that name."""

    mode: BackupMode = attribute(default=BackupMode.PUSH)
    incremental: str | None = child()
    server: BackupServer | None = child()
    disks: BackupDisks | None = child()
    private: BackupPrivate | None = child("privateData", private=True)


def align(backup: Backup, domain: Domain) -> None:
    """Say of every disk of the domain what happens to it: those that a backup does not name are left out of it.

    A backup that names none has all that are not read only.
    """
    named = backup.disks is not None
    backup.disks = backup.disks or BackupDisks()
    listed = {disk.name for disk in backup.disks.disks}
    for disk in backup.disks.disks:
        if disk.backup is not False:
            disk.backup = True
            _fill(backup, disk)
    for other in domain.devices.disks:
        if other.target.dev in listed:
            continue
        extra = BackupDisk(name=other.target.dev, backup=not named and not other.readonly and other.source is not None)
        backup.disks.disks.append(extra)
        if extra.backup:
            extra.type = StorageType.FILE
            _fill(backup, extra)


def _fill(backup: Backup, disk: BackupDisk) -> None:
    if disk.incremental is None and disk.backup_mode is not BackupDiskMode.FULL:
        disk.incremental = backup.incremental
    if disk.backup_mode is None and disk.incremental is not None:
        disk.backup_mode = BackupDiskMode.INCREMENTAL
