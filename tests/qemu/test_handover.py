"""What a running QEMU is given opened."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from virtbus.domain import Device, parse_device
from virtbus.errors import HypervisorError
from virtbus_qemu.command.parts import Backend, BackendKind
from virtbus_qemu.handover import hand_over, take_back


class Monitor:
    """Notes what it is asked, and looks at the files that come with it."""

    def __init__(self, sets: list[dict[str, Any]] | None = None) -> None:
        self.sets = sets or []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.listening: list[str] = []

    async def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, descriptor: int | None = None
    ) -> Any:
        self.asked.append((command, dict(arguments or {})))
        if command == "getfd" and descriptor is not None:
            with socket.socket(fileno=socket.dup(descriptor)) as twin:
                self.listening.append(twin.getsockname())
        if command == "query-fdsets":
            return self.sets
        return {"fdset-id": (arguments or {}).get("fdset-id")}


def channel(path: Path) -> Device:
    device = parse_device(f"<channel type='unix'><source mode='bind' path='{path}'/><target type='virtio'/></channel>")
    device.alias = "channel0"
    return device


def listening(number: str) -> Backend:
    address = {"type": "fd", "data": {"str": number}}
    data = {"addr": address, "server": True}
    return Backend(BackendKind.CHARDEV, {"id": "charchannel0", "backend": {"type": "socket", "data": data}})


def card(device: Path) -> Device:
    made = parse_device(f"<interface type='vdpa'><source dev='{device}'/></interface>")
    made.alias = "net0"
    return made


VDPA = Backend(BackendKind.NETDEV, {"type": "vhost-vdpa", "vhostdev": "/dev/fdset/0", "id": "hostnet0"})


async def test_a_socket_listens_before_qemu_has_it(tmp_path: Path) -> None:
    monitor, path = Monitor(), tmp_path / "agent.sock"
    (backend,) = await hand_over(monitor, channel(path), [listening("9")])
    assert monitor.asked == [("getfd", {"fdname": "charchannel0-listener"})]
    assert monitor.listening == [str(path)]
    assert backend.properties["backend"]["data"] == {
        "addr": {"type": "fd", "data": {"str": "charchannel0-listener"}},
        "server": True,
    }


async def test_a_socket_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "agent.sock"
    with pytest.raises(HypervisorError) as refused:
        await hand_over(Monitor(), channel(path), [listening("9")])
    assert refused.value.evidence == {"path": str(path)}


async def test_a_device_gets_a_set_that_no_other_has(tmp_path: Path) -> None:
    device = tmp_path / "vdpa"
    device.write_bytes(b"")
    monitor = Monitor([{"fdset-id": 4, "fds": []}])
    (backend,) = await hand_over(monitor, card(device), [VDPA])
    assert [command for command, _ in monitor.asked] == ["query-fdsets", "add-fd"]
    assert backend.properties["vhostdev"] == "/dev/fdset/5"


async def test_only_the_sets_of_the_device_are_taken_back(tmp_path: Path) -> None:
    sets = [
        {"fdset-id": 1, "fds": [{"fd": 20, "opaque": str(tmp_path / "vdpa")}]},
        {"fdset-id": 2, "fds": [{"fd": 21, "opaque": "channel0-log"}]},
    ]
    monitor = Monitor(sets)
    await take_back(monitor, card(tmp_path / "vdpa"), [VDPA])
    assert monitor.asked[1:] == [("remove-fd", {"fdset-id": 1})]
    monitor = Monitor(sets)
    await take_back(monitor, channel(tmp_path / "agent.sock"), [listening("9")])
    assert monitor.asked[1:] == [("remove-fd", {"fdset-id": 2})]


async def test_what_needs_nothing_opened_goes_as_it_is(tmp_path: Path) -> None:
    monitor = Monitor()
    backend = Backend(BackendKind.CHARDEV, {"id": "c", "backend": {"type": "null", "data": {}}})
    device = parse_device("<rng model='virtio'><backend model='random'/></rng>")
    assert await hand_over(monitor, device, [backend]) == (backend,)
    await take_back(monitor, device, [backend])
    assert monitor.asked == []
