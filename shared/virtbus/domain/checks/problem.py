"""The pieces that checks are made of: the errors, the paths of devices, and what comes twice."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, TypeVar

from virtbus.domain.chardev import Console, ConsoleTargetType
from virtbus.domain.device import Device
from virtbus.domain.devices import KINDS
from virtbus.domain.domain import Domain
from virtbus.errors import ConfigUnsupported, VirtbusError, XmlDetail, XmlError, XmlInternal, XmlValue

Problems = Iterator[VirtbusError]
Kind = TypeVar("Kind")


def detail(message: str, path: str, hint: str | None = None) -> XmlDetail:
    """A contradiction: XML_DETAIL."""
    return XmlDetail(message, hint=hint, evidence={"path": path})


def malformed(message: str, path: str, hint: str | None = None) -> XmlError:
    """A contradiction: XML_ERROR."""
    return XmlError(message, hint=hint, evidence={"path": path})


def internal(message: str, path: str, hint: str | None = None) -> XmlInternal:
    """A contradiction that libvirt calls an internal error."""
    return XmlInternal(message, hint=hint, evidence={"path": path})


def invalid(message: str, path: str, hint: str | None = None) -> XmlValue:
    """A contradiction that libvirt calls an invalid argument."""
    return XmlValue(message, hint=hint, evidence={"path": path})


def unsupported(message: str, path: str, hint: str | None = None) -> ConfigUnsupported:
    """A combination that is not known: CONFIG_UNSUPPORTED."""
    return ConfigUnsupported(message, hint=hint, evidence={"path": path})


def places(domain: Domain) -> Iterator[tuple[str, Device]]:
    """Every device with its path, such as /domain/devices/disk[2]."""
    for name, many, kind in KINDS:
        value = getattr(domain.devices, name)
        path = f"/domain/devices/{kind.element_tag}"
        if not many:
            if value is not None:
                yield path, value
            continue
        for number, device in enumerate(value, start=1):
            yield (path if len(value) == 1 else f"{path}[{number}]"), device


def of_kind(domain: Domain, kind: type[Kind]) -> Iterator[tuple[str, Kind]]:
    """The devices of one kind, with their paths."""
    for path, device in places(domain):
        if isinstance(device, kind):
            yield path, device


def twice(items: Iterable[tuple[Hashable, str]]) -> Iterator[tuple[Any, str, str]]:
    """Of each key that comes again: the key, where it came first, where it comes again."""
    first: dict[Hashable, str] = {}
    for key, path in items:
        if key in first:
            yield key, first[key], path
        first.setdefault(key, path)


def is_serial_console(domain: Domain, device: Device) -> bool:
    """Whether this is the console that only repeats a serial port, with its alias and address."""
    return (
        isinstance(device, Console)
        and device.target is not None
        and device.target.type is ConsoleTargetType.SERIAL
        and bool(domain.devices.serials)
    )
