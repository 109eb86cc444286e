"""Disks: xl's keys and values in any order after positional ones, and xm's three fields."""

from __future__ import annotations

import re

from virtbus.domain import Disk, DiskBus, DiskDevice, Domain, ImageFormat, StorageSource, StorageType
from virtbus.domain.disk import DiskDriver, DiskTarget
from virtbus.domain.storage import NetworkProtocol, StorageHost
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import is_full
from virtbus_xen.config.syntax import Settings, Value

_POSITIONAL = ("target", "format", "vdev", "access")
"""xl's disk parameters that need no key, in their order (xl-disk-configuration(5))."""

_FLAGS = {"cdrom": ("devtype", "cdrom"), "devtype=cdrom": ("devtype", "cdrom"), "!": ("access", "!")}

_FORMATS = {"": ImageFormat.RAW, "raw": ImageFormat.RAW, "qcow": ImageFormat.QCOW, "qcow2": ImageFormat.QCOW2,
            "vhd": ImageFormat.VHD, "qed": ImageFormat.QED}  # fmt: skip

_BACKENDS = {"phy": "phy", "tap": "tap", "qdisk": "qemu"}
"""Xen's disk backends, and the names of libvirt's drivers."""

_DRIVERS = {"phy": "phy", "tap": "tap", "tap2": "tap", "qemu": "qdisk", "file": "qdisk"}

_FIELDS = {"target": "target", "format": "format", "vdev": "vdev", "access": "access", "backendtype": "backend",
           "backend": "domain", "devtype": "devtype"}  # fmt: skip


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    reader = _read_xl if dialect is Dialect.XL else _read_xm
    for text in settings.texts("disk"):
        disk = reader(text, domain)
        disk.target.bus = _bus(disk.target.dev, domain)
        if disk.device is DiskDevice.CDROM:
            disk.readonly = True
        domain.devices.disks.append(disk)
    for letter, name in zip("ab", ("fda", "fdb"), strict=True):
        path = settings.text(f"fd{letter}") if dialect is Dialect.XM and is_full(domain) else None
        if path is not None:
            floppy = Disk(type=StorageType.FILE, device=DiskDevice.FLOPPY, driver=DiskDriver(name="file"),
                          source=StorageSource(file=path), target=DiskTarget(dev=name, bus=DiskBus.FDC))  # fmt: skip
            domain.devices.disks.append(floppy)


def _bus(name: str, domain: Domain) -> DiskBus:
    if name.startswith("xvd") or not is_full(domain):
        return DiskBus.XEN
    return DiskBus.SCSI if name.startswith("sd") else DiskBus.IDE


# ---- xl ----


def _read_xl(text: str, domain: Domain) -> Disk:
    said = split(text)
    name = said.get("vdev", "").removeprefix("/dev/")
    if not name:
        raise InvalidArgument(f"disk has no vdev: {text:.200}")
    image = _FORMATS.get(said.get("format", ""))
    if image is None:
        raise InvalidArgument(f"disk image format not supported: {said['format']:.40}")
    driver = _BACKENDS.get(said.get("backend", "qdisk"))
    if driver is None:
        raise InvalidArgument(f"disk backend not supported: {said['backend']:.40}")
    disk = Disk(
        type=StorageType.BLOCK if driver == "phy" else StorageType.FILE,
        device=DiskDevice.CDROM if said.get("devtype") == "cdrom" else DiskDevice.DISK,
        driver=DiskDriver(name=driver, type=image), target=DiskTarget(dev=name), backend_domain=said.get("domain"),
    )  # fmt: skip
    _set_source(disk, said.get("target", ""))
    access = said.get("access", "rw")
    disk.readonly = access in ("r", "ro")
    disk.shareable = "!" in access
    return disk


def split(text: str) -> dict[str, str]:
    """The parameters of xl's disk specification, by libxl's names of its fields."""
    said: dict[str, str] = {}
    positional = iter(_POSITIONAL)
    words = text.split(",")
    for at, word in enumerate(words):
        word = word.strip()
        if word.startswith("target="):
            # The target is last, and may have commas itself.
            said["target"] = ",".join(words[at:]).strip().removeprefix("target=")
            break
        key, found, value = word.partition("=")
        if found and key in _FIELDS:
            said[_FIELDS[key]] = value
        elif word in _FLAGS:
            name, value = _FLAGS[word]
            said[name] = value
        elif (field := next(positional, None)) is not None and word:
            said[field] = word
    return said


def _set_source(disk: Disk, path: str) -> None:
    if path.startswith("rbd:"):
        disk.type = StorageType.NETWORK
        disk.source = _read_rbd(path.removeprefix("rbd:"))
    elif path and disk.type is StorageType.BLOCK:
        disk.source = StorageSource(dev=path)
    elif path:
        disk.source = StorageSource(file=path)


def _read_rbd(text: str) -> StorageSource:
    """QEMU's notation of a Ceph image: pool/image:option=value:..., with its marks escaped."""
    plain = re.sub(r"\\+(?=[:;])", r"\\", text)
    name, *options = re.split(r"(?<!\\):", plain)
    hosts = []
    for option in options:
        key, _, value = option.partition("=")
        for monitor in re.split(r"\\;", value) if key == "mon_host" else ():
            server, _, port = monitor.replace("\\", "").rpartition(":") if "\\:" in monitor else (monitor, "", "")
            hosts.append(StorageHost(name=server.strip("[]"), port=int(port) if port.isdigit() else None))
    return StorageSource(protocol=NetworkProtocol.RBD, name=name, hosts=hosts)


