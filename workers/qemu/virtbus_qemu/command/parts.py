"""What a device is made of in QEMU: backends on the host's side, and the device that the guest sees.

The same description becomes options of a command line, and the QMP commands that plug and unplug it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

from virtbus.domain.domain import Domain
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import keyvalue
from virtbus_qemu.command.keyvalue import escape as escape
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
    json: bool | None = None
    """Whether its option is written as JSON; None for what QEMU's versions have in common: chardevs are not."""
    opened: tuple[str, ...] = ()
    """Options before it that hand over what was opened for it."""
    owned: bool = False
    """Whether it ends with the backend that uses it, and is not taken away by itself."""

    @property
    def id(self) -> str:
        """Its name in QEMU."""
        return str(self.properties["node-name" if self.kind is BackendKind.BLOCKDEV else "id"])

    def options(self) -> list[str]:
        """As options of a command line."""
        older = _OLDER.get(self.kind)
        as_json = older is None or (self.kind is not BackendKind.CHARDEV if self.json is None else self.json)
        text = compact(self.properties) if as_json or older is None else older(self.properties)
        return [*self.opened, f"-{self.kind}", text]

    def add(self) -> Command:
        """As the command that adds it."""
        return Command(_VERBS[self.kind][0], self.properties)

    def delete(self) -> Command:
        """The command that takes it away."""
        verb, name = _VERBS[self.kind][1:]
        return Command(verb, {name: self.id})


_OLDER: Mapping[BackendKind, Callable[[Mapping[str, Any]], str]] = {
    BackendKind.CHARDEV: keyvalue.chardev,
    BackendKind.NETDEV: keyvalue.netdev,
}

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
    before: tuple[str, ...] = ()
    """Options that exist on a command line only, between the backends and the guest's side."""
    extension: Mapping[str, Any] | None = None
    """A device of QEMU's that is there before the guest's side, and goes after it."""
    earlier: tuple[Command, ...] = ()
    """To be sent before the device is added."""
    device_first: bool = False
    """On a command line the guest's side comes before its backends, which QEMU makes first all the same."""

    def arguments(self) -> list[str]:
        """As options of a command line."""
        sides = (each for each in (self.extension, self.device) if each is not None)
        device = [word for each in sides for word in ("-device", compact(each))]
        backends = [option for backend in self.backends for option in backend.options()]
        first, then = (device, backends) if self.device_first else (backends, device)
        return [*first, *self.before, *then, *self.options]


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
    descriptor_sets: Iterator[int] = field(default_factory=count, compare=False)
    """The numbers of sets of descriptors that are passed on the command line."""
    incoming: str | None = None
    """Where a guest that comes from elsewhere is read from, as QEMU's -incoming wants it."""

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
