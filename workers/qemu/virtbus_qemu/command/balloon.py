"""The balloon, by which the host takes memory back."""

from __future__ import annotations

from virtbus.domain.domain import Domain
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Command, Context, Parts, given


def describe(device: Memballoon, context: Context) -> Parts:
    """The balloon.

    :raise ConfigUnsupported: it is not virtio's.
    """
    if device.model is MemballoonModel.NONE:
        return Parts()
    if device.model is MemballoonModel.XEN:
        raise ConfigUnsupported(
            f"Memory balloon device type '{device.model}' is not supported by this version of qemu",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/memballoon/@model"},
        )
    period = device.stats
    settle = () if period is None else (statistics_period(device.alias or "", period),)
    return Parts(
        device={
            "driver": place.virtio_name("virtio-balloon", device, context),
            **place.virtio(device.driver),
            "id": device.alias,
            **given({"deflate-on-oom": device.autodeflate, "free-page-reporting": device.free_page_reporting}),
            **place.of(device, context),
        },
        settle=settle,
    )


def targets(live: Domain) -> list[Command]:
    """What has the guest give back what it was not to have at once, where there is a balloon to do it."""
    device, most, now = live.devices.memballoon, live.memory, live.current_memory
    if device is None or device.model is MemballoonModel.NONE or not most or not now or now.kib >= most.kib:
        return []
    return [Command("balloon", {"value": now.kib * 1024})]


def statistics_period(alias: str, seconds: int) -> Command:
    """The command that makes the guest report its memory every so many seconds."""
    path = f"/machine/peripheral/{alias}"
    return Command("qom-set", {"path": path, "property": "guest-stats-polling-interval", "value": seconds})