# ---- xm ----


def _read_xm(text: str, domain: Domain) -> Disk:
    path, name, mode, *_ = [*text.split(","), "", ""]
    name = name.removeprefix("ioemu:")
    name, _, suffix = name.partition(":")
    device = DiskDevice.CDROM if suffix == "cdrom" else DiskDevice.DISK
    driver: DiskDriver | None = None
    kind, found, rest = path.partition(":")
    if found and "/" not in kind:
        driver, path = DiskDriver(name=kind), rest
        if kind in ("tap", "tap2"):
            image, _, path = rest.partition(":")
            driver.type = ImageFormat.RAW if image == "aio" else _xm_format(image)
    is_block = driver.name == "phy" if driver is not None else path.startswith("/dev/")
    if driver is None and path:
        driver = DiskDriver(name="phy" if is_block else "file")
    if driver is not None:
        driver.type = driver.type or ImageFormat.RAW
    source = None if not path else StorageSource(dev=path) if is_block else StorageSource(file=path)
    return Disk(
        type=StorageType.BLOCK if is_block else StorageType.FILE, device=device, driver=driver, source=source,
        target=DiskTarget(dev=name.removeprefix("/dev/")), readonly=mode.startswith("r") and mode != "rw",
        shareable="!" in mode,
    )  # fmt: skip


def _xm_format(text: str) -> ImageFormat:
    found = _FORMATS.get(text)
    if found is None:
        raise InvalidArgument(f"Unknown driver type {text:.40}")
    return found


# ---- both, outward ----


def write(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    disks: list[Value] = []
    for disk in domain.devices.disks:
        if disk.device is not DiskDevice.FLOPPY:
            disks.append(format_disk(disk) if dialect is Dialect.XL else _format_xm(disk))
        elif dialect is Dialect.XM and disk.source is not None:
            settings[disk.target.dev] = path_of(disk)
    if disks:
        settings["disk"] = disks


def format_disk(disk: Disk) -> str:
    """A disk as xl's specification.

    :raise ConfigUnsupported: it is one that Xen does not have.
    """
    if disk.transient is not None:
        raise ConfigUnsupported("transient disks not supported yet")
    image = (disk.driver.type if disk.driver is not None else None) or ImageFormat.RAW
    if image not in _FORMATS.values():
        raise ConfigUnsupported(f"libxl does not support disk format {image}")
    access = "ro" if disk.readonly else "!" if disk.shareable else "rw"
    words = [f"format={image}", f"vdev={disk.target.dev}", f"access={access}"]
    name = disk.driver.name if disk.driver is not None else None
    if name is not None:
        if name not in _DRIVERS:
            raise ConfigUnsupported(f"libxl does not support disk driver {name}")
        words.append(f"backendtype={_DRIVERS[name]}")
    if disk.device is DiskDevice.CDROM:
        words.append("devtype=cdrom")
    if disk.backend_domain is not None:
        words.append(f"backend={disk.backend_domain}")
    path = path_of(disk)
    # Only the target may have commas, so it comes last.
    return ",".join([*words, f"target={path}"] if path else words)


def path_of(disk: Disk) -> str:
    """Where Xen's backend finds the image; empty where there is no medium.

    :raise ConfigUnsupported: it lies where Xen does not reach.
    """
    source = disk.source
    if source is None:
        return ""
    if disk.type is StorageType.NETWORK:
        return _format_rbd(source)
    if disk.type not in (StorageType.FILE, StorageType.BLOCK):
        raise ConfigUnsupported(f"libxl does not support disks of type '{disk.type}'")
    return source.file or source.dev or ""


def _format_rbd(source: StorageSource) -> str:
    if source.protocol is not NetworkProtocol.RBD:
        raise ConfigUnsupported(f"Unsupported network block protocol '{source.protocol}'")
    if ":" in (source.name or ""):
        raise ConfigUnsupported(f"':' not allowed in RBD source volume name '{source.name}'")
    hosts = []
    for host in source.hosts:
        name = f"[{host.name}]" if ":" in (host.name or "") else host.name or ""
        hosts.append(name if host.port is None else f"{name}\\\\:{host.port}")
    monitors = ":mon_host=" + "\\\\;".join(hosts) if hosts else ""
    return f"rbd:{source.name}:auth_supported=none{monitors}"


def _format_xm(disk: Disk) -> str:
    name = disk.driver.name if disk.driver is not None else None
    image = disk.driver.type if disk.driver is not None else None
    if disk.source is None:
        path = ""
    elif name in ("tap", "tap2"):
        path = f"{name}:{'aio' if image in (None, ImageFormat.RAW) else image}:"
    else:
        path = f"{name or {StorageType.FILE: 'file', StorageType.BLOCK: 'phy'}.get(disk.type, 'file')}:"
    suffix = ":cdrom" if disk.device is DiskDevice.CDROM else ""
    mode = "r" if disk.readonly else "w!" if disk.shareable else "w"
    return f"{path}{path_of(disk)},{disk.target.dev}{suffix},{mode}"
