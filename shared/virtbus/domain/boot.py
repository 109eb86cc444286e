"""What the guest boots: firmware, boot devices, or a kernel of the host."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.storage import ImageFormat, StorageSource, StorageType
from virtbus.xml import Element, UInt, attribute, child, children, text


class OsTypeName(StrEnum):
    """How much the guest knows of being one."""

    HVM = "hvm"
    XEN = "xen"
    LINUX = "linux"
    EXE = "exe"
    UML = "uml"
    XENPVH = "xenpvh"


class OsType(Element, tag="type"):
    """The processor architecture and the machine that the guest sees."""

    arch: str | None = attribute()
    machine: str | None = attribute()
    name: OsTypeName = text()


class Firmware(StrEnum):
    """Which kind of firmware is chosen by its features."""

    BIOS = "bios"
    EFI = "efi"


class FirmwareFeatureName(StrEnum):
    """What firmware can do."""

    ENROLLED_KEYS = "enrolled-keys"
    SECURE_BOOT = "secure-boot"


class FirmwareFeature(Element, tag="feature"):
    """What the chosen firmware must or must not do."""

    enabled: bool = attribute()
    name: FirmwareFeatureName = attribute()


class FirmwareChoice(Element, tag="firmware"):
    """What the chosen firmware must be able to do."""

    type: str | None = attribute()
    features: list[FirmwareFeature] = children()


class LoaderType(StrEnum):
    """How firmware is loaded."""

    ROM = "rom"
    PFLASH = "pflash"
    NONE = "none"


class Loader(Element, tag="loader", empty=True):
    """The firmware's file on the host."""

    readonly: bool | None = attribute()
    secure: bool | None = attribute()
    type: LoaderType | None = attribute()
    stateless: bool | None = attribute()
    image_format: ImageFormat | None = attribute("format")
    path: str | None = text()


class Nvram(Element, tag="nvram"):
    """The file of the firmware's variables, and what it is made from."""

    template: str | None = attribute()
    template_format: ImageFormat | None = attribute("templateFormat")
    type: StorageType | None = attribute()
    image_format: ImageFormat | None = attribute("format")
    path: str | None = text()
    source: StorageSource | None = child()


class AcpiTable(Element, tag="table"):
    """A file with an ACPI table for the guest."""

    type: str = attribute()
    path: str = text()


class AcpiTables(Element, tag="acpi"):
    """ACPI tables that the guest gets besides."""

    tables: list[AcpiTable] = children()


class BootDevice(StrEnum):
    """What kind of device is booted from."""

    FD = "fd"
    HD = "hd"
    CDROM = "cdrom"
    NETWORK = "network"


class BootMenu(Element, tag="bootmenu"):
    """Whether the firmware asks, and for how many milliseconds."""

    enable: bool | None = attribute()
    timeout: UInt | None = attribute()


class SmbiosMode(StrEnum):
    """Where the guest's SMBIOS tables come from."""

    EMULATE = "emulate"
    HOST = "host"
    SYSINFO = "sysinfo"


class Bios(Element, tag="bios"):
    """What a BIOS is told; the reboot timeout is in milliseconds, -1 means never."""

    useserial: bool | None = attribute()
    reboot_timeout: int | None = attribute("rebootTimeout")


class InitVariable(Element, tag="initenv"):
    """An environment variable of a container's init."""

    name: str = attribute()
    value: str = text(default="")


class Os(Element, tag="os"):
    """What the guest boots."""

    firmware: Firmware | None = attribute()
    type: OsType = child()
    firmware_choice: FirmwareChoice | None = child("firmware")
    init: str | None = child()
    init_arguments: list[str] = children("initarg")
    init_variables: list[InitVariable] = children()
    init_dir: str | None = child("initdir")
    init_user: str | None = child("inituser")
    init_group: str | None = child("initgroup")
    loader: Loader | None = child()
    nvram: Nvram | None = child()
    kernel: str | None = child()
    initrd: str | None = child()
    cmdline: str | None = child()
    dtb: str | None = child()
    shim: str | None = child()
    root: str | None = child()
    acpi: AcpiTables | None = child()
    boots: list[BootDevice] = children("boot", attribute="dev")
    bootmenu: BootMenu | None = child()
    smbios: SmbiosMode | None = child(attribute="mode")
    bios: Bios | None = child()
