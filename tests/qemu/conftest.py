"""Fixtures: real QEMU processes in a runtime folder of their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.qemu.machines import EMULATOR, LIMIT, MONITOR, Launch, Machine
from virtbus_qemu import journal
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.journal import Journal
from virtbus_qemu.monitor import Monitor
from virtbus_qemu.process import Process


@pytest.fixture
def emulator() -> Path:
    if EMULATOR is None:
        pytest.fail("QEMU is not installed (Debian: apt install qemu-system-x86)")
    return Path(EMULATOR)


@pytest.fixture
def host() -> Iterator[HostFolder]:
    # pytest's own folders have names too long for unix sockets.
    with tempfile.TemporaryDirectory(prefix="vb-") as path:
        yield HostFolder(Path(path))


@pytest.fixture
async def launch(emulator: Path, host: HostFolder) -> AsyncIterator[Launch]:
    """Starts a machine with some more arguments; all are killed afterwards."""
    async with AsyncExitStack() as stack:

        async def start(
            *arguments: str,
            argv: Sequence[str] | None = None,
            folder: DomainFolder | None = None,
            environment: Mapping[str, str] | None = None,
        ) -> Machine:
            folder = folder or host.domain(uuid4())
            if not folder.exists():
                folder.create()
            source = journal.prepare(folder.journal)
            if argv is None:
                argv = [str(emulator), "-S", "-nodefaults", "-display", "none", *arguments, *MONITOR]
                argv += journal.arguments(folder.journal)
            with folder.listen() as listener:
                process = Process.spawn(
                    argv, log=folder.log, descriptors={0: source, 3: listener.fileno()}, environment=environment
                )
            os.close(source)
            stack.callback(process.close)
            stack.push_async_callback(process.kill, timeout=LIMIT)
            machine = Machine(folder, process, Journal(folder.journal))
            machine.monitor = await Monitor.connect(folder.monitor, timeout=LIMIT, on_event=machine.note)
            stack.push_async_callback(machine.monitor.close)
            return machine

        yield start
