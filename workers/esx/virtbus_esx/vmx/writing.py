"""A .vmx file from a domain: what the machine is; its drives and cards are in modules of their own."""

from __future__ import annotations

from typing import Any

from virtbus.domain import Domain, Filesystem, Graphics, GraphicsType, VideoType
from virtbus.domain.boot import Firmware, FirmwareFeatureName, SmbiosMode
from virtbus.domain.cpu import CpuMode
from virtbus.domain.filesystem import FilesystemType
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus.xml.codec import numbers
from virtbus_esx.vmx.entries import escape, uuid_bytes
from virtbus_esx.vmx.files import Files
from virtbus_esx.vmx.reading import SHARES
from virtbus_esx.vmx.writingcards import write_card, write_parallel, write_serial
from virtbus_esx.vmx.writingdrives import write_drives

GUESTS = {"i686": "other", "x86_64": "other-64"}
MEMORY_STEP = 4096
"""KiB: a machine's memory is a multiple of this."""
VRAM_STEP = 64
"""KiB: that of a video card is a multiple of this (VMware's knowledge base, 1003)."""
BRIDGES_SINCE = 7
"""The hardware version that has PCI Express ports."""


class Writer:
    """A .vmx file as it grows."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.lines: list[str] = []

    def say(self, name: str, value: Any) -> None:
        """Add an entry."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        self.lines.append(f'{name} = "{text}"')


def write_vmx(domain: Domain, hardware: int, files: Files) -> str:
    """The .vmx file of a complete domain.

    :param hardware: the virtual hardware's version.
    :raises XmlInternal, ConfigUnsupported: what a .vmx cannot say; in libvirt's words.
    """
    out = Writer(files)
    out.say(".encoding", "UTF-8")
    out.say("config.version", 8)
    out.say("virtualHW.version", hardware)
    _write_machine(domain, out)
    _write_memory(domain, out)
    _write_processors(domain, out)
    for graphics in domain.devices.graphics:
        _write_graphics(graphics, out)
    write_drives(domain, out)
    _write_shared_folders(domain.devices.filesystems, out)
    for number, card in enumerate(domain.devices.interfaces):
        write_card(card, number, out)
    _write_video(domain, out)
    for serial in domain.devices.serials:
        write_serial(serial, out)
    for parallel in domain.devices.parallels:
        write_parallel(parallel, out)
    _write_firmware(domain, out)
    if hardware >= BRIDGES_SINCE:
        _write_bridges(out)
    return "\n".join(out.lines) + "\n"


def _write_machine(domain: Domain, out: Writer) -> None:
    assert domain.os is not None
    arch = domain.os.type.arch or "i686"
    if arch not in GUESTS:
        raise XmlInternal(
            f"Expecting domain XML attribute 'arch' of entry 'os/type' to be 'i686' or 'x86_64' but found '{arch}'",
            evidence={"path": "/domain/os/type/@arch"},
        )
    out.say("guestOS", GUESTS[arch])
    if domain.os.smbios is SmbiosMode.HOST:
        out.say("smbios.reflecthost", True)
    elif domain.os.smbios not in (None, SmbiosMode.EMULATE):
        raise ConfigUnsupported(
            f"Unsupported SMBIOS mode '{domain.os.smbios}'", evidence={"path": "/domain/os/smbios/@mode"}
        )
    if domain.uuid is None or not domain.uuid.int:
        out.say("uuid.action", "create")
    else:
        out.say("uuid.bios", uuid_bytes(domain.uuid))
    out.say("displayName", escape(domain.name))
    if domain.description is not None:
        out.say("annotation", escape(domain.description))


