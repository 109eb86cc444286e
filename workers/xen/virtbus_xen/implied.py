"""What libvirt adds to every Xen domain: Xen's own bus and balloon, the keyboard and mouse, a video card."""

from __future__ import annotations

from virtbus.domain import (
    CharType,
    Console,
    Controller,
    ControllerType,
    Domain,
    Input,
    InputBus,
    InputType,
    Memballoon,
    MemballoonModel,
    Video,
    VideoType,
)
from virtbus.domain.boot import LoaderType, Os, OsType, OsTypeName
from virtbus.domain.chardev import ConsoleTarget, ConsoleTargetType
from virtbus.domain.storage import ImageFormat
from virtbus.domain.video import VideoModel
from virtbus_xen.config.booting import MACHINES, PYGRUB
from virtbus_xen.config.guest import is_full

VIDEO_KIB = {True: 8192, False: 4096}
"""The video memory of full guests and of the others."""


def furnish(domain: Domain) -> None:
    """Add, in place, what libvirt's own Xen driver adds to a domain that it reads."""
    devices, full = domain.devices, is_full(domain)
    _furnish_system(domain)
    if not any(each.type is ControllerType.XENBUS for each in devices.controllers):
        devices.controllers.insert(0, Controller(type=ControllerType.XENBUS, index=0))
    if not full and not devices.consoles:
        target = ConsoleTarget(type=ConsoleTargetType.XEN, port=0)
        devices.consoles.append(Console(type=CharType.PTY, target=target))
    bus = InputBus.PS2 if full else InputBus.XEN
    for kind in (InputType.MOUSE, InputType.KEYBOARD):
        if not any(each.type is kind and each.bus in (bus, None) for each in devices.inputs):
            devices.inputs.append(Input(type=kind, bus=bus))
    if devices.graphics and not devices.videos:
        kind_of_card = VideoType.CIRRUS if full else VideoType.XEN
        devices.videos.append(Video(model=VideoModel(type=kind_of_card)))
    for video in devices.videos:
        if video.model is not None:
            video.model.vram = video.model.vram or VIDEO_KIB[full]
            video.model.heads = video.model.heads or 1
    if devices.memballoon is None:
        devices.memballoon = Memballoon(model=MemballoonModel.XEN)


def _furnish_system(domain: Domain) -> None:
    """Which kind of virtual machine, and a boot loader where a paravirtual guest boots from its own disk."""
    if domain.os is None:
        domain.os = Os(type=OsType(name=OsTypeName.LINUX))
    system = domain.os
    if system.type.name is OsTypeName.XEN:
        system.type.name = OsTypeName.LINUX
    system.type.machine = system.type.machine or MACHINES.get(system.type.name)
    system.type.arch = system.type.arch or "x86_64"
    paravirtual = system.type.name in (OsTypeName.LINUX, OsTypeName.XENPVH)
    if paravirtual and system.kernel is None and domain.bootloader is None:
        domain.bootloader = PYGRUB
    if system.loader is not None and system.loader.path is not None:
        system.loader.type = system.loader.type or LoaderType.ROM
        system.loader.image_format = system.loader.image_format or ImageFormat.RAW
