"""The lines of an LXC configuration, `key = value`; keys of the format before LXC 3.0 get today's names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from virtbus.errors import XmlError

LEGACY: dict[str, str] = {
    "lxc.utsname": "lxc.uts.name",
    "lxc.rootfs": "lxc.rootfs.path",
    "lxc.mount": "lxc.mount.fstab",
    "lxc.tty": "lxc.tty.max",
    "lxc.pts": "lxc.pty.max",
    "lxc.id_map": "lxc.idmap",
    "lxc.init_cmd": "lxc.init.cmd",
    "lxc.init_uid": "lxc.init.uid",
    "lxc.init_gid": "lxc.init.gid",
    "lxc.environment": "lxc.environment",
}
"""Keys before LXC 3.0 that only changed their names (lxc-update-config(1))."""

_LEGACY_NETWORK: dict[str, str] = {"ipv4": "ipv4.address", "ipv6": "ipv6.address"}
_NETWORK = "lxc.network."


@dataclass(frozen=True)
class Setting:
    """One line."""

    key: str
    value: str
    number: int
    """The line's number, from 1."""


def parse_settings(text: str) -> list[Setting]:
    """The lines of a file that set something, in order, with today's keys.

    :raise XmlError: a line is no setting; `evidence["line"]` has its number.
    """
    return list(_renamed(_lines(text)))


def _lines(text: str) -> Iterator[Setting]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not re.fullmatch(r"lxc\.[a-zA-Z0-9_.:-]+", key.strip()):
            raise XmlError(f"line {number} of the container's configuration is no setting", evidence={"line": number})
        yield Setting(key.strip(), value.strip(), number)


def _renamed(settings: Iterator[Setting]) -> Iterator[Setting]:
    """A network of the old format begins with its type, those of today are numbered."""
    network = -1
    for setting in settings:
        key = LEGACY.get(setting.key, setting.key)
        if key.startswith(_NETWORK):
            name = key.removeprefix(_NETWORK)
            if name == "type" or network < 0:
                network += 1
            key = f"lxc.net.{network}.{_LEGACY_NETWORK.get(name, name)}"
        yield Setting(key, setting.value, setting.number)


class Settings:
    """The settings of a container by key."""

    def __init__(self, text: str) -> None:
        self.lines = parse_settings(text)

    def last(self, key: str) -> str | None:
        """The value that counts where a key is set several times; None where it is not set, or set to nothing."""
        values = self.all(key)
        return values[-1] if values else None

    def all(self, key: str) -> list[str]:
        """All values of a key that may be set several times; an empty value forgets those before it."""
        values: list[str] = []
        for line in self.lines:
            if line.key == key:
                values = [*values, line.value] if line.value else []
        return values

    def below(self, prefix: str) -> list[Setting]:
        """The settings whose keys begin so."""
        return [line for line in self.lines if line.key.startswith(prefix)]
