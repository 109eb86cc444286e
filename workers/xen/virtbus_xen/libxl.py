"""libxl's own description of a domain as JSON (libxl_types.idl): what libvirt's Xen driver hands to libxl.

Defaults are left out, as libxl leaves them out when it writes JSON; its booleans that may be undecided are texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from virtbus.domain import (
    ControllerType,
    Disk,
    DiskDevice,
    Domain,
    Graphics,
    GraphicsType,
    ImageFormat,
    InputBus,
    Interface,
    InterfaceType,
    StorageType,
    VideoType,
)
from virtbus.domain.boot import OsTypeName
from virtbus.domain.chardev import ChannelTargetType, CharType, MouseMode
from virtbus.domain.clock import TimerName
from virtbus.domain.controller import UsbModel
from virtbus.domain.features import Features, Hyperv
from virtbus.domain.hostdev import PciHostdev, UsbHostdev
from virtbus.domain.power import LifecycleAction
from virtbus.errors import ConfigUnsupported
from virtbus_xen.config import booting, chardevs, disks, guest, interfaces, numa
from virtbus_xen.config.displays import FIRST_PORT, listen_address

Json = dict[str, Any]

_KINDS = {OsTypeName.HVM: "hvm", OsTypeName.XENPVH: "pvh", OsTypeName.LINUX: "pv", OsTypeName.XEN: "pv"}

_ACTIONS = {
    LifecycleAction.DESTROY: "destroy",
    LifecycleAction.RESTART: "restart",
    LifecycleAction.RENAME_RESTART: "rename_restart",
    LifecycleAction.PRESERVE: "preserve",
    LifecycleAction.COREDUMP_DESTROY: "coredump_destroy",
    LifecycleAction.COREDUMP_RESTART: "coredump_restart",
}

_VIRIDIAN: dict[str, tuple[int, ...]] = {
    "frequencies": (1,), "stimer": (2, 3, 8), "tlbflush": (4,), "vapic": (5,), "synic": (7,), "ipi": (9,),
}  # fmt: skip
"""libxl's numbers of Hyper-V's features (libxl_viridian_enlightenment); timers need both of Hyper-V's clocks."""

_VIRIDIAN_ALWAYS = {0, 6}
"""The base, which has the processors' numbers in it, and the report of crashes."""

_VGA = {VideoType.VGA: "std", VideoType.XEN: "std", VideoType.CIRRUS: "cirrus", VideoType.QXL: "qxl"}

RATE_INTERVAL = 50000
"""libxl counts bytes in an interval; the usual one, in microseconds."""

_TSC = {"auto": "default", "emulate": "always_emulate", "native": "native", "paravirt": "native_paravirt"}


def text_of(domain: Domain, *, shadow_kib: int | None = None) -> str:
    """The JSON of a domain that `implied.furnish` and `complete` have filled in.

    :param shadow_kib: what libxl says that the guest's page tables take.
    :raise ConfigUnsupported: it asks for what libxl does not have.
    """
    return json.dumps(document(domain, shadow_kib=shadow_kib), indent=4) + "\n"


def document(domain: Domain, *, shadow_kib: int | None = None) -> Json:
    """As `text_of`, as data."""
    return _tidy({
        "c_info": _creation(domain),
        "b_info": _build(domain, shadow_kib),
        "disks": [_disk(each) for each in domain.devices.disks if each.device is not DiskDevice.FLOPPY],
        "nics": [_nic(domain, each, number) for number, each in enumerate(_cards(domain))],
        "pcidevs": [_pci(each) for each in domain.devices.hostdevs if isinstance(each, PciHostdev)],
        "vfbs": [_frame_buffer(each) for each in domain.devices.graphics],
        "vkbs": [{"devid": -1} for _ in domain.devices.graphics],
        "usbctrls": _usb_controllers(domain),
        "usbdevs": [_usb(each) for each in domain.devices.hostdevs if isinstance(each, UsbHostdev)],
        "channels": _channels(domain),
        **{name: _action(domain, name) for name in ("on_poweroff", "on_reboot", "on_crash")},
    })  # fmt: skip


