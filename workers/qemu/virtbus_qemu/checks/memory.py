"""What the guest's memory may not be (libvirt: qemuValidateDomainDefMemory, -Numa, -MemoryHotplug)."""

from __future__ import annotations

from pathlib import Path

from virtbus.domain.address import DimmAddress
from virtbus.domain.checks.problem import Problems, of_kind, unsupported
from virtbus.domain.memory import MemorySourceType
from virtbus.domain.memorydevice import MemoryAccess, MemoryDevice, MemoryModel
from virtbus.xml.codec import numbers
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.platform import PPC, Board

_NODES = Path("/sys/devices/system/node")

_NEEDS = {
    MemoryModel.NVDIMM: ("nvdimm", "nvdimm isn't supported by this QEMU binary"),
    MemoryModel.VIRTIO_PMEM: ("virtio-pmem-pci", "virtio-pmem isn't supported by this QEMU binary"),
    MemoryModel.SGX_EPC: ("sgx-epc", "sgx epc isn't supported by this QEMU binary"),
}

_IN_SLOTS = (MemoryModel.DIMM, MemoryModel.NVDIMM, MemoryModel.VIRTIO_MEM, MemoryModel.VIRTIO_PMEM)


def check_backing(scene: Scene) -> Problems:
    """What the memory is made of."""
    backing = scene.domain.memory_backing
    if backing is None:
        return
    huge = backing.hugepages is not None
    cells = _cells(scene)
    if huge and not cells and backing.access is MemoryAccess.SHARED and _is_odd(scene):
        yield unsupported(
            f"memory access mode '{backing.access}' not supported without guest numa node",
            "/domain/memoryBacking/access",
        )
    path = "/domain/memoryBacking/source"
    if backing.source is MemorySourceType.MEMFD:
        if not scene.has("memory-backend-memfd"):
            yield unsupported(
                "memfd memory backend isn't supported by this QEMU binary", "/domain/memoryBacking/source"
            )
        elif huge and not scene.has("memory-backend-memfd.hugetlb"):
            yield unsupported("hugepages is not supported with memfd memory source", path)


def _is_odd(scene: Scene) -> bool:
    """Whether a size of pages is asked for while the board cannot name its memory as one backend."""
    pages = scene.domain.memory_backing.hugepages if scene.domain.memory_backing is not None else None
    named = scene.machine is not None and scene.machine.default_ram_id
    return pages is not None and bool(pages.pages) and not named


def check_hotplug(scene: Scene) -> Problems:
    """Memory is plugged into slots that are set aside; on PCs into a NUMA node."""
    domain = scene.domain
    devices = [each for each in domain.devices.memories if each.model in _IN_SLOTS]
    if domain.max_memory is None:
        if devices:
            yield unsupported(
                "cannot use/hotplug a memory device when domain 'maxMemory' is not defined", "/domain/maxMemory"
            )
        return
    if not _cells(scene) and scene.platform.arch not in PPC and domain.max_memory.slots:
        yield unsupported(
            "At least one numa node has to be configured when enabling memory hotplug", "/domain/cpu/numa"
        )


def check_devices(scene: Scene) -> Problems:
    """Memory devices of the wrong kind, or for nodes that are not there."""
    cells = _cells(scene)
    for path, device in of_kind(scene.domain, MemoryDevice):
        flag, words = _NEEDS.get(device.model, ("", ""))
        if flag and not scene.has(flag):
            yield unsupported(words, f"{path}/@model")
        if device.model is MemoryModel.VIRTIO_MEM:
            yield from _check_virtio_mem(scene, path, device)
        if device.model is MemoryModel.NVDIMM:
            yield from _check_nvdimm(scene, path, device)
        if device.model in (MemoryModel.DIMM, MemoryModel.NVDIMM):
            yield from _check_slot(path, device)
        node = device.target.node
        if node is not None and node >= cells and cells:
            yield unsupported(
                f"can't add memory backend for guest node '{node}' as the guest has only '{cells}' NUMA nodes "
                "configured",
                f"{path}/target/node",
            )


def _check_slot(path: str, device: MemoryDevice) -> Problems:
    """A module sits in a slot."""
    if device.address is not None and not isinstance(device.address, DimmAddress):
        yield unsupported(f"only 'dimm' addresses are supported for the {device.model} device", f"{path}/address/@type")


def _check_virtio_mem(scene: Scene, path: str, device: MemoryDevice) -> Problems:
    flag = "virtio-mem-ccw" if scene.platform.is_s390 else "virtio-mem-pci"
    if not scene.has(flag):
        yield unsupported("virtio-mem isn't supported by this QEMU binary", f"{path}/@model")
    elif device.target.dynamic_memslots and not scene.has("virtio-mem-pci.dynamic-memslots"):
        yield unsupported(
            "virtio-mem does not support 'dynamicMemslots' with this QEMU binary",
            f"{path}/target/@dynamicMemslots",
        )


def _check_nvdimm(scene: Scene, path: str, device: MemoryDevice) -> Problems:
    if scene.platform.arch in PPC and device.target.label is None:
        yield unsupported("label size is required for NVDIMM device", f"{path}/target/label")
    if device.source is not None and device.source.pmem and not scene.has("memory-backend-file.pmem"):
        yield unsupported("nvdimm pmem property is not available with this QEMU binary", f"{path}/source/pmem")
    if device.target.readonly and not scene.has("nvdimm.unarmed"):
        yield unsupported("nvdimm readonly property is not available with this QEMU binary", f"{path}/target/readonly")


def check_interconnects(scene: Scene) -> Problems:
    """Caches and distances that the guest reads in a table of its own."""
    numa = scene.domain.cpu.numa if scene.domain.cpu is not None else None
    if numa is None or scene.has("numa.hmat"):
        return
    if numa.interconnects is not None or any(cell.caches for cell in numa.cells):
        yield unsupported("setting ACPI HMAT is not supported with this QEMU binary", "/domain/cpu/numa")


LARGEST = 2**53
"""In KiB, a size that a byte count of 64 bits no longer holds once it is rounded up."""


def check_alignment(scene: Scene) -> Problems:
    """A node's memory is rounded up to what the guest can be given. To be asked when a command line is made."""
    step = 256 * 1024 if scene.platform.board is Board.PSERIES else 1024
    numa = scene.domain.cpu.numa if scene.domain.cpu is not None else None
    for number, cell in enumerate(numa.cells if numa is not None else ()):
        path = f"/domain/cpu/numa/cell[{number + 1}]"
        if -(-cell.memory // step) * step >= LARGEST:
            yield unsupported(f"memory size of NUMA node '{number}' overflowed after alignment", path)


def check_host(scene: Scene) -> Problems:
    """NUMA nodes that the host lacks. To be asked when a command line is made."""
    tune = scene.domain.numatune
    nodesets = [] if tune is None else [(tune.memory, "memory"), *((node, "memnode") for node in tune.nodes)]
    for part, name in nodesets:
        nodeset = part.nodeset if part is not None else None
        for node in numbers(nodeset) if nodeset else ():
            if node not in _host_nodes(scene):
                yield unsupported(f"NUMA node {node} is unavailable", f"/domain/numatune/{name}/@nodeset")


def _host_nodes(scene: Scene) -> frozenset[int]:
    if scene.settings.numa_nodes is not None:
        return scene.settings.numa_nodes
    found = frozenset(int(each.name[4:]) for each in _NODES.glob("node[0-9]*"))
    return found or frozenset({0})


def _cells(scene: Scene) -> int:
    numa = scene.domain.cpu.numa if scene.domain.cpu is not None else None
    return len(numa.cells) if numa is not None else 0
