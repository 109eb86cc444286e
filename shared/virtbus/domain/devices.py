"""All devices of a domain, in the order in which libvirt writes them; and a single one from its XML."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.chardev import Channel, Console, Parallel, Serial
from virtbus.domain.controller import Controller
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.graphics import Graphics
from virtbus.domain.hostdev import Hostdev, RedirFilter
from virtbus.domain.hub import Hub
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface
from virtbus.domain.iommu import Iommu
from virtbus.domain.lease import Lease
from virtbus.domain.memballoon import Memballoon
from virtbus.domain.memorydevice import MemoryDevice
from virtbus.domain.nvram import Nvram
from virtbus.domain.pstore import Pstore
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.smartcard import Smartcard
from virtbus.domain.sound import Audio, Sound
from virtbus.domain.tpm import Tpm
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus.xml import Element, child, children, parse_document
from virtbus.xml.part import ElementPart, ListPart
from virtbus.xml.refusal import nearest, refuse


class Devices(Element, tag="devices", empty=True):
    """What the guest has plugged in; leases, audios and the redirection filter are no devices of the guest."""

    emulator: str | None = child()
    disks: list[Disk] = children()
    controllers: list[Controller] = children()
    leases: list[Lease] = children()
    filesystems: list[Filesystem] = children()
    interfaces: list[Interface] = children()
    smartcards: list[Smartcard] = children()
    serials: list[Serial] = children()
    parallels: list[Parallel] = children()
    consoles: list[Console] = children()
    channels: list[Channel] = children()
    inputs: list[Input] = children()
    tpms: list[Tpm] = children()
    graphics: list[Graphics] = children()
    sounds: list[Sound] = children()
    audios: list[Audio] = children()
    videos: list[Video] = children()
    hostdevs: list[Hostdev] = children()
    redirdevs: list[Redirdev] = children()
    redir_filter: RedirFilter | None = child()
    hubs: list[Hub] = children()
    watchdogs: list[Watchdog] = children()
    memballoon: Memballoon | None = child()
    rngs: list[Rng] = children()
    nvram: Nvram | None = child()
    panics: list[Panic] = children()
    shmems: list[Shmem] = children()
    memories: list[MemoryDevice] = children()
    cryptos: list[Crypto] = children()
    iommu: Iommu | None = child()
    vsock: Vsock | None = child()
    pstore: Pstore | None = child()

    def every(self) -> Iterator[Device]:
        """Every device, in libvirt's order."""
        for name, many, _ in KINDS:
            value = getattr(self, name)
            if many:
                yield from value
            elif value is not None:
                yield value


def _kinds() -> Iterator[tuple[str, bool, type[Device]]]:
    for part in Devices.plan().child_parts:
        item = part.item if isinstance(part, ListPart) else part
        if isinstance(item, ElementPart) and issubclass(item.kind, Device):
            yield part.name, part.many, item.kind


KINDS: tuple[tuple[str, bool, type[Device]], ...] = tuple(_kinds())
"""Of each kind of device: its field in Devices, whether that is a list, and its class."""

BY_TAG: dict[str, type[Device]] = {kind.element_tag: kind for _, _, kind in KINDS if kind.element_tag}


def field_of(device: Device) -> tuple[str, bool]:
    """The field of Devices that holds such a device, and whether that is a list."""
    return next((name, many) for name, many, kind in KINDS if isinstance(device, kind))


def parse_device(xml: str | bytes) -> Device:
    """The device that a document describes, of whatever kind.

    :raise XmlError: it is not well formed, no device, or has something outside the vocabulary.
    """
    node = parse_document(xml)
    kind = BY_TAG.get(node.tag)
    if kind is None:
        raise refuse(node, f"<{node.tag}> is no device", hint=nearest(str(node.tag), BY_TAG))
    return kind.read(node)
