"""Which devices are virtio ones, so that the machine's transport carries them: PCI, channels, or plain memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.hostdev import HostdevModel, MdevHostdev, ScsiHostHostdev
from virtbus.domain.input import Input, InputBus
from virtbus.domain.interface import Interface, InterfaceType
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.rng import Rng
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.video import Video, VideoType

_CARRIED: dict[type[Device], Callable[[Any], bool]] = {
    Disk: lambda disk: disk.target.bus is DiskBus.VIRTIO,
    Interface: lambda card: (
        card.type is not InterfaceType.HOSTDEV and card.model is not None and card.model.type.startswith("virtio")
    ),
    Video: lambda video: video.model is not None and video.model.type is VideoType.VIRTIO,
    Input: lambda device: device.bus is InputBus.VIRTIO,
    Controller: lambda controller: controller.type in (ControllerType.VIRTIO_SERIAL, ControllerType.SCSI),
    Memballoon: lambda balloon: balloon.model is not MemballoonModel.NONE,
    Rng: lambda rng: True,
    Crypto: lambda crypto: True,
}
"""Kinds that every transport carries, and which of them."""

_ON_CHANNELS: dict[type[Device], Callable[[Any], bool]] = {
    Filesystem: lambda filesystem: True,
    ScsiHostHostdev: lambda hostdev: True,
    MdevHostdev: lambda hostdev: hostdev.model is HostdevModel.VFIO_CCW,
    Vsock: lambda vsock: True,
    MemoryDevice: lambda memory: memory.model is MemoryModel.VIRTIO_MEM,
}
"""Kinds that libvirt takes to sit on channels besides, where a machine has them."""


def is_carried(device: Device, *, channels: bool = False) -> bool:
    """Whether a machine's transport of virtio devices carries a device.

    :param channels: whether that transport is s390x's channels.
    """
    test = _CARRIED.get(type(device)) or (_ON_CHANNELS.get(type(device)) if channels else None)
    return test is not None and test(device)


_ORDER = (
    *("disks", "interfaces", "sounds", "hostdevs", "videos", "controllers", "smartcards", "serials", "parallels"),
    *("channels", "consoles", "inputs", "filesystems", "watchdogs", "memballoon", "rngs", "nvram", "hubs", "shmems"),
    *("memories", "redirdevs", "tpms", "panics", "iommu", "vsock", "cryptos", "pstore"),
)
"""The kinds of devices as libvirt goes through them (virDomainDeviceInfoIterate)."""


def in_order(domain: Domain) -> Iterator[Device]:
    """Every device, in the order in which libvirt gives them their places."""
    for name in _ORDER:
        value = getattr(domain.devices, name)
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value
