"""A hypervisor process that the tests share, each with a host of its own, and drivers connected to it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from tests.simulated.parts import URI, Process, Worker
from virtbus.driver import HostSettings, Known

_hosts = itertools.count(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("simulated"))
    yield process
    assert process.stop() == 0


@pytest.fixture
def hypervisor(shared: Process) -> Process:
    shared.host = f"h{next(_hosts)}"
    return shared


Connect = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def connect(hypervisor: Process, tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes a worker of the test's host; the URI counts for the first."""
    workers: list[Worker] = []

    async def make(uri: str = URI, known: Mapping[UUID, Known] | None = None, process: Process = hypervisor) -> Worker:
        options = {"socket": str(process.socket), "sweep": "0.05"}
        settings = HostSettings(name=process.host, uri=uri, run=tmp_path, state=tmp_path, options=options)
        worker = Worker(settings, known or {})
        workers.append(worker)
        return await worker.start()

    yield make
    for worker in workers:
        await worker.stop()


@pytest.fixture
async def worker(connect: Connect) -> Worker:
    return await connect()
