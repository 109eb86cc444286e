"""Memory that guests share."""

from __future__ import annotations

from virtbus.domain.address import PciAddress
from virtbus.domain.shmem import Shmem, ShmemModel, ShmemMsi, ShmemRole
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place, stream
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given

_MIB = 1024 * 1024

_DEFAULT_SIZE_MIB = 4
"""Of shared memory whose size is not said (libvirt: 4 MiB)."""


def describe(device: Shmem, context: Context) -> Parts:
    """Memory that guests share, by a file of the host or by a server that hands it out.

    :raise ConfigUnsupported: it is not on a PCI bus.
    """
    if not isinstance(device.address, PciAddress):
        raise ConfigUnsupported(
            "only 'pci' addresses are supported for the shared memory device",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/shmem/address"},
        )
    return _doorbell(device, context) if device.model is ShmemModel.IVSHMEM_DOORBELL else _plain(device, context)


def _plain(device: Shmem, context: Context) -> Parts:
    host = Backend(
        BackendKind.OBJECT,
        {
            "qom-type": "memory-backend-file",
            "id": f"shmmem-{device.alias}",
            "mem-path": f"/dev/shm/{device.name}",
            "size": (device.size or _DEFAULT_SIZE_MIB) * _MIB,
            "share": True,
        },
    )
    master = {ShmemRole.MASTER: "on", ShmemRole.PEER: "off"}
    guest = {
        "driver": "ivshmem-plain",
        "id": device.alias,
        "memdev": host.id,
        **given(master=master.get(device.role) if device.role else None),
        **place.of(device, context),
    }
    return Parts((host,), guest)


def _doorbell(device: Shmem, context: Context) -> Parts:
    path = device.server.path if device.server and device.server.path else None
    server = stream.client(f"char{device.alias}", path or f"/var/lib/libvirt/shmem-{device.name}-sock", context)
    msi = device.msi or ShmemMsi()
    # The server knows what the memory is called and how large it is.
    _ = device.name, device.size, device.role
    guest = {
        "driver": "ivshmem-doorbell",
        "id": device.alias,
        "chardev": server.id,
        **given(vectors=msi.vectors or None, ioeventfd=msi.ioeventfd),
        **place.of(device, context),
    }
    return Parts((server,), guest, device_first=True)
