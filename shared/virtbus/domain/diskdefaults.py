"""What libvirt fills into disks: bus, type, ports of servers, and what older notes leave open."""

from __future__ import annotations

from virtbus.domain.disk import (
    Disk,
    DiskBus,
    DiskDevice,
    DiskDriver,
    DiskTray,
    Mirror,
    MirrorJob,
    SnapshotLocation,
)
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.storage import (
    BackingStore,
    EncryptionEngine,
    HostTransport,
    ImageFormat,
    NetworkProtocol,
    StorageSource,
    StorageType,
)

BUS_OF_PREFIX: tuple[tuple[str, DiskBus], ...] = (
    ("fd", DiskBus.FDC),
    ("hd", DiskBus.IDE),
    ("sd", DiskBus.SCSI),
    ("vd", DiskBus.VIRTIO),
    ("xvd", DiskBus.XEN),
    ("ubd", DiskBus.UML),
)
"""The bus that a disk's name speaks of."""


def _fill_mirror(mirror: Mirror) -> None:
    """Older notes of a mirror have its file and format as attributes only."""
    if mirror.file is not None and mirror.source is None:
        mirror.type, mirror.source = StorageType.FILE, StorageSource(file=mirror.file)
    mirror.image_format = mirror.image_format or mirror.old_format or ImageFormat.RAW
    if mirror.type is StorageType.FILE and mirror.source is not None:
        mirror.file, mirror.old_format = mirror.source.file, mirror.image_format
    mirror.job = mirror.job or MirrorJob.COPY


PORTS: dict[NetworkProtocol, int] = {
    NetworkProtocol.NBD: 10809,
    NetworkProtocol.SHEEPDOG: 7000,
    NetworkProtocol.GLUSTER: 24007,
    NetworkProtocol.ISCSI: 3260,
    NetworkProtocol.HTTP: 80,
    NetworkProtocol.HTTPS: 443,
    NetworkProtocol.FTP: 21,
    NetworkProtocol.FTPS: 990,
    NetworkProtocol.TFTP: 69,
    NetworkProtocol.SSH: 22,
    NetworkProtocol.VXHS: 9999,
}
"""The port of a server that says none; the others' libraries choose it."""

_QEMU = (DomainType.QEMU, DomainType.KVM, DomainType.HVF)


def _forget_defaults(driver: DiskDriver) -> None:
    """What is said to be the default is not said."""
    for name, value in vars(driver).items():
        if value == "default":
            setattr(driver, name, None)


def _fill_source(domain: Domain, source: StorageSource) -> None:
    """Servers are asked at their protocol's port; QEMU decrypts unless another does."""
    port = PORTS.get(source.protocol) if source.protocol is not None else None
    for host in source.hosts:
        if host.port is None and host.transport in (None, HostTransport.TCP):
            host.port = port
    if source.encryption is not None and domain.type in _QEMU:
        source.encryption.engine = source.encryption.engine or EncryptionEngine.QEMU
    if source.protocol is NetworkProtocol.ISCSI and source.name is not None:
        source.name = with_unit(source.name)


def with_unit(name: str) -> str:
    """An iSCSI target with the unit that is meant, which is the first unless it says another."""
    return name if "/" in name else f"{name}/0"


def fill_disk(domain: Domain, disk: Disk) -> None:
    if disk.mirror is not None:
        _fill_mirror(disk.mirror)
    layer: Disk | BackingStore | None = disk
    while layer is not None:
        if layer.source is not None:
            _fill_source(domain, layer.source)
        layer = layer.backing_store
    if disk.driver is not None:
        _forget_defaults(disk.driver)
    if disk.encryption is not None and domain.type in _QEMU:
        disk.encryption.engine = disk.encryption.engine or EncryptionEngine.QEMU
    if disk.target.bus is None:
        disk.target.bus = next((bus for prefix, bus in BUS_OF_PREFIX if disk.target.dev.startswith(prefix)), None)
    if disk.target.bus is None and disk.device is DiskDevice.FLOPPY:
        disk.target.bus = DiskBus.FDC
    if disk.device is DiskDevice.CDROM:
        disk.readonly = True
    if disk.source is not None and not any(vars(disk.source).values()):
        disk.source = None
    if disk.target.tray is DiskTray.CLOSED:
        disk.target.tray = None
    if disk.type is StorageType.VHOST_USER:
        disk.snapshot = disk.snapshot or SnapshotLocation.NO
    elif disk.snapshot is SnapshotLocation.NO and disk.readonly:
        # Nobody takes snapshots of what is not written.
        disk.snapshot = None
    if (
        disk.source is None
        and disk.type in (StorageType.NETWORK, StorageType.VOLUME)
        and disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY)
    ):
        disk.type = StorageType.FILE
