"""The firmware: flash memory of UEFI as block nodes, or an image of a BIOS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from virtbus.domain.boot import Loader, LoaderType, Nvram
from virtbus.domain.domain import Domain
from virtbus.domain.private import NodeName, NodeNames, SourcePrivate
from virtbus.domain.storage import ImageFormat, StorageSource, StorageType
from virtbus_qemu import firmwarechoice
from virtbus_qemu.command.block import nodes
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.parts import Backend, Context
from virtbus_qemu.ledger import read_through

_CODE, _VARIABLES = "libvirt-pflash0", "libvirt-pflash1"


def flash(context: Context) -> list[str]:
    """The block nodes of flash memory: the firmware's code, and its variables.

    :raise NoFirmware: what was to be chosen at the domain's definition is not there yet.
    """
    if not firmwarechoice.is_made(context.domain):
        raise firmwarechoice.missing(context.domain)
    return [word for node in _nodes(context) for word in node.options()]


def flash_words(domain: Domain) -> Iterator[str]:
    """What the machine is told of its flash memory."""
    loader, nvram = _parts(domain)
    if loader is not None and loader.type is LoaderType.PFLASH:
        yield f"pflash0={_CODE}-format"
        if nvram is not None:
            yield f"pflash1={_VARIABLES}-{'format' if _has_format(domain, nvram) else 'storage'}"


def image(context: Context) -> list[str]:
    """A BIOS image, or that flash memory is only written in system management mode."""
    loader, _ = _parts(context.domain)
    if loader is None or loader.type is LoaderType.NONE:
        return []
    # Whether variables are kept was decided when the firmware was chosen.
    _ = loader.stateless, loader.readonly, loader.image_format
    if loader.type is LoaderType.PFLASH:
        return ["-global", "driver=cfi.pflash01,property=secure,value=on"] if loader.secure else []
    return ["-bios", loader.path or ""]


def _parts(domain: Domain) -> tuple[Loader | None, Nvram | None]:
    os = domain.os
    if os is None:
        return None, None
    # Which features the firmware had to have was decided when it was chosen.
    _ = os.firmware, os.firmware_choice and [(each.enabled, each.name) for each in os.firmware_choice.features]
    return os.loader, os.nvram


def _has_format(domain: Domain, nvram: Nvram) -> bool:
    """Whether the variables have a node for their format.

    On a PC a raw file serves as it is. The boards named virt have flash memory of a fixed size; the format's node
    is what QEMU takes the size from.
    """
    x86 = domain.os is not None and domain.os.type.arch in ("x86_64", "i686")
    return not x86 or (nvram.image_format or ImageFormat.RAW) is not ImageFormat.RAW


def _nodes(context: Context) -> Iterator[Backend]:
    loader, nvram = _parts(context.domain)
    if loader is None or loader.type is not LoaderType.PFLASH:
        return
    code = StorageSource(file=loader.path)
    yield from _image(context, _CODE, StorageType.FILE, code, loader.image_format, read_only=bool(loader.readonly))
    if nvram is None:
        return
    # What they are made from matters only when they are made.
    _ = nvram.template, nvram.template_format
    read_through(nvram.source)
    source = nvram.source.copy() if nvram.source else StorageSource(file=nvram.path)
    kind = nvram.type or StorageType.FILE
    has_format = _has_format(context.domain, nvram)
    yield from _image(context, _VARIABLES, kind, source, nvram.image_format, has_format=has_format)


def _image(
    context: Context,
    name: str,
    kind: StorageType,
    source: StorageSource,
    layout: ImageFormat | None,
    *,
    read_only: bool = False,
    has_format: bool = True,
) -> Iterable[Backend]:
    """The nodes of one image, under the names of flash memory."""
    names = [NodeName(type="storage", name=f"{name}-storage")]
    names += [NodeName(type="format", name=f"{name}-format")] if has_format else []
    source.private = SourcePrivate(node_names=NodeNames(nodes=names))
    return nodes.layers(
        Image(
            type=kind,
            format=layout or ImageFormat.RAW,
            source=source,
            index=0,
            auth=source.auth,
            encryption=source.encryption,
            read_only=read_only,
            terminated=True,
        ),
        context,
    )
