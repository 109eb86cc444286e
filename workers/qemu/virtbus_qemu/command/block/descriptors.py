"""Images that somebody else has opened: QEMU is handed sets of descriptors in place of paths."""

from __future__ import annotations

from dataclasses import dataclass

from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.storage import StorageSource, StorageType
from virtbus.errors import InvalidArgument
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.block.naming import is_written
from virtbus_qemu.command.parts import Context


@dataclass(frozen=True)
class Opened:
    """A set of descriptors of one image."""

    path: str
    """By which QEMU opens it."""
    options: tuple[str, ...]
    """What hands it over."""
    written: bool | None
    """Whether its only descriptor is open for writing; None where QEMU chooses."""


def opened(image: Image, node: str, context: Context) -> Opened | None:
    """The set of descriptors of an image; None where QEMU opens it by itself.

    :raise InvalidArgument: nobody has passed such descriptors.
    """
    group = image.source.fdgroup
    numbers: tuple[int, ...]
    if group is not None:
        numbers = context.settings.descriptors.groups.get(group, ())
        if not numbers:
            raise InvalidArgument(
                f"file descriptor group '{group}' was not associated with the domain",
                domain=context.domain.name,
                evidence={"path": "/domain/devices/disk/source/@fdgroup"},
            )
        names = [f"{node}{order}" for order in range(len(numbers))]
    elif image.type is StorageType.VHOST_VDPA:
        number = context.settings.descriptors.vdpa.get(image.source.dev or "")
        if number is None:
            return None
        numbers, names = (number,), [f"{node}-vdpa"]
    else:
        return None
    own = _number(image.source, context.domain)
    options = [
        word
        for number, name in zip(numbers, names, strict=True)
        for word in ("-add-fd", f"set={own},fd={number},opaque={name}")
    ]
    return Opened(f"/dev/fdset/{own}", tuple(options), is_written(image, context))


def sets_of(domain: Domain) -> int:
    """How many sets of descriptors the domain's disks take."""
    return len(_passed(domain))


def _number(source: StorageSource, domain: Domain) -> int:
    """The number of an image's set: sets are numbered as the images are, the last disk's first."""
    return _passed(domain).index(_key(source))


def _passed(domain: Domain) -> list[tuple[int, str | None, str | None]]:
    """The images of all disks that come as descriptors."""
    return [
        _key(source)
        for disk in reversed(domain.devices.disks)
        for kind, source in _sources(disk)
        if source.fdgroup is not None or kind is StorageType.VHOST_VDPA
    ]


def _key(source: StorageSource) -> tuple[int, str | None, str | None]:
    return source.index or 0, source.fdgroup, source.dev


def _sources(disk: Disk) -> list[tuple[StorageType, StorageSource]]:
    """The sources of a disk's chain, top first."""
    found = [(disk.type, disk.source)] if disk.source is not None else []
    store = disk.backing_store
    while store is not None and store.source is not None:
        found.append((store.type or StorageType.FILE, store.source))
        store = store.backing_store
    return found