def _tidy(said: Json) -> Json:
    """Without what is not said."""
    return {name: value for name, value in said.items() if value is not None and value != []}


def _boolean(value: bool | None) -> str | None:
    return None if value is None else str(value)


def _action(domain: Domain, name: str) -> str | None:
    action = _ACTIONS[getattr(domain, name) or LifecycleAction.DESTROY]
    return None if action == "destroy" else action


def _kind(domain: Domain) -> str:
    return _KINDS[domain.os.type.name] if domain.os is not None else "pv"


def _creation(domain: Domain) -> Json:
    xen = domain.features.xen if domain.features is not None else None
    passthrough = xen.passthrough if xen is not None else None
    return _tidy({
        "type": _kind(domain),
        "name": domain.name,
        "uuid": str(domain.uuid),
        "passthrough": (passthrough.mode or "enabled") if passthrough and passthrough.state is True else None,
    })  # fmt: skip


def _build(domain: Domain, shadow_kib: int | None) -> Json:
    full, system = guest.is_full(domain), domain.os
    vcpu, memory = domain.vcpu, domain.memory
    assert vcpu is not None
    assert memory is not None
    assert system is not None
    adjustment, local = guest.clock_of(domain)
    video = domain.devices.videos[0].model if full and domain.devices.videos else None
    limits = next((each for each in domain.devices.controllers if each.type is ControllerType.XENBUS), None)
    features = domain.features or Features()
    timers = {timer.name: timer for timer in domain.clock.timers} if domain.clock is not None else {}
    tsc = timers.get(TimerName.TSC)
    said: Json = {
        "max_vcpus": vcpu.count,
        "avail_vcpus": list(range(vcpu.current or vcpu.count)),
        "vnuma_nodes": _nodes(domain),
        "max_memkb": memory.kib,
        "target_memkb": domain.current_memory.kib if domain.current_memory is not None else memory.kib,
        "video_memkb": video.vram if video is not None else None,
        "shadow_memkb": shadow_kib,
        "rtc_timeoffset": adjustment or None,
        "localtime": "True" if local else None,
        "tsc_mode": _TSC[str(tsc.mode)] if tsc is not None and tsc.mode is not None else None,
        "event_channels": limits.max_event_channels if limits is not None else None,
        "max_grant_frames": limits.max_grant_frames if limits is not None else None,
        "sched_params": _tidy({"weight": domain.cputune.shares if domain.cputune is not None else None}),
        "arch_arm": {},
    }
    if full and domain.devices.emulator is not None:
        said |= {"device_model_version": "qemu_xen", "device_model": domain.devices.emulator}
    said |= {"kernel": system.kernel, "ramdisk": system.initrd, "cmdline": system.cmdline}
    if full:
        said |= {"apic": _boolean(features.apic is not None), "acpi": _boolean(features.acpi)}
        said |= {"nested_hvm": _boolean(booting.nested_virtualization(domain)), "type.hvm": _full(domain, features)}
        hpet = timers.get(TimerName.HPET)
        said["type.hvm"] |= _tidy({"hpet": _boolean(hpet.present is not False) if hpet is not None else None})
    else:
        said[f"type.{_kind(domain)}"] = _paravirtual(domain, features)
    return _tidy(said)


def _nodes(domain: Domain) -> list[Json]:
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa is not None else []
    return [
        _tidy({
            "memkb": cell.memory,
            "distances": numa.distances_of(cells, number),
            "pnode": number or None,
            "vcpus": numa.numbers(cell.cpus or ""),
        })
        for number, cell in enumerate(cells)
    ]  # fmt: skip


def _paravirtual(domain: Domain, features: Features) -> Json:
    e820 = features.xen.e820_host if features.xen is not None else None
    return _tidy({
        "bootloader": domain.bootloader,
        "bootloader_args": domain.bootloader_args.split() if domain.bootloader_args else None,
        "e820_host": _boolean(e820.state is True) if e820 is not None else None,
    })  # fmt: skip


