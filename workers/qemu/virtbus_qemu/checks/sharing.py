"""What folders and memory that the guest shares may not be (libvirt: qemuValidateDomainDeviceDefFS, -Shmem)."""

from __future__ import annotations

from virtbus.domain.address import AddressType
from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.filesystem import AccessMode, Filesystem, FilesystemType, MultiDevs
from virtbus.domain.memory import MemorySourceType
from virtbus.domain.memorydevice import MemoryAccess
from virtbus.domain.shmem import Shmem, ShmemModel
from virtbus_qemu.checks.scene import Scene


def check_filesystem(scene: Scene, path: str, filesystem: Filesystem) -> Problems:
    """A folder, and who serves it."""
    if filesystem.type is not FilesystemType.MOUNT:
        yield unsupported("only supports mount filesystem type", f"{path}/@type")
    if filesystem.space_hard_limit or filesystem.space_soft_limit:
        yield unsupported("filesystem usage limits are not supported with QEMU", f"{path}/space_hard_limit")
    if filesystem.multidevs not in (None, MultiDevs.DEFAULT) and not scene.has("fsdev.multidevs"):
        yield unsupported("multidevs is not supported with this QEMU binary", f"{path}/@multidevs")
    if (filesystem.fmode or filesystem.dmode) and filesystem.accessmode is not AccessMode.MAPPED:
        yield unsupported("fmode and dmode must be used with accessmode=mapped", f"{path}/@fmode")
    driver = filesystem.driver.type if filesystem.driver is not None else None
    if driver != "virtiofs" and filesystem.binary is not None and filesystem.binary.sandbox is not None:
        yield unsupported("sandbox can only be used with driver=virtiofs", f"{path}/binary/sandbox")
    passed = filesystem.accessmode in (None, AccessMode.PASSTHROUGH)
    if driver == "virtiofs":
        yield from _check_virtiofs(scene, path, filesystem)
    elif driver == "mtp":
        if not scene.has("usb-mtp"):
            yield unsupported("mtp is not supported with this QEMU binary", f"{path}/driver/@type")
        if not passed:
            yield unsupported("mtp only supports passthrough accessmode", f"{path}/@accessmode")
    elif driver == "handle":
        if not passed:
            yield unsupported("only supports passthrough accessmode", f"{path}/@accessmode")
    elif driver not in (None, "path"):
        yield unsupported("Filesystem driver type not supported", f"{path}/driver/@type")


def _check_virtiofs(scene: Scene, path: str, filesystem: Filesystem) -> Problems:
    external = filesystem.source is not None and filesystem.source.socket is not None
    driver = filesystem.driver
    if not external:
        if filesystem.accessmode not in (None, AccessMode.PASSTHROUGH):
            yield unsupported("virtiofs only supports passthrough accessmode", f"{path}/@accessmode")
        if driver is not None and driver.write_policy is not None:
            yield unsupported("virtiofs does not support wrpolicy", f"{path}/driver/@wrpolicy")
    if filesystem.model is not None:
        yield unsupported("virtiofs does not support model", f"{path}/@model")
    if driver is not None and driver.image_format is not None:
        yield unsupported("virtiofs does not support format", f"{path}/driver/@format")
    if not scene.has("vhost-user-fs"):
        yield unsupported("virtiofs is not supported with this QEMU binary", f"{path}/driver/@type")
    if filesystem.multidevs not in (None, MultiDevs.DEFAULT):
        yield unsupported("virtiofs does not support multidevs", f"{path}/@multidevs")
    if filesystem.fmode or filesystem.dmode:
        yield unsupported("virtiofs does not support fmode and dmode", f"{path}/@fmode")
    if not shares_memory(scene):
        yield unsupported(
            "'virtiofs' requires shared memory",
            path,
            "add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
        )
    if filesystem.boot is None:
        return
    if not scene.has("vhost-user-fs.bootindex"):
        yield unsupported("setting virtiofs boot order is not supported with this QEMU binary", f"{path}/boot")
    elif filesystem.address is None or filesystem.address.type is not AddressType.PCI:
        yield unsupported("setting virtiofs boot order is supported only with PCI bus", f"{path}/boot")


def shares_memory(scene: Scene) -> bool:
    """Whether all of the guest's memory can be seen by another process of the host.

    On s390x libvirt does not insist: its guests have no shared mappings by default, and older ones were started so.
    """
    domain = scene.domain
    backing = domain.memory_backing
    everywhere = backing is not None and (
        backing.access is MemoryAccess.SHARED
        or (backing.source is MemorySourceType.MEMFD and backing.access is not MemoryAccess.PRIVATE)
    )
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa is not None else []
    if cells:
        return all(cell.mem_access is MemoryAccess.SHARED or (everywhere and not cell.mem_access) for cell in cells)
    return everywhere


def check_shmem(scene: Scene, path: str, shmem: Shmem) -> Problems:
    """Memory that guests share."""
    if shmem.model is ShmemModel.IVSHMEM:
        yield unsupported("ivshmem device is no longer supported", f"{path}/model/@type")
    flag = {ShmemModel.IVSHMEM_PLAIN: "ivshmem-plain", ShmemModel.IVSHMEM_DOORBELL: "ivshmem-doorbell"}.get(
        shmem.model or ShmemModel.IVSHMEM
    )
    if flag is None or not scene.has(flag):
        yield unsupported(f"shmem model '{shmem.model}' is not supported by this QEMU binary", f"{path}/model/@type")


def check_shmem_place(scene: Scene, path: str, shmem: Shmem) -> Problems:
    """Shared memory is a PCI card. To be asked when a command line is made, as libvirt does."""
    if shmem.address is not None and shmem.address.type is not AddressType.PCI:
        words = "only 'pci' addresses are supported for the shared memory device"
        yield unsupported(words, f"{path}/address/@type")
