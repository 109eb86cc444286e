"""What disks may not be (libvirt: qemuValidateDomainDeviceDefDisk): the guest's side; images are in `images`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtbus.domain.address import AddressType
from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.disk import (
    BlockIo,
    Disk,
    DiskBus,
    DiskCache,
    DiskDevice,
    DiskDriver,
    DiskIo,
    DiskModel,
    GeometryTranslation,
    IoTune,
)
from virtbus.domain.storage import ImageFormat, StorageType
from virtbus_qemu.checks import images
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.checks.sharing import shares_memory

MOST = 1_000_000_000_000_000
"""QEMU's limit of limits, in bytes or operations a second."""

_SAFE_SERIAL = re.compile(r"[A-Za-z0-9_\-. +\\]*")


def check_disk(scene: Scene, path: str, disk: Disk) -> Problems:
    """A disk of any kind."""
    yield from _check_guest_side(scene, path, disk)
    yield from _check_limits(scene, path, disk)
    yield from images.check_chain(scene, path, disk)


def _check_guest_side(scene: Scene, path: str, disk: Disk) -> Problems:
    bus, name = disk.target.bus, disk.target.dev
    driver = disk.driver or DiskDriver()
    yield from _check_geometry(path, disk)
    if driver.name not in (None, "qemu"):
        yield unsupported(f"unsupported driver name '{driver.name}' for disk '{name}'", f"{path}/driver/@name")
    if disk.device is DiskDevice.LUN:
        yield from _check_lun(scene, path, disk)
    if bus is DiskBus.USB and disk.source is None:
        yield unsupported("'usb' disk must not be empty", f"{path}/source")
    if disk.readonly and disk.device is DiskDevice.DISK and bus in (DiskBus.IDE, DiskBus.SATA):
        yield unsupported(f"readonly {bus} disks are not supported", f"{path}/readonly")
    if bus is DiskBus.SCSI and disk.model is DiskModel.USB_BOT:
        yield unsupported("disk model 'usb-bot' is not supported for bus 'scsi'", f"{path}/@model")
    yield from _check_copying(path, disk, driver)
    yield from _check_modes(scene, path, disk, driver)
    yield from _check_iothreads(scene, path, disk, driver)
    if disk.target.rotation_rate is not None and bus not in (DiskBus.SCSI, DiskBus.IDE, DiskBus.SATA):
        yield unsupported("rotation rate is only valid for SCSI/IDE/SATA bus", f"{path}/target/@rotation_rate")
    if disk.serial is not None and not _SAFE_SERIAL.fullmatch(disk.serial):
        yield unsupported(f"driver serial '{disk.serial}' contains unsafe characters", f"{path}/serial")
    if disk.wwn is not None and bus not in (DiskBus.SCSI, DiskBus.IDE, DiskBus.SATA):
        yield unsupported("Only ide and scsi disk support wwn", f"{path}/wwn")
    if disk.type is StorageType.VHOST_USER:
        yield from _check_vhost_user(scene, path, disk, driver)
    if disk.type is StorageType.VHOST_VDPA and bus is not DiskBus.VIRTIO:
        yield unsupported("vhostvdpa disk supports only virtio bus", f"{path}/target/@bus")


def _check_geometry(path: str, disk: Disk) -> Problems:
    geometry, bus = disk.geometry, disk.target.bus
    if geometry is None:
        return
    if bus in (DiskBus.USB, DiskBus.SD):
        yield unsupported(f"CHS geometry can not be set for '{bus}' bus", f"{path}/geometry")
    if geometry.translation not in (None, GeometryTranslation.DEFAULT) and bus is not DiskBus.IDE:
        yield unsupported(f"CHS translation mode can only be set for 'ide' bus not '{bus}'", f"{path}/geometry/@trans")


def _check_lun(scene: Scene, path: str, disk: Disk) -> Problems:
    """A SCSI unit of the host, whose guest speaks to it itself."""
    bus = disk.target.bus
    if bus not in (DiskBus.SCSI, DiskBus.VIRTIO):
        yield unsupported(f"disk device='lun' is not supported for bus='{bus}'", f"{path}/@device")
    if bus is DiskBus.VIRTIO and not scene.has("virtio-blk-pci.scsi"):
        yield unsupported(
            "This QEMU doesn't support SCSI emulation with 'virtio-blk' device", f"{path}/@device", "use bus='scsi'"
        )
    layout = disk.driver.type if disk.driver else None
    if layout not in (None, ImageFormat.NONE, ImageFormat.RAW):
        yield unsupported(
            f"disk device 'lun' using target '{disk.target.dev}' must use 'raw' format", f"{path}/driver/@type"
        )
    for name in ("wwn", "vendor", "product") if bus is DiskBus.SCSI else ():
        if getattr(disk, name) is not None:
            yield unsupported(f"Setting disk {name} is not supported for lun device", f"{path}/{name}")


def _check_copying(path: str, disk: Disk, driver: DiskDriver) -> Problems:
    if not driver.copy_on_read:
        return
    where = f"{path}/driver/@copy_on_read"
    if disk.readonly:
        yield unsupported(f"copy_on_read is not compatible with read-only disk '{disk.target.dev}'", where)
    if disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY):
        yield unsupported(f"copy_on_read is not supported with removable disk '{disk.target.dev}'", where)


