"""Devices: that each is there, of which kind, in which place, with what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.qemu.readings.kinds import BUILT_IN, drivers_of
from tests.qemu.readings.view import PERIPHERAL, Readings, View
from virtbus.domain.address import DriveAddress, PciAddress, UsbAddress, VirtioSerialAddress
from virtbus.domain.boot import BootDevice
from virtbus.domain.controller import Controller, ControllerType, PciModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.iommu import Iommu, IommuModel
from virtbus.domain.memballoon import Memballoon
from virtbus.domain.rng import Rng
from virtbus.domain.smalldevice import Vsock
from virtbus.domain.sound import Sound
from virtbus.domain.video import Video, VideoType
from virtbus.domain.watchdog import Panic


def is_companion(device: Device) -> bool:
    """Whether a controller serves the slow devices of another's ports: it has that one's alias, and QEMU no name."""
    return isinstance(device, Controller) and device.master is not None


async def companions(view: View) -> Readings:
    """The companions of USB controllers: whose they are, from which port on, and where."""
    nameless = await view.kinds("/machine/peripheral-anon")
    for device in view.live.devices.controllers:
        if device.master is None or not isinstance(device.address, PciAddress):
            continue
        name = f"{device.alias} {device.model}"
        path = next((f"/machine/peripheral-anon/{key}" for key, kind in nameless.items() if kind in drivers_of(device)))
        yield f"{name} masterbus", f"{device.alias}.0", await view.get(path, "masterbus")
        yield f"{name} firstport", device.master.start_port, await view.get(path, "firstport")
        place = 8 * device.address.slot + device.address.function
        yield f"{name} addr", place, await view.get(path, "addr")


async def kinds(view: View) -> Readings:
    """Each device is there under its alias, and is QEMU's device of that kind."""
    there = await view.kinds(PERIPHERAL)
    nameless = set((await view.kinds("/machine/peripheral-anon")).values())
    for device in view.live.devices.every():
        asked = drivers_of(device)
        if asked is BUILT_IN:
            continue
        if isinstance(device, Panic) or is_companion(device):
            yield f"{device.alias} is there", True, bool(asked & nameless)
        else:
            kind = there.get(device.alias or "")
            yield f"{device.alias} is one of {sorted(asked)}", True, kind in asked or kind
    features = view.live.features
    if features is not None and features.vmcoreinfo is not None:
        yield "vmcoreinfo", True, "vmcoreinfo" in there.values() or "vmcoreinfo" in nameless


async def places(view: View) -> Readings:
    """Each device sits where its address says."""
    there = await view.kinds(PERIPHERAL)
    roots = {each["qdev_id"]: each for bus in await view.ask("query-pci") for each in bus["devices"] if each["qdev_id"]}
    for device in view.live.devices.every():
        at = device.address
        if device.alias not in there or is_companion(device):
            continue
        if isinstance(at, PciAddress):
            yield f"{device.alias} addr", 8 * at.slot + at.function, await view.of(device.alias, "addr")
            yield f"{device.alias} bus", _pci_bus(view.live, at.bus), await _bus(view, device)
            yield f"{device.alias} multifunction", bool(at.multifunction), await view.of(device.alias, "multifunction")
            if at.bus == 0:
                shown = roots.get(device.alias, {})
                yield f"{device.alias} slot", (at.slot, at.function), (shown.get("slot"), shown.get("function"))
        else:
            async for reading in _elsewhere(view, device):
                yield reading


async def _elsewhere(view: View, device: Device) -> Readings:
    """On other buses than PCI."""
    at, alias = device.address, device.alias
    if isinstance(at, UsbAddress) and at.port is not None:
        yield f"{alias} port", str(at.port), await view.of(alias, "port")
        yield f"{alias} bus", f"{_alias(view.live, ControllerType.USB, at.bus)}.0", await _bus(view, device)
    elif isinstance(at, VirtioSerialAddress):
        yield f"{alias} nr", at.port, await view.of(alias, "nr")
        controller = _alias(view.live, ControllerType.VIRTIO_SERIAL, at.controller)
        yield f"{alias} bus", f"{controller}.{at.bus}", await _bus(view, device)
    elif isinstance(device, Disk) and isinstance(at, DriveAddress):
        async for reading in _drive(view, device, at):
            yield reading


async def _drive(view: View, disk: Disk, at: DriveAddress) -> Readings:
    if disk.target.bus is DiskBus.SCSI:
        controller = _alias(view.live, ControllerType.SCSI, at.controller)
        yield f"{disk.alias} bus", f"{controller}.0", await _bus(view, disk)
        places = (await view.of(disk.alias, "scsi-id"), await view.of(disk.alias, "lun"))
        # Cards of the parallel days have one unit a target.
        yield f"{disk.alias} target and unit", True, places in ((at.target, at.unit), (at.unit, 0)) or places
    elif disk.target.bus is DiskBus.SATA:
        yield f"{disk.alias} port", f"ide.{at.unit}", await _bus(view, disk)
    elif disk.target.bus is DiskBus.IDE:
        yield f"{disk.alias} port", f"ide.{at.bus}", await _bus(view, disk)
        yield f"{disk.alias} unit", at.unit, await view.of(disk.alias, "unit")


async def _bus(view: View, device: Device) -> str:
    return str(await view.of(device.alias, "parent_bus")).rsplit("/", 1)[-1]


def _controllers(domain: Domain, kind: ControllerType) -> Iterator[Controller]:
    return (each for each in domain.devices.controllers if each.type is kind)


def _alias(domain: Domain, kind: ControllerType, index: int) -> str:
    return next(each.alias or "" for each in _controllers(domain, kind) if each.index == index)


