"""Sockets between guest and host."""

from __future__ import annotations

from virtbus.domain.smalldevice import Vsock
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts, given


def describe(device: Vsock, context: Context) -> Parts:
    """A vsock device; its number is given by the definition, or by who opened the host's device.

    :raise ConfigUnsupported: it has no number.
    """
    descriptor = context.settings.descriptors.vsock
    automatic = device.cid is None or device.cid.auto or not device.cid.address
    number = context.settings.vsock_cid if automatic or device.cid is None else device.cid.address
    if number is None:
        raise ConfigUnsupported(
            "a vsock of which the host chooses the number is not supported",
            domain=context.domain.name,
            hint="name a number from 3 that no other guest has: <cid auto='no' address='3'/>",
            evidence={"path": "/domain/devices/vsock/cid/@auto"},
        )
    return Parts(
        device={
            "driver": place.virtio_name("vhost-vsock", device, context),
            **place.virtio(device.driver),
            "id": device.alias,
            "guest-cid": number,
            **given(vhostfd=None if descriptor is None else str(descriptor)),
            **place.of(device, context),
        }
    )
