"""What is done to a container once it runs, before that is told: after its start, and after each reboot."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from virtbus.domain import find, parse_device
from virtbus.errors import VirtbusError
from virtbus_lxc import network
from virtbus_lxc.container import Container
from virtbus_lxc.plugs import plug_of
from virtbus_lxc.tools import run

log = logging.getLogger(__name__)

LIMIT = 10.0
"""Seconds that each step after a reboot may take."""


async def settle(container: Container, timeout: float) -> None:
    """Set what LXC's configuration has no words for, and stop it where it is to begin paused.

    :raise HypervisorError: it could not be done.
    """
    await network.finish(container, timeout=timeout)
    if container.notes.paused:
        await freeze(container, timeout)
        container.frozen = True
    container.notes.settled = True
    container.note()


async def freeze(container: Container, timeout: float) -> None:
    """Stop a container's processes.

    :raise HypervisorError: LXC refused, or its monitor answers nobody.
    """
    if container.cgroup is not None:
        await container.cgroup.begin_freezing()
    await run("lxc-freeze", *container.where, timeout=timeout)


async def settle_again(container: Container) -> None:
    """After a reboot, which LXC does from what it was started with: what was changed since is done once more.

    What cannot be is told in the log, and stays in the live definition: the next change of it says what is wrong.
    """
    notes = container.notes
    steps: list[Awaitable[None]] = [_resize(container), network.finish(container, LIMIT)]
    for xml in notes.removed:
        device = parse_device(xml)
        plug = plug_of(device)
        steps += [] if plug is None else [plug.unplug(container, device, LIMIT)]
    for alias in notes.added:
        steps.append(_plug_again(container, alias))
    for step in steps:
        try:
            await step
        except VirtbusError as error:
            log.warning("after its reboot: %s", error.at(domain=container.uuid))


async def _plug_again(container: Container, alias: str) -> None:
    device = find(container.live, alias)
    plug = plug_of(device)
    if plug is not None:
        await plug.unplug(container, device, LIMIT)
        await plug.plug(container, device, LIMIT)


async def _resize(container: Container) -> None:
    for name, value in container.notes.limits.items():
        await run("lxc-cgroup", *container.where, "--", name, value, timeout=LIMIT)
