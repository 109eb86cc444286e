"""Folders of the host that the guest mounts."""

from __future__ import annotations

from virtbus.domain.filesystem import AccessMode, Filesystem, FilesystemDriver, FilesystemType, MultiDevs
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place, stream
from virtbus_qemu.command.parts import Context, Parts, escape, given

#: QEMU's security models of 9p.
_SECURITY = {
    AccessMode.MAPPED: "mapped",
    AccessMode.PASSTHROUGH: "passthrough",
    AccessMode.SQUASH: "none",
}

VIRTIOFS = "virtiofs"
MTP = "mtp"


def describe(device: Filesystem, context: Context) -> Parts:
    """A folder: by 9p from QEMU itself, by a virtiofs daemon, or over USB as a media player would.

    :raise ConfigUnsupported: what is mounted is no folder.
    """
    if device.type is not FilesystemType.MOUNT:
        raise ConfigUnsupported(
            "only supports mount filesystem type",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/filesystem/@type"},
        )
    kind = device.driver.type if device.driver else None
    if kind == VIRTIOFS:
        return _virtiofs(device, device.driver or FilesystemDriver(), context)
    return _mtp(device, context) if kind == MTP else _9p(device, context)


def _tag(device: Filesystem) -> str:
    return device.target.dir if device.target else ""


def _9p(device: Filesystem, context: Context) -> Parts:
    driver = device.driver or FilesystemDriver()
    name = f"fsdev-{device.alias}"
    handle = driver.type == "handle"
    words = ["handle"] if handle else _local(device)
    # By handle, the guest's rights are passed through in any case.
    _ = device.accessmode
    words += [f"writeout={driver.write_policy}"] if driver.write_policy else []
    words += [f"id={name}", f"path={escape(_folder(device))}"]
    words += ["readonly"] if device.readonly else []
    guest = {
        "driver": place.virtio_name("virtio-9p", device, context),
        **place.virtio(device.driver),
        "id": device.alias,
        "fsdev": name,
        "mount_tag": _tag(device),
        **place.of(device, context),
    }
    return Parts(device=guest, before=("-fsdev", ",".join(words)))


def _local(device: Filesystem) -> list[str]:
    words = ["local", f"security_model={_SECURITY[device.accessmode or AccessMode.PASSTHROUGH]}"]
    if device.multidevs not in (None, MultiDevs.DEFAULT):
        words.append(f"multidevs={device.multidevs}")
    modes = {"fmode": device.fmode, "dmode": device.dmode}
    return [*words, *(f"{name}={mode:04o}" for name, mode in modes.items() if mode)]


def _folder(device: Filesystem) -> str:
    return (device.source.dir if device.source else None) or ""


def _virtiofs(device: Filesystem, driver: FilesystemDriver, context: Context) -> Parts:
    """The daemon listens on a socket: the user's, or one of the domain's folder."""
    given_socket = device.source.socket if device.source else None
    path = given_socket or str(context.folder / f"{device.alias}-fs.sock")
    daemon = stream.client(f"chr-vu-{device.alias}", path, context)
    guest = {
        "driver": place.virtio_name("vhost-user-fs", device, context),
        **place.virtio(driver),
        "id": device.alias,
        "chardev": daemon.id,
        **given({"queue-size": driver.queue or None}),
        "tag": _tag(device),
        **place.boot(device, context),
        **place.of(device, context),
    }
    return Parts((daemon,), guest)


def _mtp(device: Filesystem, context: Context) -> Parts:
    return Parts(
        device={
            "driver": "usb-mtp",
            "id": device.alias,
            "rootdir": _folder(device),
            "desc": _tag(device),
            "readonly": device.readonly,
            **place.of(device, context),
        }
    )
