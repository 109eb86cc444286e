"""A worker of this machine's containers; what a test starts is ended by it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.guests import containers
from tests.lxc.parts import Worker, lxc
from tests.stack import end_all


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """A folder with a short name; the processes that name it are ended (lxc-monitord lingers for half a minute)."""
    missing = containers.missing()
    if missing is not None:
        pytest.fail(missing)
    with tempfile.TemporaryDirectory(prefix="vl-", ignore_cleanup_errors=True) as name:
        yield Path(name)
        await end_all(Path(name))


@pytest.fixture
async def worker(folder: Path) -> AsyncIterator[Worker]:
    worker = await Worker(folder).start()
    yield worker
    await worker.clear()
    await worker.stop()


@pytest.fixture
def bridge() -> Iterator[str]:
    """A bridge of the host."""
    name = "vbtest0"
    lxc("ip", "link", "add", "name", name, "type", "bridge")
    lxc("ip", "link", "set", "dev", name, "up")
    yield name
    lxc("ip", "link", "delete", "dev", name)
