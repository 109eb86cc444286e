"""Disks: drives that the guest sees, each with an image or without a medium."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.device import AcpiIndex, Device, DeviceBoot, VirtioOptions, generated
from virtbus.domain.private import DiskPrivate, SecretsPlacement
from virtbus.domain.storage import (
    Authentication,
    BackingStore,
    Encryption,
    ImageFormat,
    MetadataCache,
    StorageSource,
    StorageType,
)
from virtbus.xml import Element, OnOff, UInt, ULong, attribute, child, children, flag


class DiskDevice(StrEnum):
    """What the guest takes the drive for."""

    DISK = "disk"
    CDROM = "cdrom"
    FLOPPY = "floppy"
    LUN = "lun"


class DiskBus(StrEnum):
    """Which kind of controller a drive is on."""

    IDE = "ide"
    FDC = "fdc"
    SCSI = "scsi"
    VIRTIO = "virtio"
    XEN = "xen"
    USB = "usb"
    UML = "uml"
    SATA = "sata"
    SD = "sd"
    NVME = "nvme"


class DiskModel(StrEnum):
    """Which generation of virtio a disk speaks, or how a USB disk does."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"
    USB_STORAGE = "usb-storage"
    USB_BOT = "usb-bot"


class DiskCache(StrEnum):
    """How the host caches writes."""

    DEFAULT = "default"
    NONE = "none"
    WRITE_THROUGH = "writethrough"
    WRITE_BACK = "writeback"
    DIRECT_SYNC = "directsync"
    UNSAFE = "unsafe"


class DiskErrorPolicy(StrEnum):
    """What happens when the host cannot write (or read)."""

    DEFAULT = "default"
    STOP = "stop"
    REPORT = "report"
    IGNORE = "ignore"
    ENOSPACE = "enospace"


class DiskIo(StrEnum):
    """How the host does a disk's work."""

    DEFAULT = "default"
    NATIVE = "native"
    THREADS = "threads"
    IO_URING = "io_uring"


class DiskDiscard(StrEnum):
    """Whether what the guest discards is freed on the host."""

    DEFAULT = "default"
    UNMAP = "unmap"
    IGNORE = "ignore"


class DetectZeroes(StrEnum):
    """Whether written zeroes are turned into holes."""

    DEFAULT = "default"
    OFF = "off"
    ON = "on"
    UNMAP = "unmap"


class SnapshotLocation(StrEnum):
    """Where a snapshot of this disk goes."""

    DEFAULT = "default"
    NO = "no"
    INTERNAL = "internal"
    EXTERNAL = "external"
    MANUAL = "manual"


class DiskTray(StrEnum):
    """Whether a removable drive's tray is open."""

    CLOSED = "closed"
    OPEN = "open"


class DiskSgio(StrEnum):
    """Which SCSI commands a LUN lets through."""

    DEFAULT = "default"
    FILTERED = "filtered"
    UNFILTERED = "unfiltered"


class GeometryTranslation(StrEnum):
    """How a BIOS translates a disk's geometry."""

    DEFAULT = "default"
    NONE = "none"
    AUTO = "auto"
    LBA = "lba"


class IothreadQueue(Element, tag="queue"):
    """A virtio queue that an iothread serves."""

    id: UInt = attribute()


class DiskIothread(Element, tag="iothread"):
    """An iothread that serves the disk, and which of its queues."""

    id: UInt = attribute()
    queues: list[IothreadQueue] = children("queue")


class DiskIothreads(Element, tag="iothreads"):
    """The iothreads that serve the disk together."""

    iothreads: list[DiskIothread] = children("iothread")


class DiskDriver(VirtioOptions, tag="driver"):
    """How the hypervisor opens the image and serves the drive."""

    name: str | None = attribute()
    type: ImageFormat | None = attribute()
    cache: DiskCache | None = attribute()
    error_policy: DiskErrorPolicy | None = attribute()
    rerror_policy: DiskErrorPolicy | None = attribute()
    io: DiskIo | None = attribute()
    ioeventfd: OnOff | None = attribute()
    event_idx: OnOff | None = attribute()
    copy_on_read: OnOff | None = attribute()
    discard: DiskDiscard | None = attribute()
    discard_no_unref: OnOff | None = attribute()
    iothread: UInt | None = attribute()
    detect_zeroes: DetectZeroes | None = attribute()
    queues: UInt | None = attribute()
    queue_size: UInt | None = attribute()
    iothreads: DiskIothreads | None = child()
    metadata_cache: MetadataCache | None = child()


