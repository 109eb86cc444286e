"""Plugging devices by the driver: what is refused, and what stays of a plug that fails."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.qemu.workers import WORK, Worker, document, working
from virtbus.domain import find, parse_device
from virtbus.domain.disk import DiskTray
from virtbus.errors import ConfigUnsupported, HypervisorError, HypervisorSilent
from virtbus.observations import DeviceAdded, DeviceRemoved, LiveChanged
from virtbus_qemu.folder import HostFolder
from virtbus_qemu.machine import plugged

#: QEMU refuses bursts that are below the limit.
BAD_LIMITS = "<iotune><total_iops_sec>100</total_iops_sec><total_iops_sec_max>10</total_iops_sec_max></iotune>"


@pytest.fixture
async def worker(emulator: Path, host: HostFolder) -> AsyncIterator[Worker]:
    async with working(host.path) as made:
        yield made


def disk(path: Path, name: str, inside: str = "", bus: str = "scsi") -> str:
    path.write_bytes(bytes(1 << 20))
    return f"<disk><source file='{path}'/><target dev='{name}' bus='{bus}'/>{inside}</disk>"


async def test_a_device_that_cannot_be_made_right_is_unplugged_again(worker: Worker, host: HostFolder) -> None:
    target = await worker.start(document(1))
    machine = worker.machine(target)
    nodes = await machine.execute("query-named-block-nodes")
    with pytest.raises(HypervisorError, match="was unplugged again"):
        await worker.attach(target, disk(host.path / "a.raw", "sda", BAD_LIMITS))
    assert "scsi0-0-0-0" not in await plugged(machine)
    assert machine.live.devices.disks == []
    assert await machine.execute("query-named-block-nodes") == nodes
    assert [type(each) for each in worker.seen[-2:]] == [DeviceAdded, DeviceRemoved]
    await worker.attach(target, disk(host.path / "a.raw", "sda"))


async def test_a_device_that_the_guest_holds_on_to_is_told_as_plugged(
    worker: Worker, host: HostFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtbus_qemu.devices.UNPLUG_LIMIT", 0.2)
    target = await worker.start(document(2, 9 * "<controller type='pci' model='pcie-root-port'/>"))
    machine = worker.machine(target)
    with pytest.raises(HypervisorError, match="is plugged all the same") as refused:
        await worker.attach(target, disk(host.path / "a.raw", "vda", BAD_LIMITS, bus="virtio"))
    assert "bps" in str(refused.value.evidence["answer"])
    assert "virtio-disk0" in await plugged(machine)
    assert find(machine.live, "virtio-disk0").alias in {
        each.alias for each in worker.seen if isinstance(each, DeviceAdded)
    }


async def test_a_drive_at_a_taken_address_is_refused_before_anything_is_sent(worker: Worker, host: HostFolder) -> None:
    target = await worker.start(document(3, disk(host.path / "a.raw", "sda")))
    machine = worker.machine(target)
    before = machine.live.copy()
    asked: list[str] = []
    monitor = machine.monitor
    assert monitor is not None
    answer = monitor.execute

    async def execute(command: str, *rest: object, **limits: object) -> object:
        asked.append(command)
        return await answer(command, *rest, **limits)  # type: ignore[arg-type]

    monitor.execute = execute  # type: ignore[method-assign]
    again = "<address type='drive' controller='0' bus='0' target='0' unit='0'/>"
    with pytest.raises(ConfigUnsupported, match="Found duplicate drive address for disk with target name 'sda'"):
        await worker.attach(target, disk(host.path / "b.raw", "sdb", again))
    assert asked == []
    assert machine.live == before


async def test_a_device_of_which_qemu_says_nothing_is_looked_for_when_it_answers_again(
    worker: Worker, host: HostFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtbus_qemu.devices.PLUG_LIMIT", 0.2)
    target = await worker.start(document(4))
    machine = worker.machine(target)
    image = disk(host.path / "a.raw", "sda")
    machine.process.signal(signal.SIGSTOP)
    with pytest.raises(HypervisorSilent):
        await worker.attach(target, image)
    machine.process.signal(signal.SIGCONT)
    await worker.told(LiveChanged)
    has = "scsi0-0-0-0" in await plugged(machine)
    assert [each.alias for each in machine.live.devices.disks] == (["scsi0-0-0-0"] if has else [])


async def test_a_drive_whose_new_medium_cannot_be_opened_is_known_to_be_empty(worker: Worker, host: HostFolder) -> None:
    medium = disk(host.path / "a.raw", "sda").replace("<disk>", "<disk device='cdrom'>")
    target = await worker.start(document(5, medium))
    machine = worker.machine(target)
    broken = medium.replace("<source", "<driver name='qemu' type='qcow2'/><backingStore/><source")
    with pytest.raises(HypervisorError, match="blockdev-add"):
        await worker.driver.update(target, "scsi0-0-0-0", parse_device(broken), WORK, force=True)
    (drive,) = machine.live.devices.disks
    assert drive.source is None
    assert drive.target.tray is DiskTray.OPEN
    assert isinstance(worker.seen[-1], LiveChanged)
    await worker.driver.update(target, "scsi0-0-0-0", parse_device(medium), WORK, force=True)
    (drive,) = machine.live.devices.disks
    assert drive.source is not None
