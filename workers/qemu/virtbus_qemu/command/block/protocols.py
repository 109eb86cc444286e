"""Where an image lies, as the properties of QEMU's protocol drivers, in libvirt's order.

properties(image, access)       # {"driver": "file", "filename": "/images/a.raw"}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from typing import Any

from virtbus.domain.device import HostAddress
from virtbus.domain.storage import (
    Cookie,
    EncryptionFormat,
    HostTransport,
    NetworkProtocol,
    StorageHost,
    StorageSource,
    StorageType,
)
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.parts import given

GLUSTER_DEBUG_LEVEL = 4
"""How much gluster's library writes into QEMU's log."""


@dataclass(frozen=True)
class Access:
    """The objects and paths by which an image is reached."""

    full: bool = True
    """Whether what only this opening needs is said too; otherwise no more than what names the image."""
    password: str | None = None
    """The secret object with which the host identifies itself."""
    cookies: str | None = None
    """The secret object with the cookies."""
    keys: tuple[str, ...] = ()
    """The secret objects that open what the storage itself encrypts."""
    tls: str | None = None
    """The object with credentials."""
    reservations: str | None = None
    """The object that keeps persistent reservations."""
    path: str | None = None
    """The path of a descriptor that was opened for QEMU."""
    socket: str | None = None
    """The socket of the helper that reaches the image."""
    optical: bool = False
    """Whether it is an optical drive of the host."""
    plain_cookies: bool = field(default=False)
    """Whether cookies stand there as they are, which is for images' names only."""


def properties(image: Image, access: Access) -> dict[str, Any]:
    """The driver and where the image lies.

    :raise ConfigUnsupported: QEMU cannot reach such images.
    """
    if access.socket is not None:
        return {"driver": "nbd", "server": {"type": "unix", "path": access.socket}}
    if image.type is StorageType.NETWORK:
        protocol = image.source.protocol
        make = _PROTOCOLS.get(protocol) if protocol else None
        if make is None:
            raise ConfigUnsupported(f"'{protocol}' protocol is not supported with this QEMU binary")
        return make(image, access)
    make = _TYPES.get(image.type)
    if make is None:
        raise ConfigUnsupported(f"storage of type '{image.type}' is not supported by QEMU's block layer")
    return make(image, access)


def _file(image: Image, access: Access) -> dict[str, Any]:
    return given(
        {
            "driver": "file",
            "filename": access.path or image.source.file,
            "aio": _aio(image, access),
            "pr-manager": access.reservations,
        }
    )


def _block(image: Image, access: Access) -> dict[str, Any]:
    return given(
        {
            "driver": "host_cdrom" if access.optical else "host_device",
            "filename": access.path or image.source.dev,
            "aio": _aio(image, access),
            "pr-manager": access.reservations,
        }
    )


def _aio(image: Image, access: Access) -> str | None:
    return str(image.opening.io) if access.full and image.opening.io is not None else None


def _dir(image: Image, access: Access) -> dict[str, Any]:
    return given(
        driver="vvfat",
        dir=image.source.dir,
        floppy=image.opening.floppy,
        rw=not image.read_only if access.full else None,
    )


def _nvme(image: Image, access: Access) -> dict[str, Any]:
    return given(
        driver="nvme", device=pci_name(image.source.address or HostAddress()), namespace=image.source.namespace
    )


def pci_name(at: HostAddress) -> str:
    """A PCI function as the kernel names it."""
    return f"{at.domain or 0:04x}:{at.bus or 0:02x}:{at.slot or 0:02x}.{at.function or 0:x}"


def _vdpa(image: Image, access: Access) -> dict[str, Any]:
    return given(driver="virtio-blk-vhost-vdpa", path=access.path or image.source.dev)


def _nbd(image: Image, access: Access) -> dict[str, Any]:
    source = image.source
    return given(
        {
            "driver": "nbd",
            "server": socket_address(_only_host(source)),
            "export": source.name,
            "tls-creds": access.tls,
            "tls-hostname": source.tls_hostname if access.full else None,
            "reconnect-delay": source.reconnect.delay if access.full and source.reconnect else None,
        }
    )


def _vxhs(image: Image, access: Access) -> dict[str, Any]:
    return given(
        {
            "driver": "vxhs",
            "tls-creds": access.tls,
            "vdisk-id": image.source.name,
            "server": inet(_only_host(image.source)),
        }
    )


def _rbd(image: Image, access: Access) -> dict[str, Any]:
    source = image.source
    pool, _, name = (source.name or "").partition("/")
    auth = image.auth if access.full else None
    return given(
        {
            "driver": "rbd",
            "pool": pool,
            "image": name,
            "snapshot": source.snapshot,
            "conf": source.config,
            "server": [inet(host) for host in source.hosts] or None,
            "encrypt": _layers(image, access.keys) if access.full else None,
            "user": auth.username if auth else None,
            # "none" too, for servers that do not want to know.
            "auth-client-required": ["cephx", "none"] if auth else None,
            "key-secret": access.password if auth else None,
        }
    )


