"""libvirt's domain XML as models: one module per device kind, the same for every hypervisor.

    domain = Domain.parse(xml)       # strict: whatever is not libvirt's vocabulary is refused by its path
    complete(domain)                 # what libvirt fills in for every hypervisor
    check(domain)                    # contradictions, by their path
    domain.format()                  # the definition; Form.LIVE for the running domain

A hypervisor's own defaults (controllers, addresses, aliases) are its worker's business.
"""

from virtbus.domain.address import (
    Address,
    AddressType,
    CcidAddress,
    CcwAddress,
    DimmAddress,
    DriveAddress,
    IsaAddress,
    PciAddress,
    SpaprVioAddress,
    UnassignedAddress,
    UsbAddress,
    VirtioMmioAddress,
    VirtioS390Address,
    VirtioSerialAddress,
)
from virtbus.domain.chardev import Channel, CharDevice, CharSource, CharType, Console, Parallel, Serial
from virtbus.domain.checks import check, places, problems_of
from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.defaults import complete, pair_console
from virtbus.domain.device import Device
from virtbus.domain.devicedefaults import complete_device
from virtbus.domain.devices import Devices, parse_device
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.graphics import Graphics, GraphicsType
from virtbus.domain.hostdev import Hostdev, HostdevType
from virtbus.domain.hub import Hub
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.interface import Interface, InterfaceType
from virtbus.domain.iommu import Iommu
from virtbus.domain.lookup import described, disk_number, find, insert, remove, replace, resolve
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.nvram import Nvram
from virtbus.domain.pstore import Pstore
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.smartcard import Smartcard
from virtbus.domain.sound import Audio, Sound
from virtbus.domain.storage import BackingStore, ImageFormat, StorageSource, StorageType
from virtbus.domain.tpm import Tpm
from virtbus.domain.video import Video, VideoType
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus.xml import Form

__all__ = [
    "Address",
    "AddressType",
    "Audio",
    "BackingStore",
    "CcidAddress",
    "CcwAddress",
    "Channel",
    "CharDevice",
    "CharSource",
    "CharType",
    "Console",
    "Controller",
    "ControllerType",
    "Crypto",
    "Device",
    "Devices",
    "DimmAddress",
    "Disk",
    "DiskBus",
    "DiskDevice",
    "Domain",
    "DomainType",
    "DriveAddress",
    "Filesystem",
    "Form",
    "Graphics",
    "GraphicsType",
    "Hostdev",
    "HostdevType",
    "Hub",
    "ImageFormat",
    "Input",
    "InputBus",
    "InputType",
    "Interface",
    "InterfaceType",
    "Iommu",
    "IsaAddress",
    "Memballoon",
    "MemballoonModel",
    "MemoryDevice",
    "MemoryModel",
    "Nvram",
    "Panic",
    "Parallel",
    "PciAddress",
    "Pstore",
    "Redirdev",
    "Rng",
    "Serial",
    "Shmem",
    "Smartcard",
    "Sound",
    "SpaprVioAddress",
    "StorageSource",
    "StorageType",
    "Tpm",
    "UnassignedAddress",
    "UsbAddress",
    "Video",
    "VideoType",
    "VirtioMmioAddress",
    "VirtioS390Address",
    "VirtioSerialAddress",
    "Vsock",
    "Watchdog",
    "check",
    "complete",
    "complete_device",
    "described",
    "disk_number",
    "find",
    "insert",
    "pair_console",
    "parse_device",
    "places",
    "problems_of",
    "remove",
    "replace",
    "resolve",
]