def _full(domain: Domain, features: Features) -> Json:
    system, devices = domain.os, domain.devices
    assert system is not None
    graphics = devices.graphics[0] if devices.graphics else None
    video = devices.videos[0].model if devices.videos else None
    letters = {"fd": "a", "hd": "c", "cdrom": "d", "network": "n"}
    serials = [chardevs.format_stream(each) for each in devices.serials]
    usb = [str(each.type) for each in devices.inputs if each.bus is InputBus.USB]
    said: Json = {
        "pae": _boolean(features.pae),
        "hap": "False" if features.hap is not None and features.hap.state is False else None,
        "viridian": "True" if features.viridian else None,
        "viridian_enable": _enlightenments(features.hyperv),
        "nographic": "True" if graphics is None else None,
        "vga": {"kind": _VGA.get(video.type, "cirrus") if video is not None else "none"},
        "vnc": _vnc(graphics),
        "sdl": {"enable": _boolean(graphics is not None and graphics.type is GraphicsType.SDL)},
        "spice": _spice(graphics),
        "serial": serials[0] if len(serials) == 1 else None,
        "serial_list": serials if len(serials) > 1 else None,
        "usb": "True" if usb else None,
        "usbdevice": usb[0] if len(usb) == 1 else None,
        "usbdevice_list": usb if len(usb) > 1 else None,
        "soundhw": ",".join(str(each.model) for each in devices.sounds) or None,
        "boot": "".join(letters[each] for each in system.boots) or "c",
        "rdm": {},
    }
    if booting.is_uefi(system):
        said["bios"] = "ovmf"
        said["system_firmware"] = system.loader.path if system.loader is not None else None
    return _tidy(said)


def _enlightenments(hyperv: Hyperv | None) -> list[int] | None:
    if hyperv is None:
        return None
    found = set(_VIRIDIAN_ALWAYS)
    for name, numbers in _VIRIDIAN.items():
        feature = getattr(hyperv, name, None)
        if feature is not None and feature.state is True:
            found.update(numbers)
    return sorted(found)


def _vnc(graphics: Graphics | None) -> Json:
    if graphics is None or graphics.type is not GraphicsType.VNC:
        return {"enable": "False"}
    port = graphics.port if graphics.port is not None and graphics.port > 0 else FIRST_PORT
    return _tidy({
        "enable": "True",
        "listen": listen_address(graphics),
        "passwd": graphics.password,
        "display": port - FIRST_PORT or None,
        "findunused": "False",
    })  # fmt: skip


def _spice(graphics: Graphics | None) -> Json:
    if graphics is None or graphics.type is not GraphicsType.SPICE:
        return {}
    client = graphics.mouse_mode is not MouseMode.SERVER
    return _tidy({
        "enable": "True",
        "port": graphics.port if graphics.port is not None and graphics.port > 0 else FIRST_PORT,
        "tls_port": graphics.tls_port if graphics.tls_port is not None and graphics.tls_port > 0 else None,
        "host": listen_address(graphics),
        "disable_ticketing": _boolean(graphics.password is None),
        "passwd": graphics.password,
        "agent_mouse": _boolean(client),
        "vdagent": "True" if client or graphics.clipboard else None,
        "clipboard_sharing": "True" if graphics.clipboard else None,
    })  # fmt: skip


def _frame_buffer(graphics: Graphics) -> Json:
    is_sdl = graphics.type is GraphicsType.SDL
    sdl = {"enable": _boolean(is_sdl), "display": graphics.display, "xauthority": graphics.xauth}
    return _tidy({"devid": -1, "vnc": _vnc(graphics), "sdl": _tidy(sdl), "keymap": graphics.keymap})


def _disk(disk: Disk) -> Json:
    driver = disk.driver.name if disk.driver is not None else None
    image = (disk.driver.type if disk.driver is not None else None) or ImageFormat.RAW
    backend = _backend(disk, driver, image)
    path = disks.path_of(disk)
    return _tidy({
        "pdev_path": path or None,
        "vdev": disk.target.dev,
        "backend": backend,
        "format": str(image) if path else "empty",
        "script": None,
        "removable": 1,
        "readwrite": None if disk.readonly else 1,
        "is_cdrom": 1 if disk.device is DiskDevice.CDROM else None,
        "direct_io_safe": "True" if disk.driver is not None and disk.driver.cache == "none" else None,
        "discard_enable": _boolean(disk.driver.discard == "unmap") if disk.driver and disk.driver.discard else None,
    })  # fmt: skip


