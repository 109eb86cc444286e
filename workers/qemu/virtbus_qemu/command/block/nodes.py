"""The block graph of an image: a node for its storage, one for a slice of it, one for its format.

Each node comes after what it lies on and after the objects that it needs. Names and order are libvirt's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtbus.domain.storage import EncryptionFormat, ImageFormat, NetworkProtocol, StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import credentials, secret
from virtbus_qemu.command.block import naming
from virtbus_qemu.command.block.descriptors import opened
from virtbus_qemu.command.block.image import CHAINED, Image, chain, is_cdrom
from virtbus_qemu.command.block.naming import Nodes, nodes_of
from virtbus_qemu.command.block.nbdkit import socket_of
from virtbus_qemu.command.block.protocols import Access, cookie_header, properties
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given
from virtbus_qemu.settings import TlsSettings


def graph(image: Image, context: Context) -> list[Backend]:
    """The nodes of an image and of all below it, with their objects, the lowest first.

    :raise ConfigUnsupported: QEMU cannot open one of them.
    """
    made: list[Backend] = []
    for each in reversed(list(chain(image))):
        if each.data is not None:
            made += layers(each.data, context)
        made += layers(each, context)
    return made


def layers(image: Image, context: Context) -> list[Backend]:
    """The nodes of one image, with their objects."""
    nodes = nodes_of(image, context)
    helper = socket_of(image, nodes.storage, context)
    access = Access(socket=helper) if helper is not None else _access(image, nodes, context)
    descriptors = opened(image, nodes.storage, context)
    if descriptors is not None:
        access = replace(access, path=descriptors.path)
    made = [*_objects(image, nodes, access, context), *_keys(image, nodes, context)]
    storage = Backend(
        BackendKind.BLOCKDEV,
        _storage(image, nodes, access, descriptors.written if descriptors else None),
        opened=descriptors.options if descriptors else (),
    )
    made.append(storage)
    if nodes.slice is not None:
        made.append(Backend(BackendKind.BLOCKDEV, _slice(image, nodes)))
    if nodes.format is not None:
        made.append(Backend(BackendKind.BLOCKDEV, format_properties(image, nodes, context)))
    return made


def storage_properties(image: Image, nodes: Nodes, context: Context) -> dict[str, Any]:
    """The storage node of an image."""
    return _storage(image, nodes, _access(image, nodes, context))


def format_properties(image: Image, nodes: Nodes, context: Context) -> dict[str, Any]:
    """The format node of an image.

    :raise ConfigUnsupported: QEMU has no such format, or cannot decrypt so.
    """
    made = {**_common(image, nodes.format or "", is_top=True), **_format(image, nodes, context), "file": nodes.file}
    if image.format in CHAINED:
        if image.below is not None:
            made["backing"] = nodes_of(image.below, context).top
        elif image.terminated:
            # QEMU shall not open what the image's own header names.
            made["backing"] = None
    return made


def _storage(image: Image, nodes: Nodes, access: Access, written: bool | None = None) -> dict[str, Any]:
    is_top = nodes.slice is None and nodes.format is None
    return properties(image, access) | _common(image, nodes.storage, is_top=is_top, written=written)


def _common(image: Image, name: str, *, is_top: bool, written: bool | None = None) -> dict[str, Any]:
    """What every node is told. Below the top one, QEMU opens for writing as the nodes above need it."""
    opening = image.opening
    caching = opening.caching
    cache = None if caching is None else {"direct": caching.direct, "no-flush": caching.no_flush}
    if is_top:
        how: dict[str, Any] = {
            "read-only": image.read_only,
            "discard": None if opening.discard is None else str(opening.discard),
            "detect-zeroes": image.detect_zeroes,
        }
    elif written is not None:
        how = {"read-only": not written, "discard": "unmap"}
    else:
        how = {"auto-read-only": True, "discard": "unmap"}
    return given({"node-name": name, **how, "cache": cache})


def _slice(image: Image, nodes: Nodes) -> dict[str, Any]:
    """A part of the storage."""
    part = image.source.slices.slices[0] if image.source.slices else None
    # There are slices of the storage only.
    _ = part and part.type
    where = {"offset": part.offset, "size": part.size} if part else {}
    common = _common(image, nodes.slice or "", is_top=nodes.format is None)
    return {"driver": "raw", "node-name": common.pop("node-name"), **where, "file": nodes.storage, **common}


_DRIVERS = {
    ImageFormat.RAW: "raw",
    ImageFormat.FAT: "raw",
    ImageFormat.LUKS: "luks",
    ImageFormat.VHD: "vhdx",
    ImageFormat.PLOOP: "parallels",
    **{
        each: each.value
        for each in (
            *(ImageFormat.BOCHS, ImageFormat.CLOOP, ImageFormat.DMG, ImageFormat.VPC, ImageFormat.VDI),
            *(ImageFormat.QCOW, ImageFormat.QCOW2, ImageFormat.QED, ImageFormat.VMDK),
        )
    },
}
"""What QEMU calls libvirt's formats."""


