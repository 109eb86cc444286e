"""What the images of disks may not be (libvirt: qemuDomainValidateStorageSource)."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.disk import Disk
from virtbus.domain.storage import (
    Encryption,
    EncryptionEngine,
    EncryptionFormat,
    ImageFormat,
    NetworkProtocol,
    StorageSource,
    StorageType,
)
from virtbus_qemu.checks.scene import Scene

DEEPEST = 200
"""Images that a chain may have."""

_WEB = frozenset({NetworkProtocol.HTTP, NetworkProtocol.HTTPS})
_CURL = _WEB | {NetworkProtocol.FTP, NetworkProtocol.FTPS}
_ENCRYPTED = frozenset({NetworkProtocol.HTTPS, NetworkProtocol.FTPS})


def check_chain(scene: Scene, path: str, disk: Disk) -> Problems:
    """Every image of a disk."""
    images = list(_images(path, disk))
    for here, kind, layout, source, encryption in images:
        yield from _check_format(scene, here, kind, layout, encryption is not None)
        if encryption is not None:
            yield from _check_encryption(scene, here, source, layout, encryption)
        yield from _check_place(scene, here, kind, source)
        if source.data_store is not None and layout is not ImageFormat.QCOW2:
            yield unsupported("only 'qcow2' images can have a dataStore", f"{here}/source/dataStore")
    if len(images) > DEEPEST:
        yield unsupported(f"backing chains more than {DEEPEST} layers deep are not supported", f"{path}/backingStore")
    yield from _check_tables(scene, path, disk)
    if disk.type is StorageType.DIR and not disk.readonly:
        yield unsupported("virtual FAT disks in read-write mode are not supported", f"{path}/readonly")


Described = tuple[str, StorageType, ImageFormat | None, StorageSource, Encryption | None]


def _images(path: str, disk: Disk) -> Iterator[Described]:
    """Each image: where it is said, its type, format and source, and how it is encrypted."""
    if disk.source is not None:
        layout = disk.driver.type if disk.driver else None
        yield path, disk.type, layout, disk.source, disk.source.encryption or disk.encryption
    here, store = f"{path}/backingStore", disk.backing_store
    while store is not None and store.source is not None:
        layout = store.image_format.type if store.image_format else None
        yield here, store.type or StorageType.FILE, layout, store.source, store.source.encryption
        here, store = f"{here}/backingStore", store.backing_store


_NOT_OPENED = {
    ImageFormat.COW: "'cow' storage format is not supported",
    ImageFormat.DIR: "'directory' storage format is not directly supported by QEMU, use 'dir' disk type instead",
    ImageFormat.ISO: "storage format 'iso' is not directly supported by QEMU, use 'raw' instead",
}
"""Formats that QEMU does not open."""


def _check_format(scene: Scene, path: str, kind: StorageType, layout: ImageFormat | None, sealed: bool) -> Problems:
    where = f"{path}/driver/@type"
    if layout in _NOT_OPENED:
        yield unsupported(_NOT_OPENED[layout], where)
    if layout is ImageFormat.FAT and kind not in (StorageType.DIR, StorageType.VOLUME):
        yield unsupported("storage format 'fat' is supported only with 'dir' storage type", where)
    if kind is StorageType.DIR and layout not in (None, ImageFormat.NONE, ImageFormat.FAT):
        yield unsupported(f"storage type 'dir' requires use of storage format 'fat' instead of '{layout}'", where)
    if kind is StorageType.VHOST_VDPA and layout not in (None, ImageFormat.NONE, ImageFormat.RAW):
        yield unsupported("only format=raw is supported for vhostvdpa disks", where)
    if kind is StorageType.NVME and not scene.has("drive-nvme"):
        yield unsupported("NVMe disks are not supported with this QEMU binary", f"{path}/@type")
    if kind is StorageType.VHOST_VDPA and not scene.has("virtio-blk-vhost-vdpa"):
        yield unsupported("vhostvdpa disk is not supported with this QEMU binary", f"{path}/@type")


_OF_LIBRARY = {
    EncryptionFormat.LUKS2: "luks2 is currently only supported by the librbd encryption engine",
    EncryptionFormat.LUKS_ANY: "luks-any is currently only supported by the librbd encryption engine",
}


def _check_encryption(
    scene: Scene, path: str, source: StorageSource, layout: ImageFormat | None, encryption: Encryption
) -> Problems:
    where, kind = f"{path}/source/encryption", encryption.encryption_format
    if encryption.engine is EncryptionEngine.LIBRBD:
        if source.protocol is not NetworkProtocol.RBD:
            yield unsupported("librbd encryption is supported only with RBD backed disks", f"{where}/@engine")
        if not scene.has("rbd-encryption"):
            yield unsupported("librbd encryption is not supported by this QEMU binary", f"{where}/@engine")
        if len(encryption.secrets) > 1 and not scene.has("rbd-encryption-layering"):
            yield unsupported("librbd encryption layering is not supported by this QEMU binary", f"{where}/secret")
        if kind is EncryptionFormat.LUKS_ANY and not scene.has("rbd-encryption-luks-any"):
            yield unsupported("luks-any encryption is not supported by this QEMU binary", f"{where}/@format")
        return
    if kind in _OF_LIBRARY:
        yield unsupported(_OF_LIBRARY[kind], f"{where}/@format")
    if len(encryption.secrets) > 1:
        yield unsupported("multiple passphrases are supported only by the librbd encryption engine", f"{where}/secret")
    if not encryption.secrets:
        yield unsupported("an encrypted image needs a secret", where)
    if layout in (ImageFormat.QCOW, ImageFormat.QCOW2) and kind in (EncryptionFormat.QCOW, EncryptionFormat.DEFAULT):
        yield unsupported("old qcow2 encryption is not supported", f"{where}/@format", "use format='luks'")


def _check_tables(scene: Scene, path: str, disk: Disk) -> Problems:
    """What is said of the tables of qcow2 images, which others do not have."""
    driver = disk.driver
    if driver is None:
        return
    if driver.metadata_cache is not None and driver.type is not ImageFormat.QCOW2:
        yield unsupported(
            "metadata cache max size control is supported only with qcow2 images", f"{path}/driver/metadata_cache"
        )
    if driver.discard_no_unref:
        where = f"{path}/driver/@discard_no_unref"
        if disk.readonly:
            yield unsupported("'discard_no_unref' option is available only with writable images", where)
        if driver.type is not ImageFormat.QCOW2:
            yield unsupported("'discard_no_unref' option is available only with qcow2 format", where)
        if not scene.has("qcow2-discard-no-unref"):
            yield unsupported("'discard_no_unref' option is not supported by this QEMU binary", where)


def _check_place(scene: Scene, path: str, kind: StorageType, source: StorageSource) -> Problems:
    protocol = source.protocol
    where = f"{path}/source"
    if kind is not StorageType.NETWORK or protocol is None:
        return
    if protocol is NetworkProtocol.SHEEPDOG:
        yield unsupported("'sheepdog' protocol is not supported by QEMU", f"{where}/@protocol")
    if protocol is NetworkProtocol.VXHS and not scene.has("vxhs"):
        yield unsupported("VxHS protocol is not supported with this QEMU binary", f"{where}/@protocol")
    if source.ssl is not None and protocol not in _ENCRYPTED:
        yield unsupported("ssl verification is supported only with HTTPS/FTPS protocol", f"{where}/ssl")
    if source.cookies is not None and protocol not in _WEB:
        yield unsupported("http cookies are supported only with HTTP(S)", f"{where}/cookies")
    if source.readahead and protocol not in _CURL:
        yield unsupported("readahead is supported only with HTTP(S)/FTP(s)", f"{where}/readahead")
    if source.timeout and protocol not in _CURL:
        yield unsupported("timeout is supported only with HTTP(S)/FTP(s)", f"{where}/timeout")
    if source.query is not None and protocol not in _WEB:
        yield unsupported("query is supported only with HTTP(S) protocols", f"{where}/@query")
    if source.tls_hostname is not None and not scene.has("blockdev.nbd.tls-hostname"):
        yield unsupported("tls-hostname is not supported with this QEMU binary", f"{where}/@tlsHostname")
    yield from _check_login(scene, where, protocol, source)


def _check_login(scene: Scene, path: str, protocol: NetworkProtocol, source: StorageSource) -> Problems:
    """QEMU's own SSH client knows the agent's keys only; what more is asked for is nbdkit's affair."""
    identity = source.identity
    if protocol is not NetworkProtocol.SSH or "plugin-ssh" in (scene.settings.nbdkit or ()):
        return
    if source.auth is not None:
        yield unsupported("SSH password authentication requires nbdkit", f"{path}/auth")
    if identity is not None and (identity.keyfile or identity.agentsock):
        yield unsupported("SSH key authentication requires nbdkit", f"{path}/identity")
