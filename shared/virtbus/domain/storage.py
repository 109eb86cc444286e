"""Where an image lies: a file, a block device, a volume, or on the network; with its backing chain."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from virtbus.domain.device import HostAddress, Reconnect
from virtbus.domain.private import SourcePrivate
from virtbus.domain.security import DeviceSecurityLabel
from virtbus.xml import Digit, Element, UInt, ULong, attribute, child, children, text


class StorageType(StrEnum):
    """What kind of place an image lies in."""

    FILE = "file"
    BLOCK = "block"
    DIR = "dir"
    NETWORK = "network"
    VOLUME = "volume"
    NVME = "nvme"
    VHOST_USER = "vhostuser"
    VHOST_VDPA = "vhostvdpa"


class ImageFormat(StrEnum):
    """How an image's bytes are laid out."""

    NONE = "none"
    RAW = "raw"
    DIR = "dir"
    BOCHS = "bochs"
    CLOOP = "cloop"
    DMG = "dmg"
    ISO = "iso"
    VPC = "vpc"
    VDI = "vdi"
    LUKS = "luks"
    FAT = "fat"
    VHD = "vhd"
    PLOOP = "ploop"
    COW = "cow"
    QCOW = "qcow"
    QCOW2 = "qcow2"
    QED = "qed"
    VMDK = "vmdk"
    AUTO = "auto"


class NetworkProtocol(StrEnum):
    """How an image is reached over the network."""

    NBD = "nbd"
    RBD = "rbd"
    SHEEPDOG = "sheepdog"
    GLUSTER = "gluster"
    ISCSI = "iscsi"
    HTTP = "http"
    HTTPS = "https"
    FTP = "ftp"
    FTPS = "ftps"
    TFTP = "tftp"
    SSH = "ssh"
    VXHS = "vxhs"
    NFS = "nfs"


class HostTransport(StrEnum):
    """How a storage server is connected to."""

    TCP = "tcp"
    UNIX = "unix"
    RDMA = "rdma"


class StorageHost(Element, tag="host"):
    """A server that has the image."""

    name: str | None = attribute()
    port: UInt | None = attribute()
    transport: HostTransport | None = attribute()
    socket: str | None = attribute()


class SecretKind(StrEnum):
    """What a secret is for."""

    CEPH = "ceph"
    ISCSI = "iscsi"
    PASSPHRASE = "passphrase"


class SecretReference(Element, tag="secret"):
    """A secret that the host keeps, by its usage or its UUID."""

    type: SecretKind | None = attribute()
    usage: str | None = attribute()
    uuid: UUID | None = attribute()


class Authentication(Element, tag="auth"):
    """Who asks a storage server for the image."""

    username: str = attribute()
    secret: SecretReference = child()


class EncryptionFormat(StrEnum):
    """How an image is encrypted."""

    DEFAULT = "default"
    QCOW = "qcow"
    LUKS = "luks"
    LUKS2 = "luks2"
    LUKS_ANY = "luks-any"


class EncryptionEngine(StrEnum):
    """Who decrypts."""

    QEMU = "qemu"
    LIBRBD = "librbd"


class Cipher(Element, tag="cipher"):
    """With which cipher an image is encrypted."""

    name: str = attribute()
    size: UInt = attribute()
    mode: str | None = attribute()
    hash: str | None = attribute()


class InitialVector(Element, tag="ivgen"):
    """How the cipher's initial vectors are made."""

    name: str = attribute()
    hash: str | None = attribute()


class Encryption(Element, tag="encryption", empty=True):
    """How an image is encrypted, and with which secrets it is opened."""

    encryption_format: EncryptionFormat = attribute("format")
    engine: EncryptionEngine | None = attribute()
    secrets: list[SecretReference] = children()
    cipher: Cipher | None = child()
    ivgen: InitialVector | None = child()


class StartupPolicy(StrEnum):
    """What happens when the image is not there at start."""

    MANDATORY = "mandatory"
    REQUISITE = "requisite"
    OPTIONAL = "optional"


