"""The images of a disk, and how they are opened: what the block nodes are made from."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtbus.domain.disk import DetectZeroes, Disk, DiskBus, DiskCache, DiskDevice, DiskDiscard, DiskDriver, DiskIo
from virtbus.domain.private import NodeNames
from virtbus.domain.storage import (
    Authentication,
    BackingStore,
    Encryption,
    EncryptionEngine,
    ImageFormat,
    StorageSource,
    StorageType,
)
from virtbus_qemu.settings import QemuSettings
from virtbus_qemu.volumes import resolve

#: linux/cdrom.h
_CDROM_DRIVE_STATUS = 0x5326

CHAINED = (ImageFormat.COW, ImageFormat.QCOW, ImageFormat.QCOW2, ImageFormat.QED, ImageFormat.VMDK)
"""Formats whose images may be based on another one."""


@dataclass(frozen=True)
class Caching:
    """What a cache mode means (QEMU manual, -drive cache)."""

    write_cache: bool
    direct: bool
    no_flush: bool


CACHING = {
    DiskCache.NONE: Caching(write_cache=True, direct=True, no_flush=False),
    DiskCache.WRITE_BACK: Caching(write_cache=True, direct=False, no_flush=False),
    DiskCache.WRITE_THROUGH: Caching(write_cache=False, direct=False, no_flush=False),
    DiskCache.DIRECT_SYNC: Caching(write_cache=False, direct=True, no_flush=False),
    DiskCache.UNSAFE: Caching(write_cache=True, direct=False, no_flush=True),
}


@dataclass(frozen=True)
class Opening:
    """How a disk has all its images opened."""

    io: DiskIo | None = None
    caching: Caching | None = None
    discard: DiskDiscard | None = None
    discard_no_unref: bool | None = None
    floppy: bool = False
    cdrom: bool = False


@dataclass(frozen=True)
class Image:
    """One image of a disk."""

    type: StorageType
    format: ImageFormat
    source: StorageSource
    index: int
    opening: Opening = Opening()
    auth: Authentication | None = None
    """Who asks for it."""
    encryption: Encryption | None = None
    read_only: bool = False
    detect_zeroes: str | None = None
    """Of the top image alone."""
    cache_bytes: int | None = None
    """How much of a qcow2 image's tables is kept in memory."""
    below: Image | None = None
    """The image that it is based on."""
    terminated: bool = False
    """Whether it is known to be based on none."""
    data: Image | None = None
    """Where a qcow2 image keeps its data apart."""

    @property
    def sealed(self) -> Encryption | None:
        """How it is encrypted, where QEMU's format layer decrypts."""
        return None if self.sealed_by_storage else self.encryption

    @property
    def sealed_by_storage(self) -> bool:
        """Whether the storage's own library decrypts."""
        return self.encryption is not None and self.encryption.engine is EncryptionEngine.LIBRBD

    @property
    def is_luks(self) -> bool:
        """Whether it is a bare LUKS container."""
        return self.format is ImageFormat.LUKS or (self.format is ImageFormat.RAW and self.sealed is not None)

    @property
    def is_raw(self) -> bool:
        """Whether its bytes are the guest's."""
        return self.format is ImageFormat.RAW and not self.is_luks

    @property
    def is_sliced(self) -> bool:
        """Whether it is only a part of its file."""
        return self.source.slices is not None and bool(self.source.slices.slices)

    @property
    def names(self) -> NodeNames | None:
        """What a running domain notes of its nodes' names."""
        return self.source.private.node_names if self.source.private else None


def caching_of(disk: Disk) -> Caching | None:
    """How a disk is cached; shared disks are not, so that the hosts see the same."""
    mode = disk.driver.cache if disk.driver else None
    if mode in (None, DiskCache.DEFAULT) and disk.shareable and not disk.readonly:
        mode = DiskCache.NONE
    return CACHING.get(mode) if mode else None


