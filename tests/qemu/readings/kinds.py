"""Which of QEMU's devices stands for each device of a definition (QEMU, `-device help`; libvirt's XML format)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.chardev import Console, Serial
from virtbus.domain.controller import Controller, ControllerType, PciModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface
from virtbus.domain.watchdog import Panic, WatchdogModel

BUILT_IN: frozenset[str] = frozenset()
"""Part of the board, or of QEMU itself: no device has its alias."""

_GENERATIONS = ("transitional", "non-transitional")


def _virtio(stem: str, model: str | None) -> set[str]:
    """A virtio card on PCI, whose model may say which generation it is."""
    generation = next((each for each in _GENERATIONS if model == f"virtio-{each}"), None)
    return {f"{stem}-pci-{generation}" if generation else f"{stem}-pci"}


_DRIVES = {DiskDevice.CDROM: "cd", DiskDevice.DISK: "hd"}


def _disk(disk: Disk) -> set[str]:
    kind = _DRIVES.get(disk.device, "")
    match disk.target.bus:
        case DiskBus.VIRTIO:
            return _virtio("virtio-blk", disk.model)
        case DiskBus.SCSI:
            return {f"scsi-{kind}"}
        case DiskBus.IDE | DiskBus.SATA:
            return {f"ide-{kind}"}
        case DiskBus.USB:
            return {"usb-storage"}
        case DiskBus.FDC:
            return {"floppy"}
    return set()


_SCSI = {"lsilogic": "lsi53c895a", "lsisas1068": "mptsas1068", "lsisas1078": "megasas", "vmpvscsi": "pvscsi"}
_USB = {
    "piix3-uhci": "piix3-usb-uhci", "piix4-uhci": "piix4-usb-uhci", "ehci": "usb-ehci",
    "ich9-ehci1": "ich9-usb-ehci1", "ich9-uhci1": "ich9-usb-uhci1", "ich9-uhci2": "ich9-usb-uhci2",
    "ich9-uhci3": "ich9-usb-uhci3", "pci-ohci": "pci-ohci", "nec-xhci": "nec-usb-xhci", "qemu-xhci": "qemu-xhci",
}  # fmt: skip
_PCI = {
    PciModel.PCI_BRIDGE: {"pci-bridge"},
    PciModel.DMI_TO_PCI_BRIDGE: {"i82801b11-bridge"},
    PciModel.PCIE_TO_PCI_BRIDGE: {"pcie-pci-bridge"},
    PciModel.PCIE_ROOT_PORT: {"pcie-root-port", "ioh3420"},
    PciModel.PCIE_SWITCH_UPSTREAM_PORT: {"x3130-upstream"},
    PciModel.PCIE_SWITCH_DOWNSTREAM_PORT: {"xio3130-downstream"},
    PciModel.PCI_EXPANDER_BUS: {"pxb"},
    PciModel.PCIE_EXPANDER_BUS: {"pxb-pcie"},
}


def _controller(device: Controller) -> frozenset[str] | set[str]:
    match device.type:
        case ControllerType.PCI if device.model not in (PciModel.PCI_ROOT, PciModel.PCIE_ROOT):
            named = {device.model_name.name.value} if device.model_name else set()
            return named or _PCI[PciModel(device.model or "")]
        case ControllerType.USB if device.model != "none":
            return {_USB[device.model or ""]}
        case ControllerType.SCSI if device.model in _SCSI:
            return {_SCSI[device.model or ""]}
        case ControllerType.SCSI:
            return _virtio("virtio-scsi", device.model)
        case ControllerType.VIRTIO_SERIAL:
            return _virtio("virtio-serial", device.model)
        case ControllerType.CCID:
            return {"usb-ccid"}
        case ControllerType.SATA if device.index:
            return {"ich9-ahci"}
    return BUILT_IN


def _serial(device: Serial) -> set[str]:
    target = device.target
    model = target.model if target else None
    return {model.value} if model else {"isa-serial"}


def _console(device: Console) -> frozenset[str] | set[str]:
    kind = device.target.type if device.target else None
    return {"virtconsole"} if kind == "virtio" else BUILT_IN


def _input(device: Input) -> frozenset[str] | set[str]:
    name = {"keyboard": "kbd"}.get(device.type, device.type)
    buses = {"usb": {f"usb-{name}"}, "virtio": {f"virtio-{device.type}-pci"}}
    return buses.get(device.bus or "", BUILT_IN)


_CARDS = {"ich6": "intel-hda", "ich9": "ich9-intel-hda", "ac97": "AC97", "es1370": "ES1370", "usb": "usb-audio"}
_VIDEO = {
    "vga": {"VGA"},
    "cirrus": {"cirrus-vga"},
    "vmvga": {"vmware-svga"},
    "qxl": {"qxl-vga", "qxl"},
    "virtio": {"virtio-vga", "virtio-gpu-pci"},
    "bochs": {"bochs-display"},
    "ramfb": {"ramfb"},
}
_MEMORY = {"dimm": "pc-dimm", "nvdimm": "nvdimm", "virtio-mem": "virtio-mem-pci", "virtio-pmem": "virtio-pmem-pci"}
_PANICS = {"isa": {"pvpanic"}, "pvpanic": {"pvpanic-pci"}, "hyperv": BUILT_IN}
_IOMMUS = {"intel": "intel-iommu", "virtio": "virtio-iommu-pci", "amd": "amd-iommu"}


def _interface(device: Interface) -> set[str]:
    model = device.model.type if device.model else ""
    return _virtio("virtio-net", model) if model.startswith("virtio") else {model}


def _filesystem(device: Filesystem) -> set[str]:
    is_virtiofs = device.driver is not None and device.driver.type == "virtiofs"
    return {"vhost-user-fs-pci"} if is_virtiofs else _virtio("virtio-9p", device.model)


def _panic(device: Panic) -> frozenset[str] | set[str]:
    found = _PANICS[device.model or "isa"]
    return frozenset(found)


_KINDS: dict[str, Callable[[Any], frozenset[str] | set[str]]] = {
    "disk": _disk,
    "controller": _controller,
    "interface": _interface,
    "serial": _serial,
    "console": _console,
    "input": _input,
    "filesystem": _filesystem,
    "panic": _panic,
    "parallel": lambda _: {"isa-parallel"},
    "channel": lambda _: {"virtserialport"},
    "graphics": lambda _: BUILT_IN,
    "sound": lambda device: {_CARDS.get(device.model, device.model)},
    "video": lambda device: _VIDEO[device.model.type],
    "watchdog": lambda dog: BUILT_IN if dog.model is WatchdogModel.ITCO else {str(dog.model)},
    "memballoon": lambda device: BUILT_IN if device.model == "none" else _virtio("virtio-balloon", device.model),
    "memory": lambda device: {_MEMORY[device.model]},
    "pstore": lambda _: {"acpi-erst"},
    "rng": lambda device: _virtio("virtio-rng", device.model),
    "vsock": lambda device: _virtio("vhost-vsock", device.model),
    "smartcard": lambda _: {"ccid-card-passthru"},
    "tpm": lambda device: {str(device.model)},
    "redirdev": lambda _: {"usb-redir"},
    "hub": lambda _: {"usb-hub"},
    "shmem": lambda device: {str(device.model)},
    "crypto": lambda _: {"virtio-crypto-pci"},
    "iommu": lambda device: {_IOMMUS[device.model]},
}


def drivers_of(device: Device) -> frozenset[str] | set[str]:
    """The names of QEMU's devices that a device may be; `BUILT_IN` where it has none of its own."""
    return _KINDS[device.element_tag or ""](device) or BUILT_IN