class Slices(Element, tag="slices"):
    """Which part of the file is the image."""

    slices: list[Slice] = children()


class Slice(Element, tag="slice"):
    """A range of the file, in bytes."""

    type: str = attribute()
    offset: ULong = attribute()
    size: ULong = attribute()


class Initiator(Element, tag="initiator"):
    """The iSCSI name under which the host asks."""

    iqn: str = child(attribute="name")


class ReservationsSource(Element, tag="source"):
    """The socket of the helper that keeps persistent reservations."""

    type: str = attribute()
    path: str = attribute()
    mode: str = attribute()


class Reservations(Element, tag="reservations"):
    """Persistent reservations of a SCSI disk, kept by a helper."""

    managed: bool = attribute()
    source: ReservationsSource | None = child()


class Ssl(Element, tag="ssl"):
    """Whether a server's certificate is verified."""

    verify: bool = attribute()


class Cookie(Element, tag="cookie"):
    """A cookie for an HTTP server."""

    name: str = attribute()
    value: str = text(secret=True)


class Cookies(Element, tag="cookies"):
    """What an HTTP server is told."""

    cookies: list[Cookie] = children()


class Identity(Element, tag="identity"):
    """Who the host is for an NFS or SSH server."""

    user: str | None = attribute()
    group: str | None = attribute()
    username: str | None = attribute()
    keyfile: str | None = attribute()
    agentsock: str | None = attribute()


class DataStore(Element, tag="dataStore"):
    """Where a qcow2 image keeps its data apart."""

    type: StorageType = attribute()
    image_format: ImageFormat | None = child("format", attribute="type")
    source: StorageSource = child()


class StorageSource(Element, tag="source", empty=True):
    """The place of an image; which attributes matter depends on the type that its owner says."""

    type: str | None = attribute()
    file: str | None = attribute()
    dev: str | None = attribute()
    dir: str | None = attribute()
    protocol: NetworkProtocol | None = attribute()
    name: str | None = attribute()
    tls: bool | None = attribute()
    tls_from_config: Digit | None = attribute("tlsFromConfig", private=True)
    tls_hostname: str | None = attribute("tlsHostname")
    query: str | None = attribute()
    pool: str | None = attribute()
    volume: str | None = attribute()
    actual_type: StorageType | None = attribute("actualType", private=True)
    mode: str | None = attribute()
    managed: bool | None = attribute()
    namespace: UInt | None = attribute()
    path: str | None = attribute()
    fdgroup: str | None = attribute()
    startup_policy: StartupPolicy | None = attribute("startupPolicy")
    index: UInt | None = attribute()
    address: HostAddress | None = child()
    hosts: list[StorageHost] = children()
    snapshot: str | None = child(attribute="name")
    config: str | None = child(attribute="file")
    initiator: Initiator | None = child()
    ssl: Ssl | None = child()
    cookies: Cookies | None = child()
    readahead: ULong | None = child(attribute="size")
    timeout: ULong | None = child(attribute="seconds")
    known_hosts: str | None = child("knownHosts", attribute="path")
    identity: Identity | None = child()
    reconnect: Reconnect | None = child()
    slices: Slices | None = child()
    seclabels: list[DeviceSecurityLabel] = children()
    auth: Authentication | None = child()
    encryption: Encryption | None = child()
    reservations: Reservations | None = child()
    data_store: DataStore | None = child()
    private: SourcePrivate | None = child("privateData", private=True)


class BackingStore(Element, tag="backingStore", empty=True):
    """The image that another is based on; one without a source ends the chain."""

    type: StorageType | None = attribute()
    index: UInt | None = attribute()
    image_format: BackingFormat | None = child()
    source: StorageSource | None = child()
    backing_store: BackingStore | None = child()


class BackingFormat(Element, tag="format"):
    """The layout of a backing image."""

    type: ImageFormat = attribute()
    metadata_cache: MetadataCache | None = child("metadata_cache")


class MetadataCache(Element, tag="metadata_cache"):
    """How much of a qcow2 image's tables is kept in memory, in bytes."""

    max_size: int | None = child(unit="bytes")
