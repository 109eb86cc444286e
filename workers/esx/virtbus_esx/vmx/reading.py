"""A domain from a .vmx file: what the machine is; its drives and cards are in modules of their own."""

from __future__ import annotations

from uuid import UUID

from virtbus.domain import Domain, DomainType, Graphics, GraphicsType, Video, VideoType, buses, pair_console
from virtbus.domain.boot import (
    Firmware,
    FirmwareChoice,
    FirmwareFeature,
    FirmwareFeatureName,
    Os,
    OsType,
    OsTypeName,
    SmbiosMode,
)
from virtbus.domain.clock import Clock
from virtbus.domain.cpu import Cpu, CpuTopology
from virtbus.domain.devices import Devices
from virtbus.domain.filesystem import AccessMode, Filesystem, FilesystemSource, FilesystemTarget, FilesystemType
from virtbus.domain.graphics import Listen, ListenType
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import CpuTune, MemTune, Placement, Vcpu
from virtbus.domain.video import VideoModel
from virtbus.errors import XmlInternal
from virtbus.xml.codec import ranges
from virtbus_esx.vmx.cards import CARD_LIMIT, PARALLEL_LIMIT, SERIAL_LIMIT, read_card, read_parallel, read_serial
from virtbus_esx.vmx.drives import read_drives
from virtbus_esx.vmx.entries import Entries, unescape
from virtbus_esx.vmx.files import Files

SHARES = {"low": 500, "normal": 1000, "high": 2000}
"""Of each virtual processor (SharesInfo.Level of the API's reference)."""

_NOBODY = UUID(int=0)
DEFAULT_VRAM = 4 * 1024 * 1024
MASK = 16384
"""libvirt counts the host's processors up to here."""


def read_vmx(text: str, files: Files, *, datacenter: str | None = None) -> Domain:
    """The domain that a .vmx file describes.

    :param datacenter: where in a vCenter's inventory its host is, for those who fetch its disks.
    :raises XmlInternal: the file says nonsense, or something that is not known; in libvirt's words.
    """
    entries = Entries.parse(text)
    encoding = entries.optional(".encoding")
    if encoding is not None and encoding.upper() not in ("UTF-8", "US-ASCII", "ASCII"):
        entries = Entries.parse(_in(encoding, text))
    _check_versions(entries)
    domain = Domain(type=DomainType.VMWARE, name=_name(entries), devices=Devices())
    domain.uuid = entries.uuid("uuid.bios") or _NOBODY
    domain.description = _description(entries)
    _read_memory(entries, domain)
    _read_processors(entries, domain)
    domain.os = _os(entries)
    domain.clock = Clock()
    domain.on_poweroff, domain.on_reboot = LifecycleAction.DESTROY, LifecycleAction.RESTART
    domain.on_crash = LifecycleAction.DESTROY
    devices = domain.devices
    devices.graphics = _graphics(entries)
    devices.disks, devices.controllers = read_drives(entries, files)
    devices.filesystems = _shared_folders(entries)
    devices.interfaces = [card for number in range(CARD_LIMIT) if (card := read_card(entries, number)) is not None]
    devices.videos = [_video(entries)]
    devices.serials = [
        port for number in range(SERIAL_LIMIT) if (port := read_serial(entries, number, files)) is not None
    ]
    devices.parallels = [
        each for number in range(PARALLEL_LIMIT) if (each := read_parallel(entries, number, files)) is not None
    ]
    domain.vmware_datacenter_path = datacenter
    buses.add_controllers(domain)
    pair_console(domain)
    return domain


def _in(encoding: str, text: str) -> str:
    """A file's text that was read as if its bytes were Latin-1 or UTF-8, in the encoding that it says."""
    try:
        return text.encode("latin-1").decode(encoding)
    except (LookupError, UnicodeError):
        raise XmlInternal(f"Could not convert from {encoding} to UTF-8 encoding") from None


def _check_versions(entries: Entries) -> None:
    config = entries.number("config.version")
    if config != 8:
        raise XmlInternal(f"Expecting VMX entry 'config.version' to be 8 but found {config}")
    hardware = entries.number("virtualHW.version")
    if hardware < 4:
        raise XmlInternal(f"Expecting VMX entry 'virtualHW.version' to be 4 or higher but found {hardware}")


def _name(entries: Entries) -> str:
    refusal = "VMX entry 'name' contains invalid escape sequence"
    return unescape(unescape(entries.string("displayName"), "%", refusal), "|", refusal)


def _description(entries: Entries) -> str | None:
    text = entries.optional("annotation")
    return text and unescape(text, "|", "VMX entry 'annotation' contains invalid escape sequence")


