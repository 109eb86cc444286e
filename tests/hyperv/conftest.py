"""Fake hosts for these tests, in the test's own process, and drivers connected to them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from tests.hyperv.fake.__main__ import USER, credentials
from tests.hyperv.fake.host import FakeHost
from tests.hyperv.parts import PASSWORD, Served, Worker, served
from virtbus.driver import HostSettings, Known

Connect = Callable[..., Awaitable[Worker]]


@pytest.fixture(autouse=True)
def acceptor(tmp_path: Path) -> Iterator[None]:
    """What the fake's side of NTLM takes for users."""
    before = os.environ.get("NTLM_USER_FILE")
    credentials(tmp_path, PASSWORD)
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    yield
    if before is None:
        os.environ.pop("NTLM_USER_FILE", None)
    else:
        os.environ["NTLM_USER_FILE"] = before


@pytest.fixture
async def host() -> AsyncIterator[Served]:
    """A host without machines."""
    async with served(FakeHost("HV0", {USER: PASSWORD})) as found:
        yield found


@pytest.fixture
async def connect(host: Served, tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes a worker of the test's host."""
    workers: list[Worker] = []

    async def make(known: Mapping[UUID, Known] | None = None, *, watch: bool = True, **options: str) -> Worker:
        given = {"secret": str(tmp_path / "secret"), "auth": "ntlm", "poll": "0.1", **options}
        settings = HostSettings(name="hv", uri=host.uri, run=tmp_path, state=tmp_path, options=given)
        worker = Worker(settings, known or {})
        workers.append(worker)
        return await worker.start(watch=watch)

    yield make
    await asyncio.gather(*(worker.stop() for worker in workers))
