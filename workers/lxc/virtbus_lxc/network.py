"""Interfaces of a running container: made on the host and moved into its network namespace (ip-link(8))."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence

from virtbus.domain import Interface, InterfaceType
from virtbus.domain.hostdev import NetHostdev
from virtbus.domain.interface import DirectMode, IpAddress, LinkState, Route
from virtbus.errors import ConfigUnsupported, HypervisorError, HypervisorGone
from virtbus_lxc.config.networklines import PREFIX, is_default
from virtbus_lxc.container import Container
from virtbus_lxc.tools import ask, run


@contextlib.contextmanager
def namespaces(container: Container) -> Iterator[tuple[int, int]]:
    """Descriptors of the container's and of the host's network namespace; a pid alone could be another process's.

    :raise HypervisorGone: the container has no process at this moment.
    """
    init = container.first_process()
    try:
        inside = os.open(f"/proc/{init.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HypervisorGone("the container ends or reboots at this moment", domain=container.uuid) from error
    outside = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not init.alive():
            raise HypervisorGone("the container ends or reboots at this moment", domain=container.uuid)
        yield inside, outside
    finally:
        os.close(inside)
        os.close(outside)


async def inside(container: Container, *words: str, timeout: float) -> str:
    """Run ip(8) of the host in the container's network namespace.

    :raise HypervisorError: it refused.
    """
    with namespaces(container) as descriptors:
        return await run(
            "nsenter", f"--net=/proc/self/fd/{descriptors[0]}", "--", "ip", *words, timeout=timeout,
            descriptors=descriptors,
        )  # fmt: skip


async def plug(container: Container, interface: Interface, timeout: float) -> None:
    """Make an interface and move it into the container; nothing of it stays where that fails.

    :raise HypervisorError: the kernel refuses: no such bridge, a name that is taken.
    """
    temporary = f"vt{secrets.token_hex(5)}"
    name = _inner_name(interface)
    try:
        await run("ip", *_making(interface, temporary), timeout=timeout)
        if interface.target is not None and interface.target.dev is not None:
            await _connect(interface, interface.target.dev, timeout)
        await _move(container, temporary, timeout)
        await inside(container, "link", "set", "dev", temporary, "name", name, timeout=timeout)
        if interface.link is not LinkState.DOWN:
            await inside(container, "link", "set", "dev", name, "up", timeout=timeout)
        await _addresses(container, name, interface.ips, interface.routes, timeout)
    except HypervisorError:
        await unplug(container, interface, timeout)
        await ask("ip", "link", "delete", "dev", temporary, timeout=timeout)
        raise


def _inner_name(interface: Interface) -> str:
    assert interface.guest is not None
    return interface.guest.actual or interface.guest.dev or "eth0"


def _making(interface: Interface, temporary: str) -> Sequence[str]:
    mac = ["address", interface.mac.address] if interface.mac is not None else []
    mtu = ["mtu", str(interface.mtu)] if interface.mtu is not None else []
    if interface.type is InterfaceType.DIRECT:
        assert interface.source is not None
        mode = interface.source.mode or DirectMode.VEPA.value
        kind = "passthru" if mode == DirectMode.PASSTHROUGH else mode
        return ["link", "add", "link", str(interface.source.dev), "name", temporary, *mac, *mtu, "type", "macvlan",
                "mode", kind]  # fmt: skip
    assert interface.target is not None
    return ["link", "add", "name", str(interface.target.dev), *mtu, "type", "veth", "peer", "name", temporary, *mac,
            *mtu]  # fmt: skip


async def _connect(interface: Interface, host: str, timeout: float) -> None:
    if interface.type is InterfaceType.BRIDGE and interface.source is not None:
        await run("ip", "link", "set", "dev", host, "master", str(interface.source.bridge), timeout=timeout)
    await run("ip", "link", "set", "dev", host, "up", timeout=timeout)


async def _move(container: Container, name: str, timeout: float) -> None:
    with namespaces(container) as descriptors:
        await run(
            "ip", "link", "set", "dev", name, "netns", f"/proc/self/fd/{descriptors[0]}", timeout=timeout,
            descriptors=descriptors,
        )  # fmt: skip


async def _addresses(
    container: Container, name: str, ips: Sequence[IpAddress], routes: Sequence[Route], timeout: float
) -> None:
    for address in ips:
        prefix = PREFIX["ipv6" if ":" in address.address else "ipv4"] if address.prefix is None else address.prefix
        await inside(container, "address", "add", f"{address.address}/{prefix}", "dev", name, timeout=timeout)
    for route in routes:
        await _route(container, name, route, timeout)


async def _route(container: Container, name: str, route: Route, timeout: float) -> None:
    metric = [] if route.metric is None else ["metric", str(route.metric)]
    target = "default" if is_default(route) else f"{route.address}/{_prefix(route)}"
    await inside(container, "route", "add", target, "via", route.gateway, "dev", name, *metric, timeout=timeout)


def _prefix(route: Route) -> int:
    if route.prefix is not None:
        return int(route.prefix)
    if route.netmask is not None:
        return sum(bin(int(part)).count("1") for part in route.netmask.split("."))
    return 128 if ":" in route.address else 32


async def finish(container: Container, timeout: float) -> None:
    """Set what LXC's configuration has no words for: routes that do not lead everywhere, links that are down."""
    for interface in container.live.devices.interfaces:
        for route in interface.routes:
            if not is_default(route):
                await _route(container, _inner_name(interface), route, timeout)


async def unplug(container: Container, interface: Interface, timeout: float) -> None:
    """Take an interface out; one that is gone is none."""
    if interface.target is not None and interface.target.dev is not None and interface.type is not InterfaceType.DIRECT:
        await ask("ip", "link", "delete", "dev", interface.target.dev, timeout=timeout)
        return
    with contextlib.suppress(HypervisorError):
        await inside(container, "link", "delete", "dev", _inner_name(interface), timeout=timeout)


async def set_link(container: Container, interface: Interface, state: LinkState, timeout: float) -> None:
    """Plug the cable in or out, at the host's end; one that is moved in whole has none, and is set inside."""
    word = "down" if state is LinkState.DOWN else "up"
    if interface.type is InterfaceType.DIRECT:
        await inside(container, "link", "set", "dev", _inner_name(interface), word, timeout=timeout)
    elif interface.target is not None and interface.target.dev is not None:
        await run("ip", "link", "set", "dev", interface.target.dev, word, timeout=timeout)


# ---- interfaces of the host ----


async def give(container: Container, hostdev: NetHostdev, timeout: float) -> None:
    """Move an interface of the host into the container.

    :raise HypervisorError: there is no such interface, or it cannot be moved.
    """
    name = _host_name(hostdev)
    await _move(container, name, timeout)
    try:
        await inside(container, "link", "set", "dev", name, "up", timeout=timeout)
        await _addresses(container, name, hostdev.ips, hostdev.routes, timeout)
    except HypervisorError:
        await take_back(container, hostdev, timeout)
        raise


async def take_back(container: Container, hostdev: NetHostdev, timeout: float) -> None:
    """Move it back to the host; one that is gone is none."""
    with namespaces(container) as descriptors:
        await ask(
            "nsenter", f"--net=/proc/self/fd/{descriptors[0]}", "--", "ip", "link", "set", "dev",
            _host_name(hostdev), "netns", f"/proc/self/fd/{descriptors[1]}", timeout=timeout, descriptors=descriptors,
        )  # fmt: skip


def _host_name(hostdev: NetHostdev) -> str:
    if hostdev.source.interface is None:
        raise ConfigUnsupported("a network device of the host needs its name")
    return hostdev.source.interface