def _pci_bus(domain: Domain, index: int) -> str:
    controller = next(each for each in _controllers(domain, ControllerType.PCI) if each.index == index)
    roots = {PciModel.PCIE_ROOT: "pcie.0", PciModel.PCI_ROOT: "pci.0"}
    return roots.get(PciModel(controller.model or ""), controller.alias or "")


async def properties(view: View) -> Readings:
    """What is said of a device is what QEMU's has."""
    for device in view.live.devices.every():
        for kind, asked in _ASKED.items():
            if isinstance(device, kind) and not is_companion(device):
                async for reading in view.compare(device.alias, asked(device)):
                    yield reading
        driver = getattr(device, "driver", None)
        if isinstance(device.address, PciAddress) and driver is not None:
            said = {"iommu_platform": "iommu", "ats": "ats", "packed": "packed"}
            options = {name: getattr(driver, ours, None) for name, ours in said.items()}
            async for reading in view.compare(device.alias, options):
                yield reading


def _controller(device: Controller) -> dict[str, object]:
    driver, target = device.driver, device.target
    if device.type is ControllerType.SCSI and driver is not None:
        thread = f"/objects/iothread{driver.iothread}" if driver.iothread else None
        return {
            "num_queues": driver.queues,
            "iothread": thread,
            "cmd_per_lun": driver.cmd_per_lun,
            "max_sectors": driver.max_sectors,
        }
    if device.type is ControllerType.USB and device.model in ("qemu-xhci", "nec-xhci"):
        return {"p2": device.ports, "p3": device.ports}
    if device.type is ControllerType.VIRTIO_SERIAL:
        return {"max_ports": device.ports, "vectors": device.vectors}
    if device.type is ControllerType.PCI and target is not None:
        ports = (PciModel.PCIE_ROOT_PORT, PciModel.PCIE_SWITCH_DOWNSTREAM_PORT)
        return {
            "port": target.port if device.model in ports else None,
            "chassis": target.chassis if device.model in ports else None,
            "chassis_nr": target.chassis_number,
            "bus_nr": target.bus_number,
            "numa_node": target.node,
            "hotplug": target.hotplug if device.model == PciModel.PCIE_ROOT_PORT else None,
        }
    return {}


def _video(device: Video) -> dict[str, object]:
    model = device.model
    assert model is not None
    if model.type is VideoType.QXL:
        heads = model.heads
        return {
            "ram_size": (model.ram or 0) * 1024 or None,
            "vram_size": (model.vram or 0) * 1024 or None,
            "vgamem_mb": (model.vgamem or 0) // 1024 or None,
            "max_outputs": heads,
        }
    if model.type in (VideoType.VGA, VideoType.VMVGA):
        return {"vgamem_mb": (model.vram or 0) // 1024 or None}
    if model.type is VideoType.BOCHS:
        return {"vgamem": (model.vram or 0) * 1024 or None}
    size = model.resolution
    return (
        {"max_outputs": model.heads, "xres": size.x if size else None, "yres": size.y if size else None}
        if (model.type is VideoType.VIRTIO)
        else {}
    )


def _iommu(device: Iommu) -> dict[str, object]:
    driver = device.driver
    if device.model is not IommuModel.INTEL or driver is None:
        return {}
    words: dict[Any, str] = {True: "on", False: "off"}
    return {
        "intremap": words.get(driver.intremap),
        "caching-mode": driver.caching_mode,
        "eim": words.get(driver.eim),
        "device-iotlb": driver.iotlb,
        "aw-bits": driver.aw_bits,
    }


def _rng(device: Rng) -> dict[str, object]:
    rate = device.rate
    return {
        "rng": f"/objects/obj{device.alias}",
        "max-bytes": rate.bytes if rate else None,
        "period": rate.period if rate else None,
    }


def _balloon(device: Memballoon) -> dict[str, object]:
    if device.model == "none":
        return {}
    return {
        "deflate-on-oom": device.autodeflate,
        "free-page-reporting": device.free_page_reporting,
        "guest-stats-polling-interval": device.stats,
    }


def _filesystem(device: Filesystem) -> dict[str, object]:
    target = device.target.dir if device.target else None
    if device.driver is not None and device.driver.type == "virtiofs":
        return {"tag": target, "queue-size": device.driver.queue}
    return {"mount_tag": target}


def _sound(device: Sound) -> dict[str, object]:
    is_codec = device.model in ("ich6", "ich9")
    return {"audiodev": f"audio{device.audio}" if device.audio and not is_codec else None}


_ASKED: dict[type[Device], Any] = {
    Controller: _controller,
    Video: _video,
    Iommu: _iommu,
    Rng: _rng,
    Memballoon: _balloon,
    Filesystem: _filesystem,
    Sound: _sound,
    Vsock: lambda device: {"guest-cid": device.cid.address if device.cid else None},
}


async def boot_order(view: View) -> Readings:
    """The devices that are booted from, and when."""
    there = await view.kinds(PERIPHERAL)
    for alias, order in _orders(view.live).items():
        if alias in there and there[alias] != "floppy":
            yield f"{alias} bootindex", order, await view.of(alias, "bootindex")


def _orders(domain: Domain) -> dict[str, int]:
    own = {
        device.alias or "": boot.order
        for device in domain.devices.every()
        if (boot := getattr(device, "boot", None)) is not None
    }
    kinds = {BootDevice.HD: DiskDevice.DISK, BootDevice.CDROM: DiskDevice.CDROM, BootDevice.FD: DiskDevice.FLOPPY}
    for order, boot in enumerate(domain.os.boots if domain.os else [], 1):
        kind = kinds.get(boot)
        firsts = (
            domain.devices.interfaces
            if kind is None
            else [disk for disk in domain.devices.disks if disk.device is kind]
        )
        own |= {each.alias or "": order for each in firsts[:1]}
    return own
