"""Devices that encrypt for the guest."""

from __future__ import annotations

from virtbus.domain.smalldevice import Crypto
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given


def describe(device: Crypto, context: Context) -> Parts:
    """A crypto device: done by QEMU itself (builtin), or by the kernel (lkcf)."""
    # There is one model (virtio) and one type (qemu).
    _ = device.model, device.type
    properties = {
        "qom-type": f"cryptodev-backend-{device.backend.model}",
        "id": f"obj{device.alias}",
        "queues": device.backend.queues or None,
    }
    host = Backend(BackendKind.OBJECT, given(properties))
    guest = {
        "driver": place.virtio_name("virtio-crypto", device, context),
        **place.virtio(device.driver),
        "cryptodev": host.id,
        "id": device.alias,
        **place.of(device, context),
    }
    return Parts((host,), guest)