def opening_of(disk: Disk) -> Opening:
    """How a disk has its images opened."""
    driver = disk.driver or DiskDriver()
    return Opening(
        io=_said(driver.io, DiskIo.DEFAULT),
        caching=caching_of(disk),
        discard=_said(driver.discard, DiskDiscard.DEFAULT),
        discard_no_unref=driver.discard_no_unref,
        floppy=disk.device is DiskDevice.FLOPPY,
        cdrom=disk.device is DiskDevice.CDROM,
    )


def image_of(disk: Disk, settings: QemuSettings) -> Image | None:
    """The top image of a disk, with all below it; None for an empty drive.

    :raise ConfigUnsupported: it lies in a volume that is not known.
    """
    driver = disk.driver or DiskDriver()
    if disk.source is None or disk.target.bus is DiskBus.SD or is_empty(disk.type, disk.source):
        return None
    kind, source = _resolved(disk.type, disk.source, settings)
    usual = ImageFormat.FAT if kind is StorageType.DIR else ImageFormat.RAW
    opening = opening_of(disk)
    return Image(
        type=kind,
        format=_said(driver.type, ImageFormat.NONE) or usual,
        source=source,
        index=disk.source.index or 0,
        opening=opening,
        # Older definitions have them beside the source.
        auth=source.auth or disk.auth,
        encryption=source.encryption or disk.encryption,
        read_only=disk.readonly,
        detect_zeroes=_detect_zeroes(driver),
        cache_bytes=driver.metadata_cache.max_size if driver.metadata_cache else None,
        data=_data(source, opening, read_only=disk.readonly),
        terminated=_terminated(disk.backing_store),
        below=_below(disk.backing_store, opening, settings),
    )


def is_empty(kind: StorageType, source: StorageSource) -> bool:
    """Whether a source names nothing."""
    attribute = {StorageType.FILE: source.file, StorageType.BLOCK: source.dev, StorageType.DIR: source.dir}
    return kind in attribute and attribute[kind] is None


def chain(image: Image | None) -> Iterator[Image]:
    """An image and all below it, itself first."""
    while image is not None:
        yield image
        image = image.below


def _below(store: BackingStore | None, opening: Opening, settings: QemuSettings) -> Image | None:
    if store is None or store.source is None:
        return None
    kind, source = _resolved(store.type or StorageType.FILE, store.source, settings)
    described = store.image_format
    return Image(
        type=kind,
        format=described.type if described else ImageFormat.RAW,
        source=source,
        index=store.source.index or store.index or 0,
        opening=opening,
        auth=source.auth,
        encryption=source.encryption,
        read_only=True,
        cache_bytes=described.metadata_cache.max_size if described and described.metadata_cache else None,
        data=_data(source, opening, read_only=True),
        terminated=_terminated(store.backing_store),
        below=_below(store.backing_store, opening, settings),
    )


def _data(source: StorageSource, opening: Opening, *, read_only: bool) -> Image | None:
    store = source.data_store
    if store is None:
        return None
    layout, inner = store.image_format or ImageFormat.RAW, store.source
    return Image(
        store.type, layout, inner, inner.index or 0, opening, inner.auth, inner.encryption, read_only=read_only
    )


def _terminated(store: BackingStore | None) -> bool:
    return store is not None and store.source is None


def _resolved(kind: StorageType, source: StorageSource, settings: QemuSettings) -> tuple[StorageType, StorageSource]:
    return resolve(source, settings.volumes) if kind is StorageType.VOLUME else (kind, source)


def _said(value: Any, default: Any) -> Any:
    return None if value is default else value


def _detect_zeroes(driver: DiskDriver) -> str | None:
    chosen = _said(driver.detect_zeroes, DetectZeroes.DEFAULT)
    if chosen is DetectZeroes.UNMAP and driver.discard is not DiskDiscard.UNMAP:
        # Unmapping zeroes makes no sense where discards are ignored: they are written as zeroes.
        chosen = DetectZeroes.ON
    return None if chosen is None else str(chosen)


def is_cdrom(path: str, settings: QemuSettings) -> bool:
    """Whether a path is an optical drive of the host."""
    if settings.cdroms is not None:
        return path in settings.cdroms
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
            return False
        fcntl.ioctl(descriptor, _CDROM_DRIVE_STATUS, 0)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
