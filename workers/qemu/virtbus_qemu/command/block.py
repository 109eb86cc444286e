"""The block graph of a disk: for each image of its chain a node for the storage and one for the format.

Nodes are named as libvirt names them, libvirt-N-storage and libvirt-N-format, with N from the source's `index`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtbus.domain.disk import DetectZeroes, Disk, DiskCache, DiskDevice, DiskDiscard, DiskDriver, DiskIo
from virtbus.domain.storage import ImageFormat, MetadataCache, StorageSource, StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Backend, BackendKind, backend


@dataclass(frozen=True)
class Layer:
    """One image of a chain, the top one first."""

    type: StorageType
    format: ImageFormat
    source: StorageSource
    index: int
    metadata_cache: MetadataCache | None = None


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

#: What QEMU calls libvirt's formats, where they differ.
_FORMATS = {ImageFormat.RAW: "raw", ImageFormat.ISO: "raw", ImageFormat.VPC: "vpc", ImageFormat.VHD: "vpc"}

#: Formats that may have a backing image.
_CHAINED = (ImageFormat.QCOW2, ImageFormat.QCOW, ImageFormat.QED, ImageFormat.VMDK)


def node(disk: Disk) -> str | None:
    """The node that the guest's side of a disk uses; None for an empty drive."""
    layers = list(chain(disk))
    return f"libvirt-{layers[0].index}-format" if layers else None


def chain(disk: Disk) -> Iterator[Layer]:
    """The images of a disk, top first; none for an empty drive."""
    driver = disk.driver or DiskDriver()
    if disk.source is None or location(disk.type, disk.source) is None:
        return
    top = driver.type or ImageFormat.RAW
    yield Layer(disk.type, top, disk.source, disk.source.index or 0, driver.metadata_cache)
    backing = disk.backing_store
    while backing is not None and backing.source is not None:
        kind = backing.type or StorageType.FILE
        layout = backing.image_format.type if backing.image_format else ImageFormat.RAW
        cache = backing.image_format.metadata_cache if backing.image_format else None
        yield Layer(kind, layout, backing.source, backing.index or 0, cache)
        backing = backing.backing_store


def location(kind: StorageType, source: StorageSource) -> str | None:
    """The path of an image; None where there is none.

    :raise ConfigUnsupported: it does not lie in a file or on a block device.
    """
    if kind is StorageType.FILE:
        return source.file
    if kind is StorageType.BLOCK:
        return source.dev
    raise ConfigUnsupported(f"disks of type {kind} are not supported", evidence={"path": "/domain/devices/disk/@type"})


def backends(disk: Disk) -> list[Backend]:
    """The nodes of a disk, the lowest of the chain first, storage before format."""
    layers = list(chain(disk))
    made: list[Backend] = []
    for depth in reversed(range(len(layers))):
        below = layers[depth + 1] if depth + 1 < len(layers) else None
        made += _layer(disk, layers[depth], below, is_top=depth == 0)
    return made


def _layer(disk: Disk, layer: Layer, below: Layer | None, *, is_top: bool) -> list[Backend]:
    driver = disk.driver or DiskDriver()
    caching = CACHING.get(driver.cache) if driver.cache else None
    cache = None if caching is None else {"direct": caching.direct, "no-flush": caching.no_flush}
    read_only = disk.readonly or not is_top
    storage = backend(
        BackendKind.BLOCKDEV,
        driver="file" if layer.type is StorageType.FILE else _device_driver(disk),
        filename=location(layer.type, layer.source),
        node_name=f"libvirt-{layer.index}-storage",
        aio=_chosen(driver.io, DiskIo.DEFAULT),
        cache=cache,
        auto_read_only=True,
        discard="unmap",
    )
    top = backend(
        BackendKind.BLOCKDEV,
        node_name=f"libvirt-{layer.index}-format",
        read_only=read_only,
        discard=_chosen(driver.discard, DiskDiscard.DEFAULT) if is_top else None,
        detect_zeroes=_detect_zeroes(driver) if is_top else None,
        cache=cache,
        driver=_FORMATS.get(layer.format, layer.format.value),
        file=f"libvirt-{layer.index}-storage",
        cache_size=layer.metadata_cache.max_size if layer.metadata_cache else None,
    )
    if layer.format in _CHAINED:
        # None (null): QEMU shall not open what the image's own header names.
        chained = {"backing": f"libvirt-{below.index}-format" if below else None}
        top = Backend(top.kind, {**top.properties, **chained})
    return [storage, top]


def _device_driver(disk: Disk) -> str:
    return "host_cdrom" if disk.device is DiskDevice.CDROM else "host_device"


def _chosen(value: Any, default: Any) -> str | None:
    return None if value in (None, default) else value.value


def _detect_zeroes(driver: DiskDriver) -> str | None:
    chosen = _chosen(driver.detect_zeroes, DetectZeroes.DEFAULT)
    # Unmapping zeroes makes no sense where discards are ignored; libvirt turns it into detection alone.
    return "on" if chosen == "unmap" and driver.discard is not DiskDiscard.UNMAP else chosen