def _backend(disk: Disk, driver: str | None, image: ImageFormat) -> str | None:
    """Which of Xen's backends serves a disk; libxl chooses where no driver is named."""
    choices: dict[str, Callable[[], str]] = {
        "tap": lambda: "tap" if image in (ImageFormat.RAW, ImageFormat.VHD) else "qdisk",
        "tap2": lambda: "tap" if image in (ImageFormat.RAW, ImageFormat.VHD) else "qdisk",
        "qemu": lambda: "qdisk",
        "file": lambda: "qdisk",
        "phy": lambda: "phy",
    }
    if driver is None:
        return "qdisk" if disk.type is StorageType.NETWORK else None
    if driver not in choices:
        raise ConfigUnsupported(f"libxenlight does not support disk driver {driver}")
    if driver in ("file", "phy") and image is not ImageFormat.RAW:
        raise ConfigUnsupported(f"libxenlight does not support disk format {image} with disk driver {driver}")
    return choices[driver]()


def _cards(domain: Domain) -> list[Interface]:
    return [each for each in domain.devices.interfaces if each.type is not InterfaceType.HOSTDEV]


def _nic(domain: Domain, interface: Interface, number: int) -> Json:
    model = interface.model.type if interface.model is not None else None
    full = guest.is_full(domain) and model != interfaces.NETFRONT
    source = interface.source
    outbound = interface.bandwidth.outbound if interface.bandwidth is not None else None
    rate = (outbound.average if outbound is not None else None) or None
    if interface.type not in (InterfaceType.BRIDGE, InterfaceType.ETHERNET):
        raise ConfigUnsupported(f"unsupported interface type {interface.type}", domain=domain.name)
    bridge = source.bridge if source is not None else None
    return _tidy({
        "devid": number,
        "mac": interface.mac.address if interface.mac is not None else None,
        "bridge": f"{bridge}{interfaces.vlan_suffix(interface)}" if bridge is not None else None,
        "ip": " ".join(each.address for each in interface.ips) or None,
        "script": interface.script,
        "model": model if model != interfaces.NETFRONT else None,
        "ifname": interface.target.dev if interface.target is not None else None,
        "nictype": "vif_ioemu" if full else "vif",
        "rate_bytes_per_interval": rate * 1024 * RATE_INTERVAL // 1000000 if rate else None,
        "rate_interval_usecs": RATE_INTERVAL if rate else None,
    })  # fmt: skip


def _pci(hostdev: PciHostdev) -> Json:
    at = hostdev.source.address
    place = {"func": at.function, "dev": at.slot, "bus": at.bus, "domain": at.domain}
    permissive = hostdev.source.write_filtering is False
    return {name: value for name, value in place.items() if value} | ({"permissive": True} if permissive else {})


def _usb_controllers(domain: Domain) -> list[Json]:
    versions = {UsbModel.QUSB1: 1, UsbModel.QUSB2: 2}
    return [
        _tidy({
            "type": "qusb", "devid": each.index or None, "version": versions[UsbModel(each.model)],
            "ports": each.ports or 8,
        })
        for each in domain.devices.controllers
        if each.model in versions
    ]  # fmt: skip


def _usb(hostdev: UsbHostdev) -> Json:
    address = hostdev.source.address
    if address is None:
        return {}
    return {"devid": -1, "type": "hostdev", "u.hostdev": {"hostbus": address.bus, "hostaddr": address.device}}


def _channels(domain: Domain) -> list[Json]:
    found: list[Json] = []
    for channel in domain.devices.channels:
        if channel.target is None or channel.target.type is not ChannelTargetType.XEN:
            continue
        said: Json = {"devid": len(found) or None, "name": channel.target.name}
        if channel.type is CharType.UNIX and channel.source is not None:
            said |= {"connection": "socket", "connection.socket": {"path": channel.source.path}}
        else:
            said["connection"] = "pty"
        found.append(_tidy(said))
    return found
