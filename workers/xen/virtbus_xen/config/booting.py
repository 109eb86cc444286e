"""What the guest boots: firmware and a boot order, a boot loader, or a kernel of the host."""

from __future__ import annotations

from virtbus.domain import Domain
from virtbus.domain.boot import AcpiTable, AcpiTables, BootDevice, Loader, LoaderType, Os, OsType, OsTypeName
from virtbus.domain.cpu import CpuFeaturePolicy, CpuMode
from virtbus.domain.storage import ImageFormat
from virtbus.errors import InvalidArgument
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import is_full
from virtbus_xen.config.syntax import Settings

HVMLOADER = "/usr/lib/xen/boot/hvmloader"
OVMF = "/usr/lib/xen/boot/ovmf.bin"
PYGRUB = "pygrub"

MACHINES = {OsTypeName.HVM: "xenfv", OsTypeName.LINUX: "xenpv", OsTypeName.XENPVH: "xenpvh"}
"""libvirt's names of Xen's three kinds of virtual machine."""

_TYPES = {"hvm": OsTypeName.HVM, "pvh": OsTypeName.XENPVH, "pv": OsTypeName.LINUX}

_LETTERS = {"a": BootDevice.FD, "c": BootDevice.HD, "d": BootDevice.CDROM, "n": BootDevice.NETWORK}

VIRTUALIZATION = ("vmx", "svm")
"""The processor features that let a guest be a host itself."""


def read_type(settings: Settings, arch: str) -> Os:
    """Which kind of virtual machine: `type` says it, or the older `builder`."""
    kind = settings.text("type")
    if kind is None:
        kind = "hvm" if settings.text("builder") == "hvm" else "pv"
    if kind not in _TYPES:
        raise InvalidArgument(f"type {kind:.40} is not supported")
    name = _TYPES[kind]
    return Os(type=OsType(arch=arch, machine=MACHINES[name], name=name))


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    assert domain.os is not None
    system = domain.os
    domain.devices.emulator = settings.text("device_model_override") or settings.text("device_model")
    if is_full(domain):
        system.boots = [_LETTERS[letter] for letter in settings.text("boot") or "c" if letter in _LETTERS]
        _read_firmware(settings, system, dialect)
        if dialect is Dialect.XM:
            return
    else:
        domain.devices.emulator = None
        domain.bootloader = settings.text("bootloader")
        domain.bootloader_args = settings.text("bootargs")
    system.kernel, system.initrd = settings.text("kernel"), settings.text("ramdisk")
    system.cmdline = _command_line(settings, dialect)


def _read_firmware(settings: Settings, system: Os, dialect: Dialect) -> None:
    table = settings.text("acpi_firmware")
    if table is not None:
        system.acpi = AcpiTables(tables=[AcpiTable(type="rawset", path=table)])
    if dialect is Dialect.XM:
        system.loader = Loader(type=LoaderType.ROM, image_format=ImageFormat.RAW, path=settings.text("kernel"))
    elif settings.text("bios") == "ovmf":
        path = settings.text("bios_path_override") or OVMF
        system.loader = Loader(readonly=True, type=LoaderType.PFLASH, image_format=ImageFormat.RAW, path=path)
    else:
        system.loader = Loader(type=LoaderType.ROM, image_format=ImageFormat.RAW, path=HVMLOADER)


def _command_line(settings: Settings, dialect: Dialect) -> str | None:
    """`cmdline` says it all; before it there were `root` and `extra`."""
    if dialect is Dialect.XL and (line := settings.text("cmdline")) is not None:
        return line
    root, extra = settings.text("root"), settings.text("extra")
    words = [f"root={root}"] if root is not None else []
    return " ".join([*words, *([extra] if extra is not None else [])]) or None


def write(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    system = domain.os or read_type(Settings(), "x86_64")
    if not is_full(domain):
        if system.type.name is OsTypeName.XENPVH:
            settings["type"] = "pvh"
        _put(settings, "bootloader", domain.bootloader)
        _put(settings, "bootargs", domain.bootloader_args)
        _put(settings, "kernel", system.kernel)
        _put(settings, "ramdisk", system.initrd)
        _put(settings, "cmdline" if dialect is Dialect.XL else "extra", system.cmdline)
        return
    settings["builder"] = "hvm"
    if dialect is Dialect.XM:
        _put(settings, "kernel", system.loader.path if system.loader is not None else None)
    else:
        _write_firmware(settings, system)
        _put(settings, "kernel", system.kernel)
        _put(settings, "ramdisk", system.initrd)
        _put(settings, "cmdline", system.cmdline)
    letters = {device: letter for letter, device in _LETTERS.items()}
    settings["boot"] = "".join(letters[device] for device in system.boots) or "c"
    if dialect is Dialect.XL and (nested := nested_virtualization(domain)) is not None:
        settings["nestedhvm"] = int(nested)


def _write_firmware(settings: Settings, system: Os) -> None:
    if is_uefi(system):
        settings["bios"] = "ovmf"
        _put(settings, "bios_path_override", system.loader.path if system.loader is not None else None)
    for table in system.acpi.tables if system.acpi is not None else ():
        settings["acpi_firmware"] = table.path


def is_uefi(system: Os) -> bool:
    """Whether the firmware is OVMF: chosen by name, or by an image that is no ROM."""
    return system.firmware == "efi" or (system.loader is not None and system.loader.type is LoaderType.PFLASH)


def nested_virtualization(domain: Domain) -> bool | None:
    """Whether the guest may have guests; None where nothing is said."""
    if domain.cpu is None or domain.cpu.mode is not CpuMode.HOST_PASSTHROUGH:
        return None
    refused = (CpuFeaturePolicy.DISABLE, CpuFeaturePolicy.FORBID)
    return not any(each.name in VIRTUALIZATION and each.policy in refused for each in domain.cpu.features)


def _put(settings: Settings, name: str, text: str | None) -> None:
    if text is not None:
        settings[name] = text
