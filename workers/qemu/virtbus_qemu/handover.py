"""What QEMU is given opened, while it runs: descriptors that go over its monitor, where settings ask for them.

    backends = await hand_over(machine, device, plug.backends)     # before they are added
    await take_back(machine, device, plug.backends)                # after they are gone

A command line names descriptors by the numbers that settings give; a running QEMU learns of them by getfd (a name
for the next user) and add-fd (a set, opened by the path /dev/fdset/N).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from virtbus.domain.chardev import Channel, CharDevice, Console, Serial
from virtbus.domain.device import Device
from virtbus.domain.interface import Interface
from virtbus.errors import HypervisorError
from virtbus_qemu.command.parts import Backend, BackendKind

FDSET = "/dev/fdset/"


class Monitored(Protocol):
    """What has a monitor."""

    async def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, descriptor: int | None = None
    ) -> Any:
        """Give a QMP command, and an open file with it."""


async def hand_over(machine: Monitored, device: Device, backends: Sequence[Backend]) -> tuple[Backend, ...]:
    """Give QEMU what its backends need opened; they come back with the names that QEMU knows it by.

    :raise HypervisorError: it cannot be opened, or QEMU does not take it.
    """
    return tuple([await _hand_over(machine, device, backend) for backend in backends])


async def _hand_over(machine: Monitored, device: Device, backend: Backend) -> Backend:
    if _listens(backend) and isinstance(device, CharDevice) and device.source is not None:
        name = f"{backend.id}-listener"
        with listener(device.source.path or "") as descriptor:
            await machine.execute("getfd", {"fdname": name}, descriptor=descriptor)
        data = backend.properties["backend"]["data"]
        socket_data = {**data, "addr": {"type": "fd", "data": {"str": name}}}
        return replace(backend, properties=_with_data(backend.properties, socket_data))
    if _is_vdpa(backend) and isinstance(device, Interface) and device.source is not None:
        path = device.source.dev or ""
        with opened(path) as descriptor:
            number = await _pass(machine, path, descriptor)
        return replace(backend, properties={**backend.properties, "vhostdev": f"{FDSET}{number}"})
    return backend


async def _pass(machine: Monitored, opaque: str, descriptor: int) -> int:
    """Make a set of one descriptor; its number is one that no other set has."""
    sets = await machine.execute("query-fdsets")
    number = 1 + max((int(each["fdset-id"]) for each in sets), default=-1)
    answer = await machine.execute("add-fd", {"fdset-id": number, "opaque": opaque}, descriptor=descriptor)
    return int(answer["fdset-id"])


async def take_back(machine: Monitored, device: Device, backends: Sequence[Backend]) -> None:
    """Have QEMU close the sets that were made for a device.

    :raise HypervisorError: it refuses.
    """
    owners = {name for backend in backends for name in _owners(device, backend)}
    if not owners:
        return
    for each in await machine.execute("query-fdsets"):
        if any(_is_of(str(file.get("opaque", "")), owners) for file in each.get("fds", ())):
            await machine.execute("remove-fd", {"fdset-id": each["fdset-id"]})


def _owners(device: Device, backend: Backend) -> Iterator[str]:
    """What the sets of a backend are called; a stream's log may have been handed over too."""
    if _is_vdpa(backend) and isinstance(device, Interface) and device.source is not None:
        yield device.source.dev or ""
    elif backend.kind is BackendKind.CHARDEV and isinstance(device, Serial | Console | Channel) and not backend.owned:
        yield str(device.alias)


def _is_of(opaque: str, owners: set[str]) -> bool:
    return opaque in owners or opaque.rpartition("-")[0] in owners


def _listens(backend: Backend) -> bool:
    if backend.kind is not BackendKind.CHARDEV:
        return False
    address = backend.properties["backend"]["data"].get("addr") or {}
    return bool(address.get("type") == "fd")


def _is_vdpa(backend: Backend) -> bool:
    device = str(backend.properties.get("vhostdev", ""))
    return backend.kind is BackendKind.NETDEV and device.startswith(FDSET)


def _with_data(properties: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {**properties, "backend": {**properties["backend"], "data": data}}


@contextlib.contextmanager
def listener(path: str) -> Iterator[int]:
    """A UNIX socket that listens at a path; what was there before goes.

    :raise HypervisorError: it cannot be made.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        try:
            Path(path).unlink(missing_ok=True)
            made.bind(path)
            made.listen(1)
        except OSError as error:
            raise HypervisorError(f"cannot listen on {path}: {error.strerror}", evidence={"path": path}) from error
        yield made.fileno()


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A device of the host, open for reading and writing.

    :raise HypervisorError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise HypervisorError(f"cannot open {path}: {error.strerror}", evidence={"path": path}) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
