"""Workers that could serve the same hosts share them, take over from each other, and hand over what falls to others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Broker, bus_settings
from tests.simulated.parts import Process
from virtbus.bus.connection import Bus
from virtbus.bus.sessions import Session
from virtbus.driver import HostSettings
from virtbus.records import SessionRecord
from virtbus.worker.host import HostServer
from virtbus.worker.share import Share
from virtbus.worker.tenure import HostPlan
from virtbus_simulated.driver import SimulatedDriver

HOSTS = [f"r{number}" for number in range(6)]
LIMIT = 40.0


class RemoteDriver(SimulatedDriver):
    """The simulated family as if its hypervisor were far away: any worker can reach it."""

    local = False


@dataclass
class Station:
    """A worker with all hosts in its plan, in this process."""

    bus: Bus
    session: Session
    servers: list[HostServer]
    task: asyncio.Task[None] = field(init=False)

    def serving(self) -> set[str]:
        return {server.name for server in self.servers if server.serving.is_set()}

    async def dies(self) -> None:
        """As by SIGKILL: the session is not let go."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


class Stations:
    def __init__(self, broker: Broker, prefix: str, folder: Path, socket: Path) -> None:
        self._settings = bus_settings(broker, prefix)
        self._folder = folder
        self._socket = socket
        self.all: list[Station] = []

    async def begin(self, name: str) -> Station:
        bus = await Bus.connect(self._settings, role="worker", name=name)
        record = SessionRecord(id=f"{name}.1", machine="m", pid=1, family="simulated", hosts=HOSTS)
        session = bus.sessions.new(record)
        await session.begin()
        share = Share(bus.sessions, record, 0.0)
        servers = [HostServer(bus, session, self._plan(host), share) for host in HOSTS]
        station = Station(bus, session, servers)
        station.task = asyncio.create_task(self._run(session, share, servers))
        self.all.append(station)
        return station

    async def _run(self, session: Session, share: Share, servers: list[HostServer]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(session.keep())
            group.create_task(share.watch())
            for server in servers:
                group.create_task(server.run())

    def _plan(self, host: str) -> HostPlan:
        folder = self._folder / host
        options = {"socket": str(self._socket), "sweep": "0.5"}
        uri = "simulated:///default?domains=1"
        return HostPlan(HostSettings(name=host, uri=uri, run=folder, state=folder, options=options), RemoteDriver)

    async def until_all_are_served(self) -> None:
        """Each host by exactly one worker."""
        async with asyncio.timeout(LIMIT):
            while sorted(host for station in self.all for host in station.serving()) != HOSTS:
                await asyncio.sleep(0.05)


@pytest.fixture
async def stations(broker: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[Stations]:
    process = Process(tmp_path)
    found = Stations(broker, prefix, tmp_path, process.socket)
    yield found
    for station in found.all:
        await station.dies()
        await station.bus.close()
    process.stop()


async def test_hosts_are_shared_and_taken_over(stations: Stations) -> None:
    first = await stations.begin("a")
    await stations.until_all_are_served()
    assert sorted(first.serving()) == HOSTS

    # One that comes later is handed its share.
    second = await stations.begin("b")
    async with asyncio.timeout(LIMIT):
        while not second.serving():
            await asyncio.sleep(0.05)
    await stations.until_all_are_served()
    share = Share(second.bus.sessions, second.session.record, 0.0)
    share._seen[first.session.record.id] = (first.session.record, asyncio.get_running_loop().time())
    assert second.serving() == {host for host in HOSTS if share.falls_to_us(host)}
    assert first.serving()

    # One that dies leaves all to the other, as soon as its session has run out.
    await first.dies()
    stations.all.remove(first)
    await stations.until_all_are_served()
    assert sorted(second.serving()) == HOSTS
    await first.bus.close()
