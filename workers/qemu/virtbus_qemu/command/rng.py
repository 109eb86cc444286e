"""Random number generators."""

from __future__ import annotations

from virtbus.domain.rng import Rng, RngBackendModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given
from virtbus_qemu.command.stream import host_end

_FLAGS = {
    RngBackendModel.RANDOM: "rng-random",
    RngBackendModel.EGD: "rng-egd",
    RngBackendModel.BUILTIN: "rng-builtin",
}
"""The capability that each source of entropy needs."""

_PERIOD = 1000
"""The milliseconds of a limit that says no period."""


def describe(device: Rng, context: Context) -> Parts:
    """A random number generator.

    :raise ConfigUnsupported: QEMU has no such source of entropy.
    """
    source = device.backend.model
    if not context.has(_FLAGS[source]):
        raise ConfigUnsupported(
            f"this qemu doesn't support the {_FLAGS[source]} backend",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/rng/backend/@model"},
        )
    ends = host_end(device, context) if source is RngBackendModel.EGD else ()
    path = (device.backend.path or "/dev/urandom") if source is RngBackendModel.RANDOM else None
    chardev = ends[-1].id if ends else None
    properties = {"qom-type": f"rng-{source}", "id": f"obj{device.alias}", **given(chardev=chardev, filename=path)}
    limit = device.rate
    return Parts(
        (*ends, Backend(BackendKind.OBJECT, properties)),
        {
            "driver": place.virtio_name("virtio-rng", device, context),
            **place.virtio(device.driver),
            "rng": f"obj{device.alias}",
            "id": device.alias,
            **({} if limit is None else {"max-bytes": limit.bytes, "period": limit.period or _PERIOD}),
            **place.of(device, context),
        },
    )