def _layers(image: Image, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """Encryption by Ceph's library: each layer lies on its parent, the first key opens the top one."""
    made: dict[str, Any] | None = None
    kind = image.encryption.encryption_format if image.encryption else EncryptionFormat.LUKS
    for key in reversed(keys):
        made = given({"format": str(kind), "key-secret": key, "parent": made})
    return made


def _iscsi(image: Image, access: Access) -> dict[str, Any]:
    source = image.source
    target, _, unit = (source.name or "").partition("/")
    host = _only_host(source)
    auth = image.auth if access.full else None
    return given(
        {
            "driver": "iscsi",
            "portal": portal(host),
            "target": target,
            "lun": int(unit or 0),
            "transport": "iser" if host.transport is HostTransport.RDMA else "tcp",
            "user": auth.username if auth else None,
            "password-secret": access.password if auth else None,
            "initiator-name": source.initiator.iqn if source.initiator else None,
        }
    )


def portal(host: StorageHost) -> str:
    """An iSCSI server as host:port, with an IPv6 address in brackets."""
    return f"{bracketed(host.name or '')}:{host.port or 0}"


def bracketed(name: str) -> str:
    """A host's name as it stands before a port."""
    try:
        IPv6Address(name)
    except AddressValueError:
        return name
    return f"[{name}]"


def _gluster(image: Image, access: Access) -> dict[str, Any]:
    volume, _, path = (image.source.name or "").partition("/")
    return given(
        driver="gluster",
        volume=volume,
        path=path,
        server=[socket_address(host) for host in image.source.hosts],
        debug=GLUSTER_DEBUG_LEVEL if access.full else None,
    )


def _curl(image: Image, access: Access) -> dict[str, Any]:
    source, full = image.source, access.full
    auth = image.auth if full else None
    return given(
        {
            "driver": str(source.protocol),
            "url": url(source),
            "username": auth.username if auth else None,
            "password-secret": access.password if auth else None,
            "sslverify": source.ssl.verify if source.ssl else None,
            "cookie-secret": access.cookies,
            "cookie": cookie_header(source) if access.plain_cookies else None,
            "timeout": source.timeout,
            "readahead": source.readahead,
        }
    )


def url(source: StorageSource) -> str:
    """The address of an image on a web or FTP server."""
    host = _only_host(source)
    port = f":{host.port}" if host.port else ""
    query = f"?{source.query}" if source.query else ""
    return f"{source.protocol}://{bracketed(host.name or '')}{port}/{(source.name or '').lstrip('/')}{query}"


def cookie_header(source: StorageSource) -> str | None:
    """The cookies as a server gets them."""
    cookies: list[Cookie] = source.cookies.cookies if source.cookies else []
    return "; ".join(f"{each.name}={each.value}" for each in cookies) or None


def _ssh(image: Image, access: Access) -> dict[str, Any]:
    source = image.source
    who = image.auth.username if image.auth else source.identity.username if source.identity else None
    unchecked = source.private is not None and source.private.checks_host_key is False
    return given(
        {
            "driver": "ssh",
            "path": source.name,
            "server": inet(_only_host(source)),
            "user": who,
            "host-key-check": {"mode": "none"} if unchecked else None,
        }
    )


def _nfs(image: Image, access: Access) -> dict[str, Any]:
    source, identity = image.source, image.source.identity
    return given(
        driver="nfs",
        server={"host": _only_host(source).name, "type": "inet"},
        path=source.name,
        user=_number(identity.user) if identity else None,
        group=_number(identity.group) if identity else None,
    )


def _number(identity: str | None) -> int | None:
    """A user or group of an NFS server, which is a number, with or without a plus before it."""
    return None if identity is None else int(identity.removeprefix("+"))


def inet(host: StorageHost) -> dict[str, Any]:
    """A server that is reached by TCP, as drivers want it that know nothing else."""
    return {"host": host.name, "port": str(host.port or 0)}


def socket_address(host: StorageHost) -> dict[str, Any]:
    """A server as QEMU's SocketAddress."""
    if host.transport is HostTransport.UNIX:
        return {"type": "unix", "path": host.socket}
    return {"type": "inet", **inet(host)}


def _only_host(source: StorageSource) -> StorageHost:
    """The one server of a protocol that can have one only.

    :raise XmlInternal: there are more, or none.
    """
    if len(source.hosts) != 1:
        name = _SERVERS.get(source.protocol, f"protocol '{source.protocol}'") if source.protocol else "network"
        raise XmlInternal(f"{name} accepts only one host", evidence={"path": "/domain/devices/disk/source/host"})
    return source.hosts[0]


_SERVERS = {
    NetworkProtocol.ISCSI: "iSCSI protocol",
    NetworkProtocol.NBD: "nbd protocol",
    NetworkProtocol.VXHS: "VxHS protocol",
    NetworkProtocol.NFS: "NFS protocol",
}
"""What libvirt calls protocols with one server, besides by their names."""


Make = Callable[[Image, Access], dict[str, Any]]

_TYPES: Mapping[StorageType, Make] = {
    StorageType.FILE: _file,
    StorageType.BLOCK: _block,
    StorageType.DIR: _dir,
    StorageType.NVME: _nvme,
    StorageType.VHOST_VDPA: _vdpa,
}

_PROTOCOLS: Mapping[NetworkProtocol, Make] = {
    NetworkProtocol.NBD: _nbd,
    NetworkProtocol.RBD: _rbd,
    NetworkProtocol.GLUSTER: _gluster,
    NetworkProtocol.ISCSI: _iscsi,
    NetworkProtocol.HTTP: _curl,
    NetworkProtocol.HTTPS: _curl,
    NetworkProtocol.FTP: _curl,
    NetworkProtocol.FTPS: _curl,
    NetworkProtocol.TFTP: _curl,
    NetworkProtocol.SSH: _ssh,
    NetworkProtocol.VXHS: _vxhs,
    NetworkProtocol.NFS: _nfs,
}
