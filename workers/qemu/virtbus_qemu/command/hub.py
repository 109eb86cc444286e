"""USB hubs."""

from __future__ import annotations

from virtbus.domain.hub import Hub
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts


def describe(device: Hub, context: Context) -> Parts:
    """A USB hub."""
    return Parts(device={"driver": f"{device.type}-hub", "id": device.alias, **place.of(device, context)})
