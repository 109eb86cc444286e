"""-boot, a kernel of the host, ACPI tables, and the order in which devices are booted from."""

from __future__ import annotations

from typing import Any

from virtbus.domain.boot import BootDevice, Os
from virtbus.domain.domain import Domain
from virtbus_qemu.command.parts import Context, compact, escape, on_off

#: How QEMU knows a table of each type; None where the file has its own header.
_SIGNATURES = {"slic": "SLIC", "msdm": "MSDM"}


def boot(context: Context) -> list[str]:
    """-boot, and a kernel of the host."""
    os = context.domain.os
    if os is None:
        return ["-boot", "strict=on"]
    words = []
    if os.bootmenu is not None and os.bootmenu.enable is not None:
        words.append(f"menu={on_off(os.bootmenu.enable)}")
        if os.bootmenu.enable and os.bootmenu.timeout:
            words.append(f"splash-time={os.bootmenu.timeout}")
    if os.bios is not None and os.bios.reboot_timeout is not None:
        words.append(f"reboot-timeout={os.bios.reboot_timeout}")
    return ["-boot", ",".join([*words, "strict=on"]), *_kernel(os), *_tables(os)]


def serial_screen(context: Context) -> list[str]:
    """The firmware that shows a text screen on the first serial line (SGABIOS), where it is wanted."""
    bios = context.domain.os.bios if context.domain.os else None
    return ["-device", compact({"driver": "sga"})] if bios is not None and bios.useserial else []


def _kernel(os: Os) -> list[str]:
    given = {"kernel": os.kernel, "initrd": os.initrd, "append": os.cmdline, "dtb": os.dtb, "shim": os.shim}
    return [word for name, value in given.items() if value for word in (f"-{name}", value)]


def _tables(os: Os) -> list[str]:
    words: list[str] = []
    for table in os.acpi.tables if os.acpi else ():
        signature = f"sig={_SIGNATURES[table.type]}," if table.type in _SIGNATURES else ""
        words += ["-acpitable", f"{signature}file={escape(table.path)}"]
    return words


def boot_order(domain: Domain) -> dict[str, int]:
    """The boot index of devices by alias: their own order, or the first device of each kind that <boot> names."""
    boots = domain.os.boots if domain.os else []
    if not boots:
        return {
            device.alias: boot.order
            for device in domain.devices.every()
            if device.alias and (boot := getattr(device, "boot", None)) is not None
        }
    disks = domain.devices.disks
    firsts: dict[BootDevice, Any] = {
        BootDevice.HD: next((disk for disk in disks if disk.device.value in ("disk", "lun")), None),
        BootDevice.CDROM: next((disk for disk in disks if disk.device.value == "cdrom"), None),
        BootDevice.FD: next((disk for disk in disks if disk.device.value == "floppy"), None),
        BootDevice.NETWORK: next(iter(domain.devices.interfaces), None),
    }
    places = {kind: index for index, kind in enumerate(boots, 1)}
    return {
        device.alias: places[kind]
        for kind, device in firsts.items()
        if kind in places and device is not None and device.alias
    }
