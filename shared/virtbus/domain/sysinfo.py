"""What the guest reads about its machine: SMBIOS tables and firmware configuration."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, attribute, child, children, text


class SysinfoType(StrEnum):
    """By which way the guest reads it."""

    SMBIOS = "smbios"
    FWCFG = "fwcfg"


class SysinfoEntry(Element, tag="entry"):
    """A value, mostly with a name; firmware configuration may come from a file."""

    name: str | None = attribute()
    file: str | None = attribute()
    value: str | None = text()


class SysinfoTable(Element):
    """The entries of one table."""

    entries: list[SysinfoEntry] = children()


class Sysinfo(Element, tag="sysinfo"):
    """What the guest reads about its machine."""

    type: SysinfoType = attribute()
    bios: SysinfoTable | None = child()
    system: SysinfoTable | None = child()
    base_boards: list[SysinfoTable] = children("baseBoard")
    chassis: SysinfoTable | None = child()
    oem_strings: SysinfoTable | None = child("oemStrings")
    entries: list[SysinfoEntry] = children()
