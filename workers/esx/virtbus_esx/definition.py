"""What a definition becomes on a VMware host: libvirt's defaults for it filled in."""

from __future__ import annotations

from virtbus import domain as vocabulary
from virtbus.domain import ControllerType, Device, Disk, DiskDevice, Domain, Interface, Video, VideoType, buses
from virtbus.domain.boot import BootDevice
from virtbus.domain.controller import ScsiModel
from virtbus.domain.disk import DiskCache, DiskDriver
from virtbus.domain.interface import InterfaceModel, LinkState, MacType
from virtbus.domain.video import VideoModel
from virtbus_esx.strangers import refuse_strangers
from virtbus_esx.vmx.writingcards import Address, address_kind

DEFAULT_ARCH = "i686"
"""The first that libvirt's ESX driver offers, and so the one of a guest that says none."""
DEFAULT_VRAM = 4096
"""KiB."""


def fill(domain: Domain) -> None:
    """Fill in, in place, what libvirt fills in for VMware."""
    if domain.os is not None:
        domain.os.type.arch = domain.os.type.arch or DEFAULT_ARCH
    vocabulary.complete(domain, renew=True)
    if domain.devices.graphics and not domain.devices.videos:
        domain.devices.videos = [Video()]
    for video in domain.devices.videos:
        _fill_video(video)
    buses.add_controllers(domain)


def _fill_video(video: Video) -> None:
    model = video.model = video.model or VideoModel()
    if model.type is VideoType.DEFAULT:
        model.type = VideoType.VMVGA
    if model.type is VideoType.VMVGA and model.vram is None:
        model.vram = DEFAULT_VRAM


def complete(domain: Domain) -> Domain:
    """The definition as a machine will have it: what it says is checked, what it leaves open is chosen.

    :raises ConfigUnsupported, XmlInternal: it says what no VMware machine can be; `evidence["path"]` says where.
    """
    made = domain.copy()
    made.id = None
    fill(made)
    refuse_strangers(made)
    choose(made)
    vocabulary.check(made)
    return made


def choose(domain: Domain) -> None:
    """Choose, in place, what a machine needs and the definition leaves open; what every machine has is left out."""
    devices = domain.devices
    domain.features = None
    devices.memballoon = None
    devices.inputs = []
    devices.controllers = [each for each in devices.controllers if each.type is not ControllerType.FDC]
    if not devices.videos:
        devices.videos = [Video(model=VideoModel(type=VideoType.VMVGA, vram=DEFAULT_VRAM, primary=True))]
    for controller in devices.controllers:
        if controller.type is ControllerType.SCSI and controller.model in (None, ScsiModel.AUTO):
            controller.model = ScsiModel.LSILOGIC
    for card in devices.interfaces:
        choose_for(card)
    for disk in devices.disks:
        choose_for(disk)
    if domain.os is not None and domain.os.boots == [BootDevice.HD]:
        domain.os.boots = []


def choose_for(device: Device) -> None:
    """The same for one device."""
    if isinstance(device, Interface):
        device.model = device.model or InterfaceModel(type=DEFAULT_CARD)
        device.model.type = device.model.type.lower()
        if device.link is LinkState.UP:
            device.link = None
        if device.mac is not None:
            device.mac.address = device.mac.address.lower()
            device.mac.type = device.mac.type or _mac_type(device.mac.address)
    if isinstance(device, Disk):
        if device.driver is not None:
            cache = device.driver.cache
            device.driver = DiskDriver(cache=cache) if cache is DiskCache.WRITE_THROUGH else None
        device.readonly = device.device in (DiskDevice.CDROM, DiskDevice.LUN)
        device.snapshot = None


def _mac_type(address: str) -> MacType:
    return MacType.GENERATED if address_kind(address) in (Address.GENERATED, Address.VPX) else MacType.STATIC


DEFAULT_CARD = "e1000"
"""Every guest has a driver for it."""