def _format(image: Image, nodes: Nodes, context: Context) -> dict[str, Any]:
    driver = _DRIVERS.get(image.format)
    if driver is None:
        raise ConfigUnsupported(f"storage format '{image.format}' is not supported by QEMU")
    if image.is_luks:
        _cryptography(image)
        return {"driver": "luks", "key-secret": naming.secret_of(image, "encryption", nodes.format or "")}
    if image.format not in (ImageFormat.QCOW, ImageFormat.QCOW2):
        return {"driver": driver}
    said: dict[str, Any] = {"driver": driver, "encrypt": _encrypted(image, nodes)}
    if image.format is ImageFormat.QCOW2:
        said |= {
            "cache-size": image.cache_bytes,
            "discard-no-unref": image.opening.discard_no_unref,
            "data-file": nodes_of(image.data, context).top if image.data else None,
        }
    return given(said)


_CRYPTOGRAPHY = {EncryptionFormat.QCOW: "aes", EncryptionFormat.LUKS: "luks"}


def _encrypted(image: Image, nodes: Nodes) -> dict[str, Any] | None:
    if image.sealed is None:
        return None
    key = naming.secret_of(image, "encryption", nodes.format or "")
    return {"format": _cryptography(image), "key-secret": key}


def _cryptography(image: Image) -> str:
    """How QEMU decrypts an image: of raw ones, only LUKS containers."""
    asked = image.sealed.encryption_format if image.sealed else EncryptionFormat.LUKS
    kind = _CRYPTOGRAPHY.get(asked)
    if kind is None or (image.is_luks and kind != "luks"):
        raise ConfigUnsupported(
            f"encryption format '{asked}' is not supported by QEMU for such images",
            evidence={"path": "/domain/devices/disk/source/encryption/@format"},
        )
    return kind


def _access(image: Image, nodes: Nodes, context: Context) -> Access:
    source, node = image.source, nodes.storage
    count = len(image.encryption.secrets) if image.encryption and image.sealed_by_storage else 0
    return Access(
        password=naming.secret_of(image, "auth", node) if image.auth else None,
        cookies=naming.secret_of(image, "httpcookie", node) if source.cookies else None,
        keys=tuple(naming.secret_of(image, "encryption", node, number) for number in range(count)),
        tls=naming.tls_of(image, node) if tls_settings(image, context) else None,
        reservations=naming.reservations_of(image, node) if source.reservations else None,
        optical=image.type is StorageType.BLOCK
        and image.opening.cdrom
        and image.is_raw
        and is_cdrom(source.dev or "", context.settings),
    )


def tls_settings(image: Image, context: Context) -> TlsSettings | None:
    """The settings of an image's encrypted connection, because it says so or because the settings do."""
    settings = {
        NetworkProtocol.NBD: context.settings.nbd_tls,
        NetworkProtocol.VXHS: context.settings.vxhs_tls,
    }.get(image.source.protocol) if image.source.protocol else None  # fmt: skip
    if settings is None:
        return None
    return settings if (settings.enabled if image.source.tls is None else image.source.tls) else None


def _objects(image: Image, nodes: Nodes, access: Access, context: Context) -> list[Backend]:
    """What the storage node needs. A helper that reaches the image has none of it from QEMU."""
    if access.socket is not None:
        return []
    source = image.source
    made = []
    if source.reservations is not None and not source.reservations.managed:
        path = source.reservations.source.path if source.reservations.source else ""
        made.append(reservations(access.reservations or "", path))
    if image.auth is not None:
        made.append(secret.of_reference(access.password or "", image.auth.secret, context))
    cookies = cookie_header(source)
    if cookies is not None:
        made.append(secret.of_value(access.cookies or "", cookies.encode(), context))
    tls = tls_settings(image, context)
    if tls is not None:
        # A client always looks at whom it talks to.
        made += credentials.tls(context, access.tls or "", replace(tls, verify=True), server=False)
    return made


def reservations(name: str, socket: str) -> Backend:
    """The object that asks a helper for persistent reservations."""
    return Backend(BackendKind.OBJECT, {"qom-type": "pr-manager-helper", "id": name, "path": socket})


def _keys(image: Image, nodes: Nodes, context: Context) -> list[Backend]:
    """The secrets that decrypt the image."""
    if image.encryption is None:
        return []
    node = nodes.storage if image.sealed_by_storage else nodes.format or ""
    return [
        secret.of_reference(naming.secret_of(image, "encryption", node, number), reference, context)
        for number, reference in enumerate(image.encryption.secrets)
    ]
