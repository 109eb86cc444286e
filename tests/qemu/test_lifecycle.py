"""What stays of a start that fails: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.qemu.machines import LIMIT
from tests.qemu.workers import Worker, document, working
from virtbus.driver import Known
from virtbus.errors import HypervisorError, NoSpace
from virtbus.state import DomainState
from virtbus_qemu import process
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.folder import Started as Process_
from virtbus_qemu.process import Identity, Process


@pytest.fixture
async def worker(emulator: Path, host: HostFolder) -> AsyncIterator[Worker]:
    async with working(host.path) as made:
        yield made


async def test_a_process_that_cannot_be_noted_does_not_stay(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[Identity] = []

    def full(self: DomainFolder, started: Process_) -> None:
        spawned.append(started.identity)
        raise NoSpace("no room left")

    monkeypatch.setattr(DomainFolder, "write_process", full)
    with pytest.raises(NoSpace):
        await worker.start(document(1))
    assert [identity.alive() for identity in spawned] == [False]
    assert worker.driver.host.folder.domains() == []


async def test_what_qemu_refuses_leaves_no_process_and_no_folder(worker: Worker, host: HostFolder) -> None:
    image = host.path / "a.img"
    image.write_bytes(bytes(1 << 20))
    broken = f"<disk><driver type='qcow2'/><source file='{image}'/><backingStore/><target dev='vda'/></disk>"
    with pytest.raises(HypervisorError, match="while it was starting"):
        await worker.start(document(2, broken))
    assert process.find(str(worker.driver.host.folder.path)) == []
    assert worker.driver.host.folder.domains() == []
    await worker.start(document(2))


async def test_a_start_that_was_cut_off_is_finished_as_it_was_meant(worker: Worker, host: HostFolder) -> None:
    image = host.path / "a.img"
    image.write_bytes(bytes(1 << 20))
    limit = "<iotune><total_iops_sec>100</total_iops_sec></iotune>"
    xml = document(3, f"<disk><source file='{image}'/><target dev='vda'/>{limit}</disk>")
    target = await worker.start(xml)
    machine = worker.machine(target)

    async def limited() -> int:
        (drive,) = await machine.execute("query-block")
        return int(drive["inserted"]["iops"])

    assert await limited() == 100
    none = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    await machine.execute("block_set_io_throttle", {"id": "/machine/peripheral/virtio-disk0/virtio-backend", **none})
    assert await limited() == 0
    await worker.start(xml)
    assert await limited() == 100


async def test_what_served_a_qemu_that_ended_without_a_worker_is_freed(emulator: Path, host: HostFolder) -> None:
    async with working(host.path) as first:
        target = await first.start(document(4, more="<memoryBacking><source type='file'/></memoryBacking>"))
        machine = first.machine(target)
        (memory,) = first.driver.host.settings.memory.iterdir()
        # The worker dies, and QEMU after it.
        await first.driver.host.close()
    ended = Process.adopt(machine.process.identity)
    await ended.kill(timeout=LIMIT)
    ended.close()
    assert memory.exists()
    async with working(host.path) as second:
        (seen,) = await second.driver.inventory({target.uuid: Known(incarnation=machine.incarnation, position=0)})
        assert seen.state is DomainState.SHUTOFF
        assert not memory.exists()