def _write_memory(domain: Domain, out: Writer) -> None:
    size = 0 if domain.memory is None else domain.memory.kib
    most = -(-size // MEMORY_STEP) * MEMORY_STEP
    out.say("memsize", most // 1024)
    current = most if domain.current_memory is None else domain.current_memory.kib
    if current < size:
        out.say("sched.mem.max", -(-current // 1024))
    least = domain.memtune.min_guarantee if domain.memtune is not None else None
    if least:
        out.say("sched.mem.minsize", -(-least // 1024))


def _write_processors(domain: Domain, out: Writer) -> None:
    count = 1 if domain.vcpu is None else domain.vcpu.count
    if domain.vcpu is not None and domain.vcpu.current not in (None, count):
        raise ConfigUnsupported(
            "No support for domain XML entry 'vcpu' attribute 'current'", evidence={"path": "/domain/vcpu/@current"}
        )
    if count != 1 and count % 2:
        raise XmlInternal(
            f"Expecting domain XML entry 'vcpu' to be 1 or a multiple of 2 but found {count}",
            evidence={"path": "/domain/vcpu"},
        )
    out.say("numvcpus", count)
    _write_topology(domain, count, out)
    if domain.vcpu is not None and domain.vcpu.cpuset:
        chosen = numbers(domain.vcpu.cpuset)
        if len(chosen) < count:
            raise XmlInternal(
                f"Expecting domain XML attribute 'cpuset' of entry 'vcpu' to contain at least {count} CPU(s)",
                evidence={"path": "/domain/vcpu/@cpuset"},
            )
        out.say("sched.cpu.affinity", ",".join(map(str, chosen)))
    shares = domain.cputune.shares if domain.cputune is not None else None
    if shares is not None:
        out.say("sched.cpu.shares", next((name for name, each in SHARES.items() if each * count == shares), shares))


def _write_topology(domain: Domain, count: int, out: Writer) -> None:
    """The cores of a socket, which are all that VMware knows of a processor."""
    if domain.cpu is None:
        return
    if domain.cpu.mode not in (None, CpuMode.CUSTOM):
        raise ConfigUnsupported(f"Unsupported CPU mode '{domain.cpu.mode}'", evidence={"path": "/domain/cpu/@mode"})
    topology = domain.cpu.topology
    if topology is None:
        return
    for name, text in (("threads", "thread per core"), ("dies", "die per socket"), ("clusters", "cluster per die")):
        if getattr(topology, name) not in (None, 1):
            raise ConfigUnsupported(f"Only 1 {text} is supported", evidence={"path": f"/domain/cpu/topology/@{name}"})
    if topology.sockets * topology.cores != count:
        raise ConfigUnsupported(
            "CPU topology doesn't match maximum vcpu count", evidence={"path": "/domain/cpu/topology"}
        )
    out.say("cpuid.coresPerSocket", topology.cores)


def _write_graphics(graphics: Graphics, out: Writer) -> None:
    if graphics.type is not GraphicsType.VNC:
        raise ConfigUnsupported(
            f"Unsupported graphics type '{graphics.type}'", evidence={"path": "/domain/devices/graphics/@type"}
        )
    out.say("RemoteDisplay.vnc.enabled", True)
    if not graphics.autoport and graphics.port is not None and graphics.port >= 0:
        out.say("RemoteDisplay.vnc.port", graphics.port)
    address = graphics.listens[0].address if graphics.listens else graphics.listen
    told = (("ip", address), ("keymap", graphics.keymap), ("password", graphics.password))
    for name, value in told:
        if value:
            out.say(f"RemoteDisplay.vnc.{name}", value)


def _write_shared_folders(folders: list[Filesystem], out: Writer) -> None:
    if not folders:
        return
    out.say("isolation.tools.hgfs.disable", False)
    out.say("sharedFolder.maxNum", len(folders))
    for number, folder in enumerate(folders):
        if folder.type is not FilesystemType.MOUNT:
            raise ConfigUnsupported(
                f"Only '{FilesystemType.MOUNT}' filesystem type is supported",
                evidence={"path": "/domain/devices/filesystem/@type"},
            )
        prefix = f"sharedFolder{number}"
        for name, value in (
            ("present", True),
            ("enabled", True),
            ("readAccess", True),
            ("writeAccess", not folder.readonly),
            ("hostPath", "" if folder.source is None else folder.source.dir),
            ("guestName", "" if folder.target is None else folder.target.dir),
        ):
            out.say(f"{prefix}.{name}", value)


def _write_video(domain: Domain, out: Writer) -> None:
    videos = domain.devices.videos
    if not videos:
        return
    if len(videos) > 1:
        raise ConfigUnsupported("No support for multiple video devices", evidence={"path": "/domain/devices/video[2]"})
    model = videos[0].model
    if model is None or model.type is not VideoType.VMVGA:
        raise ConfigUnsupported(
            f"Unsupported video device type '{model and model.type}'", evidence={"path": "/domain/devices/video"}
        )
    out.say("svga.vramSize", -(-(model.vram or 0) // VRAM_STEP) * VRAM_STEP * 1024)


def _write_firmware(domain: Domain, out: Writer) -> None:
    if domain.os is None or domain.os.firmware is not Firmware.EFI:
        return
    out.say("firmware", "efi")
    features = [] if domain.os.firmware_choice is None else domain.os.firmware_choice.features
    if any(feature.enabled and feature.name is FirmwareFeatureName.SECURE_BOOT for feature in features):
        out.say("uefi.secureBoot.enabled", "TRUE")


def _write_bridges(out: Writer) -> None:
    """The PCI Express ports, without which there is no room for many cards."""
    out.say("pciBridge0.present", True)
    for number in (4, 5, 6, 7):
        out.say(f"pciBridge{number}.present", True)
        out.say(f"pciBridge{number}.virtualDev", "pcieRootPort")
        out.say(f"pciBridge{number}.functions", 8)
    out.say("vmci0.present", True)