def _check_modes(scene: Scene, path: str, disk: Disk, driver: DiskDriver) -> Problems:
    """How the host does the work."""
    cache = driver.cache
    if cache in (None, DiskCache.DEFAULT) and disk.shareable and not disk.readonly:
        cache = DiskCache.NONE
    if driver.io is DiskIo.NATIVE and cache not in (DiskCache.NONE, DiskCache.DIRECT_SYNC):
        yield unsupported(
            "native I/O needs either no disk cache or directsync cache mode, QEMU will fallback to aio=threads",
            f"{path}/driver/@io",
            "set cache='none'",
        )
    if driver.io is DiskIo.IO_URING and not scene.has("aio.io_uring"):
        yield unsupported("io_uring is not supported by this QEMU binary", f"{path}/driver/@io")
    block_io = disk.blockio or BlockIo()
    if block_io.discard_granularity is not None and disk.device is DiskDevice.LUN:
        yield unsupported("discard_granularity is not supported for lun device", f"{path}/blockio/@discard_granularity")


def _check_iothreads(scene: Scene, path: str, disk: Disk, driver: DiskDriver) -> Problems:
    if not driver.iothread and driver.iothreads is None:
        return
    where = f"{path}/driver/@iothread"
    if disk.target.bus is not DiskBus.VIRTIO:
        yield unsupported(f"IOThreads not available for bus {disk.target.bus} target {disk.target.dev}", where)
    elif disk.address is not None and disk.address.type not in (AddressType.PCI, AddressType.CCW):
        yield unsupported("IOThreads only available for virtio pci and virtio ccw disk", where)
    if driver.iothreads is not None and not scene.has("virtio-blk.iothread-mapping"):
        yield unsupported(
            "mapping of disk queues to iothreads is not supported with this QEMU binary", f"{path}/driver/iothreads"
        )
    there = set(_iothreads(scene))
    for number in _wanted(driver):
        if number not in there:
            yield unsupported(f"Disk iothread '{number}' not defined in iothreadid", where)


def _iothreads(scene: Scene) -> Iterator[int]:
    """The domain's iothreads: those that are named, and the first free numbers."""
    domain = scene.domain
    named = [each.id for each in domain.iothread_ids.iothreads] if domain.iothread_ids else []
    yield from named
    count = max(0, (domain.iothreads or 0) - len(named))
    free = (number for number in range(1, (domain.iothreads or 0) + len(named) + 1) if number not in named)
    for _ in range(count):
        yield next(free)


def _wanted(driver: DiskDriver) -> Iterator[int]:
    if driver.iothread:
        yield driver.iothread
    for each in driver.iothreads.iothreads if driver.iothreads else ():
        yield each.id


def _check_vhost_user(scene: Scene, path: str, disk: Disk, driver: DiskDriver) -> Problems:
    """A disk that another process serves: QEMU does nothing with its data."""
    if not scene.has("vhost-user-blk"):
        yield unsupported("vhostuser disk is not supported with this QEMU binary", f"{path}/@type")
    if not shares_memory(scene):
        yield unsupported(
            "'vhostuser' requires shared memory",
            path,
            "add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
        )
    if disk.target.bus is not DiskBus.VIRTIO:
        yield unsupported("vhost-user disk supports only virtio bus", f"{path}/target/@bus")
    for name in (
        "cache",
        "error_policy",
        "rerror_policy",
        "io",
        "copy_on_read",
        "discard",
        "iothread",
        "detect_zeroes",
    ):
        if getattr(driver, name) is not None:
            yield unsupported(f"{name} is not supported with vhostuser disk", f"{path}/driver/@{name}")
    for element in _NOT_SERVED:
        if getattr(disk, element):
            yield unsupported(f"{element} is not supported with vhostuser disk", f"{path}/{element}")


_NOT_SERVED = (
    *("iotune", "mirror", "geometry", "blockio", "readonly"),
    *("shareable", "transient", "serial", "wwn", "encryption"),
)
"""What QEMU would have to do itself."""


def _check_limits(scene: Scene, path: str, disk: Disk) -> Problems:
    tune = disk.iotune
    groups = disk.throttle_filters.groups if disk.throttle_filters else []
    if groups:
        known = (
            {each.group_name for each in scene.domain.throttle_groups.groups} if scene.domain.throttle_groups else ()
        )
        for group in groups:
            if group not in known:
                yield unsupported(f"throttle group '{group}' is not defined", f"{path}/throttlefilters")
        if tune is not None:
            yield unsupported("iotune cannot be used together with throttlefilters", f"{path}/iotune")
    if tune is not None:
        yield from _check_tune(f"{path}/iotune", tune)


def _check_tune(path: str, tune: IoTune) -> Problems:
    numbers = {name: value for name, value in vars(tune).items() if isinstance(value, int) and not name.startswith("(")}
    if tune.group_name is not None and not any(numbers.values()):
        yield unsupported("group_name can be configured only together with settings", f"{path}/group_name")
    for name, value in numbers.items():
        if value > MOST:
            yield unsupported(
                f"block I/O throttle limit value must be no more than {MOST} using QEMU", f"{path}/{name}"
            )
    for name, value in numbers.items():
        if name.endswith("_max_length") and value and not numbers.get(burst := name.removesuffix("_length")):
            yield unsupported(f"value '{name}' cannot be set if '{burst}' is not set", f"{path}/{name}")
