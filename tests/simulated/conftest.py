"""A hypervisor process for each test, and drivers connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from tests.simulated.parts import URI, Process, Worker
from virtbus.driver import HostSettings, Known


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.stop()


Connect = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def connect(hypervisor: Process, tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes a worker of host h1; the URI counts for the first."""
    workers: list[Worker] = []

    async def make(uri: str = URI, known: Mapping[UUID, Known] | None = None, host: str = "h1") -> Worker:
        options = {"socket": str(hypervisor.socket), "sweep": "0.05"}
        settings = HostSettings(name=host, uri=uri, run=tmp_path, state=tmp_path, options=options)
        worker = Worker(settings, known or {})
        workers.append(worker)
        return await worker.start()

    yield make
    for worker in workers:
        await worker.stop()


@pytest.fixture
async def worker(connect: Connect) -> Worker:
    return await connect()
