"""Disks: their images and chains, how they are cached and limited, and what the guest sees of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.qemu.readings.view import Readings, View
from virtbus.domain.disk import Disk, DiskBus, DiskCache, DiskDevice
from virtbus.domain.storage import EncryptionFormat, ImageFormat, StorageSource, StorageType

#: Whether the host's cache is bypassed, and whether flushes are ignored.
_CACHING = {
    DiskCache.NONE: (True, False),
    DiskCache.WRITE_THROUGH: (False, False),
    DiskCache.WRITE_BACK: (False, False),
    DiskCache.DIRECT_SYNC: (True, False),
    DiskCache.UNSAFE: (False, True),
}
_WRITE_CACHE = {
    DiskCache.NONE: "on",
    DiskCache.WRITE_THROUGH: "off",
    DiskCache.WRITE_BACK: "on",
    DiskCache.DIRECT_SYNC: "off",
    DiskCache.UNSAFE: "on",
}

_LIMITS = {
    "total_bytes_sec": "bps", "read_bytes_sec": "bps_rd", "write_bytes_sec": "bps_wr", "total_iops_sec": "iops",
    "read_iops_sec": "iops_rd", "write_iops_sec": "iops_wr", "read_iops_sec_max": "iops_rd_max",
    "write_iops_sec_max": "iops_wr_max", "read_iops_sec_max_length": "iops_rd_max_length",
    "write_iops_sec_max_length": "iops_wr_max_length", "size_iops_sec": "iops_size", "group_name": "group",
}  # fmt: skip

Nodes = dict[str, dict[str, Any]]


async def disks(view: View) -> Readings:
    """Every disk with all of its chain."""
    nodes = {each["node-name"]: each for each in await view.ask("query-named-block-nodes")}
    drives = await view.ask("query-block")
    for disk in view.live.devices.disks:
        drive = next((each for each in drives if _is(each, disk)), None)
        yield f"{disk.alias} is a drive", True, drive is not None
        if drive is None:
            continue
        holds = _holds(disk)
        yield f"{disk.alias} has a medium", holds, "inserted" in drive
        if disk.device is DiskDevice.CDROM:
            yield f"{disk.alias} tray", False, bool(drive.get("tray_open"))
        if holds:
            for reading in (*_images(disk, nodes), *_top(disk, drive, nodes)):
                yield reading


def _is(drive: dict[str, Any], disk: Disk) -> bool:
    return disk.alias in str(drive.get("qdev", "")).split("/")


def _holds(disk: Disk) -> bool:
    source = disk.source
    return source is not None and any((source.file, source.dev, source.dir, source.name))


def _chain(disk: Disk) -> Iterator[tuple[StorageType, StorageSource, ImageFormat | None, int | None]]:
    assert disk.source is not None
    layout = (disk.driver.type if disk.driver else None) or ImageFormat.RAW
    yield disk.type, disk.source, layout, disk.source.index
    store = disk.backing_store
    while store is not None and store.source is not None and store.type is not None:
        layout = store.image_format.type if store.image_format else ImageFormat.RAW
        yield store.type, store.source, layout, store.index or store.source.index
        store = store.backing_store


def _images(disk: Disk, nodes: Nodes) -> Iterator[tuple[str, object, object]]:
    """Each image of the chain: its file and its format."""
    for depth, (kind, source, layout, index) in enumerate(_chain(disk)):
        name = f"{disk.alias} image {depth}"
        storage = nodes.get(f"libvirt-{index}-storage", {})
        place = source.file or source.dev
        if place is not None:
            yield f"{name} file", place, storage.get("file")
        elif kind is StorageType.NETWORK:
            socket = source.hosts[0].socket
            yield f"{name} server", f"nbd+unix:///{source.name}?socket={socket}", storage.get("file")
        shown = nodes.get(f"libvirt-{index}-format", storage).get("drv")
        asked = _driver(kind, source, layout)
        shown = storage.get("drv") if kind is StorageType.DIR else shown
        yield f"{name} driver", asked, shown if asked != "raw" or f"libvirt-{index}-format" in nodes else "raw"


def _driver(kind: StorageType, source: StorageSource, layout: ImageFormat | None) -> str:
    if kind is StorageType.DIR:
        return "vvfat"
    if source.encryption is not None and layout is ImageFormat.RAW:
        return EncryptionFormat.LUKS.value
    return layout.value if layout else "raw"


def _top(disk: Disk, drive: dict[str, Any], nodes: Nodes) -> Iterator[tuple[str, object, object]]:
    """How the image is opened, and the drive's limits."""
    assert disk.source is not None
    driver, inserted = disk.driver, drive["inserted"]
    is_read_only = disk.readonly or disk.device is DiskDevice.CDROM
    yield f"{disk.alias} read-only", is_read_only, inserted["ro"]
    copies = bool(driver and driver.copy_on_read)
    # What copies on reading is one step more.
    yield f"{disk.alias} depth", len(list(_chain(disk))) - 1 + copies, inserted["backing_file_depth"]
    cache = driver.cache if driver else None
    if cache in _CACHING:
        storage = nodes[f"libvirt-{disk.source.index}-storage"]["cache"]
        yield f"{disk.alias} cache", _CACHING[cache], (storage["direct"], storage["no-flush"])
    if driver is not None and driver.detect_zeroes is not None:
        # Unmapping needs discard.
        yield f"{disk.alias} detect_zeroes", driver.detect_zeroes.value, inserted["detect_zeroes"]
    if copies:
        yield f"{disk.alias} copies on read", True, any(node["drv"] == "copy-on-read" for node in nodes.values())
    if disk.source.encryption is not None:
        yield f"{disk.alias} encrypted", True, inserted["image"].get("encrypted", inserted["drv"] == "luks")
    for name, limit in _LIMITS.items():
        value = getattr(disk.iotune, name) if disk.iotune else None
        if value is not None:
            yield f"{disk.alias} {limit}", value, inserted.get(limit, 0)


