"""What the guest is told of who it is: UUID, SMBIOS tables, firmware configuration, generation."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.boot import SmbiosMode
from virtbus.domain.sysinfo import Sysinfo, SysinfoTable, SysinfoType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Context, compact, escape

#: The fields of each SMBIOS table, in QEMU's order.
_FIELDS = {
    0: ("vendor", "version", "date", "release"),
    1: ("manufacturer", "product", "version", "serial", "uuid", "sku", "family"),
    2: ("manufacturer", "product", "version", "serial", "asset", "location"),
    3: ("manufacturer", "version", "serial", "asset", "sku"),
}

_STRINGS = 11


def identity(context: Context) -> list[str]:
    """What the guest is told of who it is."""
    domain = context.domain
    options = ["-uuid", str(domain.uuid)] if domain.uuid else []
    options += [word for text in _smbios(context) for word in ("-smbios", text)]
    options += [word for text in _firmware_configuration(context) for word in ("-fw_cfg", text)]
    if domain.genid:
        options += ["-device", compact({"driver": "vmgenid", "guid": str(domain.genid), "id": "vmgenid0"})]
    return options


def core_info(context: Context) -> list[str]:
    """The device through which the guest says where its notes for a memory dump are."""
    features = context.domain.features
    if features is None or features.vmcoreinfo is None or features.vmcoreinfo.state is False:
        return []
    return ["-device", compact({"driver": "vmcoreinfo"})]


def _smbios(context: Context) -> Iterator[str]:
    mode = context.domain.os.smbios if context.domain.os else None
    if mode in (None, SmbiosMode.EMULATE):
        return
    if mode is SmbiosMode.HOST:
        raise ConfigUnsupported(
            "Host SMBIOS information is not available",
            domain=context.domain.name,
            evidence={"path": "/domain/os/smbios/@mode"},
        )
    said = [each for each in context.domain.sysinfo if each.type is SysinfoType.SMBIOS]
    if not said:
        raise ConfigUnsupported(
            f"Domain '{context.domain.name}' sysinfo are not available",
            domain=context.domain.name,
            evidence={"path": "/domain/sysinfo"},
        )
    for each in said:
        yield from _tables(each)


def _tables(said: Sysinfo) -> Iterator[str]:
    for number, table in (
        (0, said.bios),
        (1, said.system),
        *((2, board) for board in said.base_boards),
        (3, said.chassis),
    ):
        if table is not None and table.entries:
            yield _table(number, table)
    if said.oem_strings is not None and said.oem_strings.entries:
        values = (f"value={escape(entry.value or '')}" for entry in said.oem_strings.entries)
        yield ",".join([f"type={_STRINGS}", *values])


def _table(number: int, table: SysinfoTable) -> str:
    values = {entry.name: entry.value or "" for entry in table.entries}
    words = [f"{name}={escape(values[name])}" for name in _FIELDS[number] if name in values]
    return ",".join([f"type={number}", *words])


def _firmware_configuration(context: Context) -> Iterator[str]:
    for said in context.domain.sysinfo:
        for entry in said.entries if said.type is SysinfoType.FWCFG else ():
            kind, value = ("file", entry.file) if entry.file else ("string", entry.value)
            yield f"name={escape(entry.name or '')},{kind}={escape(value or '')}"