class DiskTarget(Element, tag="target"):
    """The name by which the domain knows the drive, and its bus."""

    dev: str = attribute()
    bus: DiskBus | None = attribute()
    tray: DiskTray | None = attribute()
    removable: OnOff | None = attribute()
    rotation_rate: UInt | None = attribute()


class IoTune(Element, tag="iotune"):
    """Limits of a disk: bytes and operations a second, bursts above them (`_max`) and their seconds (`_length`)."""

    total_bytes_sec: ULong | None = child()
    read_bytes_sec: ULong | None = child()
    write_bytes_sec: ULong | None = child()
    total_iops_sec: ULong | None = child()
    read_iops_sec: ULong | None = child()
    write_iops_sec: ULong | None = child()
    total_bytes_sec_max: ULong | None = child()
    read_bytes_sec_max: ULong | None = child()
    write_bytes_sec_max: ULong | None = child()
    total_iops_sec_max: ULong | None = child()
    read_iops_sec_max: ULong | None = child()
    write_iops_sec_max: ULong | None = child()
    size_iops_sec: ULong | None = child()
    group_name: str | None = child()
    total_bytes_sec_max_length: ULong | None = child()
    read_bytes_sec_max_length: ULong | None = child()
    write_bytes_sec_max_length: ULong | None = child()
    total_iops_sec_max_length: ULong | None = child()
    read_iops_sec_max_length: ULong | None = child()
    write_iops_sec_max_length: ULong | None = child()


class ThrottleFilters(Element, tag="throttlefilters"):
    """The domain's throttle groups that limit this disk, in order."""

    groups: list[str] = children("throttlefilter", attribute="group")


class Geometry(Element, tag="geometry"):
    """The geometry that the guest is told."""

    cylinders: UInt = attribute("cyls")
    heads: UInt = attribute()
    sectors: UInt = attribute("secs")
    translation: GeometryTranslation | None = attribute("trans")


class BlockIo(Element, tag="blockio"):
    """The block sizes in bytes that the guest is told."""

    logical_block_size: UInt | None = attribute()
    physical_block_size: UInt | None = attribute()
    discard_granularity: UInt | None = attribute()


class MirrorJob(StrEnum):
    """Which block job mirrors a disk."""

    COPY = "copy"
    ACTIVE_COMMIT = "active-commit"


class Mirror(Element, tag="mirror"):
    """A block job that copies the running disk to another image."""

    type: StorageType | None = attribute()
    file: str | None = attribute()
    old_format: ImageFormat | None = attribute("format")
    job: MirrorJob | None = attribute()
    ready: str | None = attribute()
    image_format: ImageFormat | None = child("format", attribute="type")
    source: StorageSource | None = child()
    backing_store: BackingStore | None = child()


class Transient(Element, tag="transient", empty=True):
    """What the guest writes is thrown away when it stops."""

    share_backing: bool | None = attribute("shareBacking")


class Disk(Device, tag="disk"):
    """A drive."""

    type: StorageType = attribute(default=StorageType.FILE)
    device: DiskDevice = attribute(default=DiskDevice.DISK)
    model: DiskModel | None = attribute()
    rawio: bool | None = attribute()
    sgio: DiskSgio | None = attribute()
    snapshot: SnapshotLocation | None = attribute()
    driver: DiskDriver | None = child()
    auth: Authentication | None = child()
    source: StorageSource | None = child()
    backing_store: BackingStore | None = child()
    backend_domain: str | None = child("backenddomain", attribute="name")
    geometry: Geometry | None = child()
    blockio: BlockIo | None = child()
    mirror: Mirror | None = child(live=True)
    target: DiskTarget = child()
    iotune: IoTune | None = child()
    throttle_filters: ThrottleFilters | None = child()
    readonly: bool = flag()
    shareable: bool = flag()
    transient: Transient | None = child()
    serial: str | None = child()
    wwn: str | None = child()
    vendor: str | None = child()
    product: str | None = child()
    encryption: Encryption | None = child()
    boot: DeviceBoot | None = child()
    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
    private: DiskPrivate | None = child("privateData", private=True)
    secrets_placement: SecretsPlacement | None = child("diskSecretsPlacement", private=True)
