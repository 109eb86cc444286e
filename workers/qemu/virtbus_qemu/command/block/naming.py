"""The names of an image's block nodes and objects, which are libvirt's.

A running domain may note them (private data of its sources); else they follow from the image's number.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtbus.domain.private import NodeName, NodeNames
from virtbus.errors import InternalError
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.parts import Context

LONGEST_NODE_NAME = 31
"""QEMU's limit, without the final zero."""

MASKS_PROTOCOL = "blockjob.backing-mask-protocol"
"""The flag of QEMU versions whose block jobs can do without a format node over raw images."""

MANAGED_RESERVATIONS = "pr-helper0"
"""The object that keeps the persistent reservations of all disks for which the worker runs the helper."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one image, from the storage up."""

    storage: str
    slice: str | None = None
    format: str | None = None

    @property
    def file(self) -> str:
        """What the format node lies on."""
        return self.slice or self.storage

    @property
    def top(self) -> str:
        """What has the guest's bytes."""
        return self.format or self.file

    def notes(self) -> NodeNames:
        """As a running domain notes them."""
        kinds = {"storage": self.storage, "slice-storage": self.slice, "format": self.format}
        return NodeNames(nodes=[NodeName(type=kind, name=name) for kind, name in kinds.items() if name is not None])


def nodes_of(image: Image, context: Context) -> Nodes:
    """The nodes of an image: those that are noted, else those that it is to have.

    :raise InternalError: a name is longer than QEMU allows.
    """
    noted = {each.type: each.name for each in image.names.nodes} if image.names else {}
    stem = f"libvirt-{image.index}"
    if noted:
        found = Nodes(noted.get("storage", f"{stem}-storage"), noted.get("slice-storage"), noted.get("format"))
    else:
        found = Nodes(
            f"{stem}-storage",
            f"{stem}-slice-sto" if image.is_sliced else None,
            f"{stem}-format" if needs_format(image, context) else None,
        )
    for name in (found.storage, found.format):
        if name is not None and len(name) > LONGEST_NODE_NAME:
            raise InternalError(f"node-name '{name}' too long for qemu")
    return found


def needs_format(image: Image, context: Context) -> bool:
    """Whether an image needs a node for its format: raw ones do where QEMU's block jobs want it."""
    if not image.is_raw or not context.has(MASKS_PROTOCOL):
        return True
    # A descriptor that can be written to is opened so; the guest's side still must not write.
    return image.read_only and is_written(image, context) is True


def is_written(image: Image, context: Context) -> bool | None:
    """Whether an image's one descriptor is opened for writing; None where QEMU opens it, or chooses from several."""
    group, descriptors = image.source.fdgroup, context.settings.descriptors
    if group is None or len(descriptors.groups.get(group, ())) != 1:
        return None
    return group in descriptors.writable_groups or not image.read_only


def secret_of(image: Image, kind: str, node: str, number: int = 0) -> str:
    """The name of a secret object of an image.

    :param kind: auth, httpcookie, encryption.
    :param node: the node that needs it.
    """
    private = image.source.private
    noted = [each.alias for each in private.objects.secrets if each.type == kind] if private and private.objects else []
    return noted[number] if number < len(noted) else f"{node}-{kind}-secret{number}"


def tls_of(image: Image, node: str) -> str:
    """The name of the object with an image's TLS credentials."""
    private = image.source.private
    noted = private.objects.tls if private and private.objects else None
    return noted.alias if noted else f"obj{node}_tls0"


def reservations_of(image: Image, node: str) -> str:
    """The name of the object that keeps an image's persistent reservations."""
    private = image.source.private
    if private is not None and private.reservations is not None:
        return private.reservations.manager
    reservations = image.source.reservations
    return MANAGED_RESERVATIONS if reservations and reservations.managed else f"pr-helper-{node}"
