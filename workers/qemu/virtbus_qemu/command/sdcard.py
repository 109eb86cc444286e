"""SD cards, which boards have built in: the one kind of disk that QEMU is still told in its older syntax, -drive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from virtbus.domain.disk import DetectZeroes, Disk, DiskDiscard, DiskDriver, DiskIo
from virtbus.domain.lookup import disk_number
from virtbus.domain.storage import ImageFormat, StorageSource, StorageType
from virtbus_qemu.command.block.image import Image, opening_of
from virtbus_qemu.command.block.protocols import Access, properties
from virtbus_qemu.command.keyvalue import escape
from virtbus_qemu.command.parts import Context


def option(disk: Disk, context: Context) -> str:
    """The value of -drive; boards take their cards by number.

    :raise ConfigUnsupported: QEMU cannot reach the image.
    """
    driver = disk.driver or DiskDriver()
    words: list[tuple[str, Any]] = []
    if disk.source is not None:
        words += _file(disk, disk.source)
        words.append(("format", str(driver.type or ImageFormat.RAW)))
    words += [("if", "sd"), ("index", max(0, disk_number(disk.target.dev)))]
    if disk.readonly:
        words.append(("readonly", "on"))
    words += [
        ("cache", driver.cache),
        ("copy-on-read", "on" if driver.copy_on_read else None),
        ("discard", None if driver.discard is DiskDiscard.DEFAULT else driver.discard),
        ("detect-zeroes", None if driver.detect_zeroes is DetectZeroes.DEFAULT else driver.detect_zeroes),
        ("aio", None if driver.io is DiskIo.DEFAULT else driver.io),
    ]
    _ = disk.alias, driver.name
    return ",".join(f"{name}={escape(str(value))}" for name, value in words if value is not None)


def _file(disk: Disk, source: StorageSource) -> Iterator[tuple[str, Any]]:
    if disk.type in (StorageType.FILE, StorageType.BLOCK):
        yield "file", source.file or source.dev
        return
    image = Image(disk.type, ImageFormat.RAW, source, 0, opening_of(disk), read_only=disk.readonly)
    yield from _flat("file", properties(image, Access()))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Members of objects and lists have dotted names."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(f"{name}.{key}", each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _flat(f"{name}.{number}", each)
    else:
        yield name, value
