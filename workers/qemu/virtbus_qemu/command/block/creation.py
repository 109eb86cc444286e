"""New images: the options of QMP's blockdev-create, for the storage and then for the format within it."""

from __future__ import annotations

from typing import Any

from virtbus.domain.storage import ImageFormat, NetworkProtocol, StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.block import naming
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.block.naming import Nodes
from virtbus_qemu.command.block.reference import string, target
from virtbus_qemu.command.parts import given

_LOCATED = (NetworkProtocol.GLUSTER, NetworkProtocol.RBD, NetworkProtocol.SSH)
"""Protocols by which QEMU makes images."""


def storage(image: Image, size: int) -> dict[str, Any] | None:
    """The storage of a new image; None where it must be there already.

    :param size: bytes.
    """
    if image.type is StorageType.FILE:
        return {"driver": "file", "filename": image.source.file, "size": size}
    if image.type is StorageType.NETWORK and image.source.protocol in _LOCATED:
        location = target(image)
        driver = location.pop("driver")
        return {"driver": driver, "location": location, "size": size}
    return None


def layout(image: Image, nodes: Nodes, size: int, below: Image | None = None) -> dict[str, Any] | None:
    """The format of a new image in its storage; None where its bytes are the guest's.

    :param size: what the guest sees, in bytes.
    :param below: the image that it is based on.
    :raise ConfigUnsupported: QEMU cannot make such images.
    """
    if image.is_raw:
        return None
    if image.is_luks:
        return {**_cipher(image, nodes), "driver": "luks", "file": nodes.file, "size": size}
    make = _LAYOUTS.get(image.format)
    if make is None:
        raise ConfigUnsupported(f"images of format '{image.format}' cannot be made")
    base = {} if below is None else {"backing-file": string(below), "backing-fmt": _kind(below)}
    names = {"file": nodes.file, "size": size}
    if image.format in (ImageFormat.QCOW, ImageFormat.QED):
        base.pop("backing-fmt" if image.format is ImageFormat.QCOW else "", None)
    return given({"driver": make, **names, **base, "encrypt": _encrypted(image, nodes)})


_LAYOUTS = {
    ImageFormat.QCOW2: "qcow2",
    ImageFormat.QCOW: "qcow",
    ImageFormat.QED: "qed",
    ImageFormat.VMDK: "vmdk",
    ImageFormat.VDI: "vdi",
    ImageFormat.VHD: "vhdx",
    ImageFormat.VPC: "vpc",
    ImageFormat.PLOOP: "parallels",
}


def _kind(image: Image) -> str:
    return "luks" if image.is_luks else str(image.format)


def _encrypted(image: Image, nodes: Nodes) -> dict[str, Any] | None:
    return None if image.sealed is None else {**_cipher(image, nodes), "format": str(image.sealed.encryption_format)}


def _cipher(image: Image, nodes: Nodes) -> dict[str, Any]:
    """The key, and what is said of the cipher."""
    encryption = image.sealed
    cipher = encryption.cipher if encryption else None
    vector = encryption.ivgen if encryption else None
    return given(
        {
            "key-secret": naming.secret_of(image, "encryption", nodes.format or ""),
            "cipher-alg": f"{cipher.name}-{cipher.size}" if cipher else None,
            "cipher-mode": cipher.mode if cipher else None,
            "hash-alg": cipher.hash if cipher else None,
            "ivgen-alg": vector.name if vector else None,
            "ivgen-hash-alg": vector.hash if vector else None,
        }
    )
