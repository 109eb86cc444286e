"""The test guest on real QEMU: it boots, lets go of a device, and heeds the power button."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.guests import linux
from tests.guests.console import Console
from tests.guests.debian import PackagesUnavailable
from tests.qemu.machines import LIMIT, Launch, Machine
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.folder import HostFolder


@pytest.fixture(scope="module")
def guest() -> linux.Guest:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.fail("QEMU is not installed (Debian: apt install qemu-system-x86)")
    try:
        return linux.build()
    except PackagesUnavailable as error:
        pytest.fail(str(error))


async def test_it_lets_go_of_a_disk_and_heeds_the_power_button(
    launch: Launch, guest: linux.Guest, host: HostFolder
) -> None:
    serial = host.path / "serial.sock"
    machine = await launch(
        *("-machine", "q35", "-accel", "tcg", "-m", "96"),
        *("-kernel", str(guest.kernel), "-initrd", str(guest.initrd), "-append", guest.cmdline),
        *("-chardev", f"socket,id=serial0,path={serial},server=on,wait=off", "-device", "isa-serial,chardev=serial0"),
        *("-device", "pcie-root-port,id=pci.1,chassis=1,bus=pcie.0,addr=2"),
    )
    console = await Console.connect(serial)
    await machine.monitor.execute("cont", timeout=LIMIT)
    await console.ready()
    await _plug_and_unplug(machine, console)
    await machine.monitor.execute("system_powerdown", timeout=LIMIT)
    async with asyncio.timeout(LIMIT):
        await machine.process.wait()
    assert [event.name for event in machine.journal.read()][-2:] == ["POWERDOWN", "SHUTDOWN"]
    await console.close()


async def _plug_and_unplug(machine: Machine, console: Console) -> None:
    node = {"driver": "null-co", "node-name": "disk", "read-zeroes": True}
    await machine.monitor.execute("blockdev-add", node, timeout=LIMIT)
    card = {"driver": "virtio-blk-pci", "id": "virtio-disk0", "bus": "pci.1", "addr": "0", "drive": "disk"}
    await machine.monitor.execute("device_add", card, timeout=LIMIT)
    await console.run("until [ -e /sys/block/vda ]; do usleep 5000; done")
    await machine.monitor.execute("device_del", {"id": "virtio-disk0"}, timeout=LIMIT)
    await machine.until(_is_gone)
    await machine.monitor.execute("blockdev-del", {"node-name": "disk"}, timeout=LIMIT)


def _is_gone(event: QmpEvent) -> bool:
    return event.name == "DEVICE_DELETED" and event.data.get("device") == "virtio-disk0"
