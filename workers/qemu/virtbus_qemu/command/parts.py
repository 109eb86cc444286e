"""What a device is made of in QEMU: backends on the host's side, and the device that the guest sees.

The same description becomes options of a command line, and the QMP commands that plug and unplug it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from virtbus.domain.domain import Domain
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import Platform
from virtbus_qemu.settings import QemuSettings


class BackendKind(StrEnum):
    """The kinds of backends, by their option."""

    BLOCKDEV = "blockdev"
    NETDEV = "netdev"
    CHARDEV = "chardev"
    OBJECT = "object"


@dataclass(frozen=True)
class Command:
    """A QMP command."""

    execute: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Backend:
    """A backend, with its properties as QMP takes them."""

    kind: BackendKind
    properties: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its name in QEMU."""
        return str(self.properties["node-name" if self.kind is BackendKind.BLOCKDEV else "id"])

    def options(self) -> list[str]:
        """As options of a command line."""
        text = _chardev_option(self.properties) if self.kind is BackendKind.CHARDEV else compact(self.properties)
        return [f"-{self.kind}", text]

    def add(self) -> Command:
        """As the command that adds it."""
        return Command(_VERBS[self.kind][0], self.properties)

    def delete(self) -> Command:
        """The command that takes it away."""
        verb, name = _VERBS[self.kind][1:]
        return Command(verb, {name: self.id})


_VERBS = {
    BackendKind.BLOCKDEV: ("blockdev-add", "blockdev-del", "node-name"),
    BackendKind.NETDEV: ("netdev_add", "netdev_del", "id"),
    BackendKind.CHARDEV: ("chardev-add", "chardev-remove", "id"),
    BackendKind.OBJECT: ("object-add", "object-del", "id"),
}


@dataclass(frozen=True)
class Parts:
    """A device: its backends in the order of their making, the guest's side, and what is to be done afterwards."""

    backends: tuple[Backend, ...] = ()
    device: Mapping[str, Any] | None = None
    """Properties for -device and device_add; None where the guest's side is built in or has no device."""
    options: tuple[str, ...] = ()
    """Options that exist on a command line only."""
    settle: tuple[Command, ...] = ()
    """To be sent once the device is there."""

    def arguments(self) -> list[str]:
        """As options of a command line."""
        device = [] if self.device is None else ["-device", compact(self.device)]
        return [*(option for backend in self.backends for option in backend.options()), *device, *self.options]


@dataclass(frozen=True)
class Context:
    """What a description may depend on besides the device itself."""

    domain: Domain
    platform: Platform
    capabilities: Capabilities
    settings: QemuSettings
    folder: Path
    """The domain's runtime folder."""
    boot_index: Mapping[str, int]
    """The place in the boot order by alias."""

    def has(self, flag: str) -> bool:
        """Whether QEMU has what a capability flag says."""
        return self.capabilities.has(flag)


Describe = Callable[[Any, Context], Parts]


def backend(kind: BackendKind, **properties: Any) -> Backend:
    """A backend; underscores in names become dashes, what is None is left out."""
    return Backend(kind, {name.replace("_", "-"): value for name, value in given(**properties).items()})


def given(dashed: Mapping[str, Any] | None = None, /, **properties: Any) -> dict[str, Any]:
    """The properties that are not None. QEMU tells dashes and underscores in a device's properties apart."""
    return {name: value for name, value in {**(dashed or {}), **properties}.items() if value is not None}


def compact(properties: Mapping[str, Any]) -> str:
    """JSON without blanks, in the given order."""
    return json.dumps(properties, separators=(",", ":"), ensure_ascii=False)


def on_off(value: bool | None) -> str | None:
    """For properties of QEMU's type OnOffAuto."""
    return None if value is None else "on" if value else "off"


def escape(text: str) -> str:
    """A value of an option in QEMU's older syntax, where a comma is written twice."""
    return text.replace(",", ",,")


def _chardev_option(properties: Mapping[str, Any]) -> str:
    """The older syntax of a chardev, which -chardev still wants: it takes no JSON."""
    backend = properties["backend"]
    values: dict[str, Any] = {"id": properties["id"]}
    for name, value in backend["data"].items():
        if name == "addr":
            values |= value["data"]
        elif name in _CHARDEV_NAMES:
            values[_CHARDEV_NAMES[name]] = value
    words = [f"{name}={_chardev_value(value)}" for name, value in values.items()]
    return ",".join([backend["type"], *words])


def _chardev_value(value: Any) -> str:
    return escape(str(on_off(value) if isinstance(value, bool) else value))


#: Names of chardev-add, and what -chardev calls the same.
_CHARDEV_NAMES = {
    "out": "path",
    "device": "path",
    "append": "append",
    "server": "server",
    "wait": "wait",
    "telnet": "telnet",
    "reconnect": "reconnect",
    "logfile": "logfile",
    "logappend": "logappend",
}