async def guest_sides(view: View) -> Readings:
    """What a guest can see of its disks, and who serves them."""
    for disk in view.live.devices.disks:
        if disk.target.bus is DiskBus.FDC:
            continue
        async for reading in view.compare(disk.alias, _properties(disk)):
            yield reading


def _properties(disk: Disk) -> dict[str, object]:
    driver, block_io = disk.driver, disk.blockio
    is_virtio, is_drive = disk.target.bus is DiskBus.VIRTIO, disk.device in (DiskDevice.DISK, DiskDevice.CDROM)
    cache = driver.cache if driver else None
    # QEMU's word for a full disk; reading knows no full disk.
    write = {"enospace": "enospc"}.get(driver.error_policy or "", driver.error_policy) if driver else None
    said: dict[str, object] = {
        "serial": disk.serial,
        "wwn": int(disk.wwn, 16) if disk.wwn else None,
        "vendor": disk.vendor,
        "product": disk.product,
        "rotation_rate": disk.target.rotation_rate,
        "logical_block_size": block_io.logical_block_size if block_io else None,
        "physical_block_size": block_io.physical_block_size if block_io else None,
        "discard_granularity": block_io.discard_granularity if block_io else None,
        "share-rw": True if disk.shareable else None,
        "write-cache": _WRITE_CACHE.get(cache) if cache and is_drive and _holds(disk) else None,
        "werror": str(write) if write and _holds(disk) else None,
        "rerror": driver.rerror_policy.value if driver and driver.rerror_policy else None,
        "removable": disk.target.removable,
    }
    if is_virtio and driver is not None:
        said |= {
            "num-queues": driver.queues,
            "queue-size": driver.queue_size,
            "iothread": f"/objects/iothread{driver.iothread}" if driver.iothread else None,
            "event_idx": driver.event_idx,
            "ioeventfd": driver.ioeventfd,
        }
    return said