def _read_memory(entries: Entries, domain: Domain) -> None:
    size = entries.number("memsize", 32)
    if size <= 0 or size % 4:
        raise XmlInternal(f"Expecting VMX entry 'memsize' to be an unsigned integer (multiple of 4) but found {size}")
    most = entries.number("sched.mem.max", size)
    domain.memory = Memory(kib=size * 1024)
    domain.current_memory = CurrentMemory(kib=min(size if most < 0 else most, size) * 1024)
    least = min(max(entries.number("sched.mem.minsize", 0), 0), size)
    if least:
        domain.memtune = MemTune(min_guarantee=least * 1024)


def _read_processors(entries: Entries, domain: Domain) -> None:
    count = entries.number("numvcpus", 1)
    if count <= 0:
        raise XmlInternal(f"Expecting VMX entry 'numvcpus' to be an unsigned integer greater than 0 but found {count}")
    domain.vcpu = Vcpu(count=count, placement=Placement.STATIC, cpuset=_affinity(entries, count))
    cores = entries.number("cpuid.coresPerSocket", 1)
    if cores > 1:
        if count % cores:
            raise XmlInternal(
                f"Expecting VMX entry 'numvcpus' to be an unsigned integer multiple of {cores} but found {count}"
            )
        topology = CpuTopology(sockets=count // cores, dies=1, clusters=1, cores=cores, threads=1)
        domain.cpu = Cpu(topology=topology)
    shares = entries.optional("sched.cpu.shares")
    if shares is None:
        return
    if shares.lower() not in SHARES and not shares.isdecimal():
        raise XmlInternal(
            "Expecting VMX entry 'sched.cpu.shares' to be an unsigned integer or 'low', 'normal' or 'high'"
            f" but found '{shares}'"
        )
    each = SHARES.get(shares.lower())
    domain.cputune = CpuTune(shares=int(shares) if each is None else each * count)


def _affinity(entries: Entries, count: int) -> str | None:
    """The host's processors that the domain runs on."""
    text = entries.optional("sched.cpu.affinity")
    if text is None or text.lower() == "all":
        return None
    numbers = [part.strip() for part in text.split(",")]
    if not all(number.isdecimal() for number in numbers):
        raise XmlInternal(
            "Expecting VMX entry 'sched.cpu.affinity' to be a comma separated list of unsigned integers"
            f" but found '{text}'"
        )
    for number in map(int, numbers):
        if number >= MASK:
            raise XmlInternal(f"VMX entry 'sched.cpu.affinity' contains a {number}, this value is too large")
    if len(numbers) < count:
        raise XmlInternal(
            "Expecting VMX entry 'sched.cpu.affinity' to contain at least as many values as 'numvcpus'"
            f" ({count}) but found only {len(numbers)} value(s)"
        )
    return ranges(sorted(set(map(int, numbers))))


def _os(entries: Entries) -> Os:
    guest = (entries.optional("guestOS") or "").lower()
    made = Os(type=OsType(name=OsTypeName.HVM, arch="x86_64" if guest.endswith("-64") else "i686"))
    if entries.boolean("smbios.reflecthost", False):
        made.smbios = SmbiosMode.HOST
    if entries.optional("firmware") == "efi":
        made.firmware = Firmware.EFI
        if entries.boolean("uefi.secureBoot.enabled", False):
            names = (FirmwareFeatureName.ENROLLED_KEYS, FirmwareFeatureName.SECURE_BOOT)
            made.firmware_choice = FirmwareChoice(features=[FirmwareFeature(enabled=True, name=name) for name in names])
    return made


def _graphics(entries: Entries) -> list[Graphics]:
    if not entries.boolean("RemoteDisplay.vnc.enabled", False):
        return []
    port = entries.number("RemoteDisplay.vnc.port", -1)
    address = entries.optional("RemoteDisplay.vnc.ip")
    made = Graphics(
        type=GraphicsType.VNC,
        port=-1 if port < 0 else port,
        autoport=port < 0,
        keymap=entries.optional("RemoteDisplay.vnc.keymap"),
        password=entries.optional("RemoteDisplay.vnc.password"),
        listen=address,
        listens=[Listen(type=ListenType.ADDRESS, address=address)],
    )
    return [made]


def _shared_folders(entries: Entries) -> list[Filesystem]:
    if entries.boolean("isolation.tools.hgfs.disable", True):
        return []
    folders = []
    for number in range(entries.number("sharedFolder.maxNum", 0)):
        prefix = f"sharedFolder{number}"
        if not entries.boolean(f"{prefix}.present", False) or not entries.boolean(f"{prefix}.enabled", False):
            continue
        folders.append(
            Filesystem(
                type=FilesystemType.MOUNT,
                accessmode=AccessMode.PASSTHROUGH,
                source=FilesystemSource(dir=entries.string(f"{prefix}.hostPath")),
                target=FilesystemTarget(dir=entries.string(f"{prefix}.guestName")),
                readonly=not entries.boolean(f"{prefix}.writeAccess", False),
            )
        )
    return folders


def _video(entries: Entries) -> Video:
    size = entries.number("svga.vramSize", DEFAULT_VRAM)
    return Video(model=VideoModel(type=VideoType.VMVGA, vram=-(-size // 1024), primary=True))
