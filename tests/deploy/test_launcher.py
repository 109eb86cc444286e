"""Domains started through a launcher, as units and manifests have it: what it sets holds, the process is the same."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.qemu.workers import WORK, Worker
from virtbus.domain import Domain
from virtbus.driver import HostSettings
from virtbus.errors import VirtbusError
from virtbus_qemu import daemons
from virtbus_qemu.driver import QemuDriver
from virtbus_qemu.host import qemu_settings

NICENESS = 7
XML = """
<domain type='qemu'><name>d</name><memory unit='MiB'>64</memory><os><type machine='q35'>hvm</type></os>
<devices><tpm model='tpm-crb'><backend type='emulator'/></tpm><memballoon model='none'/></devices></domain>
"""


def settings(root: Path, launcher: str) -> HostSettings:
    return HostSettings(
        name="one", uri="qemu:///system", run=root / "run", state=root / "a" / "b" / "state",
        options={"launcher": launcher},
    )  # fmt: skip


async def test_qemu_and_its_daemons_are_started_through_it() -> None:
    # The paths of unix sockets are short, and pytest's own folders are not.
    with TemporaryDirectory(prefix="vb-") as folder:
        root = Path(folder)
        (root / "run").mkdir()
        worker = Worker()
        worker.driver = QemuDriver(settings(root, f"nice -n {NICENESS}"), worker.note)
        await worker.driver.connect()
        definition = worker.driver.complete(Domain.parse(XML), None)
        target = worker.target(definition)
        watch = asyncio.create_task(worker.driver.watch())
        try:
            await worker.driver.start(target, definition, WORK, paused=True)
            machine = worker.machine(target)
            beside = daemons.running(machine.folder)
            assert len(beside) == 1
            for identity in (machine.process.identity, *beside):
                assert identity.alive()
                assert os.getpriority(os.PRIO_PROCESS, identity.pid) == NICENESS
            program = Path(f"/proc/{machine.process.identity.pid}/exe").readlink().name
            assert program.startswith("qemu-system")
            await machine.kill()
            await machine.gone.wait()
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch


def test_a_launcher_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VirtbusError, match="there is no launcher nowhere-to-be-found"):
        qemu_settings(settings(tmp_path, "nowhere-to-be-found --scope"))


def test_without_one_qemu_is_started_by_the_worker(tmp_path: Path) -> None:
    assert qemu_settings(settings(tmp_path, "")).launcher == ()
