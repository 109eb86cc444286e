"""How each kind of device gets into a running container and out of it: one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from virtbus.domain import Device, Disk, Filesystem, Interface
from virtbus.domain.hostdev import MiscHostdev, NetHostdev, StorageHostdev
from virtbus.errors import HypervisorError
from virtbus_lxc import loops, mounts, network
from virtbus_lxc.config.devicenodes import node_of, rule_of
from virtbus_lxc.container import Container
from virtbus_lxc.tools import ask, run

Step = Callable[[Container, Any, float], Awaitable[None]]


@dataclass(frozen=True)
class Plug:
    """The way in, and the way out, which does nothing where the device is gone."""

    plug: Step
    unplug: Step


async def _add_node(container: Container, device: Device, timeout: float) -> None:
    node = node_of(device)
    assert node is not None
    source, target = node
    readonly = isinstance(device, Disk) and device.readonly
    await _allow(container, source, timeout)
    try:
        await mounts.show_node(container, source, target, timeout, readonly=readonly)
    except HypervisorError:
        await _deny(container, source, timeout)
        raise


async def _drop_node(container: Container, device: Device, timeout: float) -> None:
    node = node_of(device)
    assert node is not None
    await mounts.hide_node(container, node[1], timeout)
    await _deny(container, node[0], timeout)


async def _allow(container: Container, source: str, timeout: float) -> None:
    await run("lxc-cgroup", *container.where, "--", "devices.allow", rule_of(source), timeout=timeout)


async def _deny(container: Container, source: str, timeout: float) -> None:
    await ask("lxc-cgroup", *container.where, "--", "devices.deny", rule_of(source), timeout=timeout)


async def _add_disk(container: Container, disk: Disk, timeout: float) -> None:
    device = await loops.attach(disk, timeout)
    if device is None:
        await _add_node(container, disk, timeout)
        return
    container.notes.loops[disk.alias or ""] = device
    container.note()
    try:
        await _add_node(container, loops.as_block(disk, device), timeout)
    except HypervisorError:
        await _drop_loop(container, disk)
        raise


async def _drop_disk(container: Container, disk: Disk, timeout: float) -> None:
    device = container.notes.loops.get(disk.alias or "")
    await _drop_node(container, disk if device is None else loops.as_block(disk, device), timeout)
    await _drop_loop(container, disk)


async def _drop_loop(container: Container, disk: Disk) -> None:
    device = container.notes.loops.pop(disk.alias or "", None)
    if device is not None:
        await loops.release([device])
        container.note()


PLUGS: dict[type[Device], Plug] = {
    Disk: Plug(_add_disk, _drop_disk),
    Filesystem: Plug(mounts.mount, mounts.unmount),
    Interface: Plug(network.plug, network.unplug),
    NetHostdev: Plug(network.give, network.take_back),
    StorageHostdev: Plug(_add_node, _drop_node),
    MiscHostdev: Plug(_add_node, _drop_node),
}
"""The kinds that a running container can gain and lose."""


def plug_of(device: Device) -> Plug | None:
    """How a device is plugged; None where it comes and goes with the container."""
    return next((plug for kind, plug in PLUGS.items() if isinstance(device, kind)), None)
