"""Real parts for every test: a nats-server of its own per session, and the bus over it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from virtbus.bus.connection import Bus
from virtbus.bus.server import find_server, read_urls, wait_ready, write_configuration
from virtbus.bus.settings import BusSettings


class Broker:
    """A nats-server process that a test may kill, freeze and start again on the same port and store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.url = ""
        self.monitor = ""
        self._listen = "127.0.0.1:-1"

    async def start(self) -> None:
        configuration = write_configuration(self.folder, listen=self._listen)
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(find_server()), "-c", str(configuration), stdout=log, stderr=log
            )
        self.url, self.monitor = await read_urls(self.folder, self.process.pid, 10)
        self._listen = self.url.removeprefix("nats://")
        await wait_ready(BusSettings(servers=[self.url]), 10)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.send_signal(number)
        try:
            async with asyncio.timeout(10):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@pytest.fixture(scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """One nats-server for the session; tests keep apart by prefix."""
    broker = Broker(tmp_path_factory.mktemp("nats"))
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A nats-server that the test may kill."""
    broker = Broker(tmp_path / "nats")
    broker.folder.mkdir()
    await broker.start()
    yield broker
    await broker.stop()


_prefixes = itertools.count(1)


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test has."""
    return f"t{next(_prefixes)}"


def bus_settings(broker: Broker, prefix: str = "virtbus") -> BusSettings:
    """Small streams: the server reserves what they may grow to."""
    return BusSettings(servers=[broker.url], monitor=broker.monitor, prefix=prefix, events_max_bytes=32 * 1024**2)


@pytest.fixture
async def bus(broker: Broker, prefix: str) -> AsyncIterator[Bus]:
    """The bus as a gateway sees it."""
    bus = await Bus.connect(bus_settings(broker, prefix), role="gateway", name="gateway")
    yield bus
    await bus.close()
