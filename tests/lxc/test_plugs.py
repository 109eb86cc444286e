"""Devices of real containers: traffic that passes, files that are seen, nodes that can be used, and then not."""

from __future__ import annotations

import asyncio

import pytest

from tests.lxc.parts import SECONDS, Worker, lxc
from tests.simulated.parts import Attempt
from virtbus.domain import Interface, parse_device
from virtbus.domain.interface import LinkState
from virtbus.driver import Target
from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus.observations import DeviceRemoved

NIC = """<interface type='bridge'><source bridge='{bridge}'/><mac address='00:16:3e:00:00:{number}'/>
  <ip address='192.0.2.{number}' prefix='24'/><guest dev='lan0'/><alias name='ua-nic'/></interface>"""


async def pings(worker: Worker, target: Target, address: str) -> bool:
    """Whether an answer comes; a bridge's port takes a moment to forward."""
    async with asyncio.timeout(SECONDS):
        for _ in range(3):
            if not (await worker.run(target, "ping", "-c", "1", "-W", "1", address)).status:
                return True
    return False


async def test_traffic_passes_between_containers_on_a_bridge(worker: Worker, bridge: str) -> None:
    one, two = [
        await worker.boot(worker.definition(f"vm{number}", devices=NIC.format(bridge=bridge, number=number)))
        for number in (11, 12)
    ]
    assert await pings(worker, one, "192.0.2.12")
    await worker.driver.detach(two, "ua-nic", Attempt())
    assert [seen.alias for seen in worker.seen if isinstance(seen, DeviceRemoved)] == ["ua-nic"]
    assert not await pings(worker, one, "192.0.2.12")
    assert "lan0" not in (await worker.run(two, "ls", "/sys/class/net")).output


async def test_an_interface_that_is_plugged_in_carries_traffic_while_its_link_is_up(
    worker: Worker, bridge: str
) -> None:
    one = await worker.boot(worker.definition("vm11", devices=NIC.format(bridge=bridge, number=11)))
    two = await worker.boot(worker.definition("vm12", more="<features><privnet/></features>"))
    plugged = await worker.driver.attach(two, parse_device(NIC.format(bridge=bridge, number=12)), Attempt())
    assert isinstance(plugged, Interface)
    assert await pings(worker, two, "192.0.2.11")
    cut = plugged.copy()
    cut.link = LinkState.DOWN
    await worker.driver.update(worker.target(two.uuid), "ua-nic", cut, Attempt(), force=False)
    assert not await pings(worker, one, "192.0.2.12")


async def test_an_interface_on_a_bridge_that_is_not_there_leaves_nothing(worker: Worker) -> None:
    target = await worker.boot(worker.definition(more="<features><privnet/></features>"))
    before = lxc("ip", "-o", "link")
    with pytest.raises(HypervisorError):
        await worker.driver.attach(target, parse_device(NIC.format(bridge="absent0", number=13)), Attempt())
    assert lxc("ip", "-o", "link") == before
    assert (await worker.run(target, "ls", "/sys/class/net")).output.split() == ["lo"]


async def test_an_interface_of_the_host_moves_in_and_comes_back(worker: Worker) -> None:
    lxc("ip", "link", "add", "name", "vbdummy0", "type", "veth", "peer", "name", "vbdummy1")
    try:
        target = await worker.boot(worker.definition(more="<features><privnet/></features>"))
        device = parse_device(
            "<hostdev mode='capabilities' type='net'><source><interface>vbdummy0</interface></source>"
            "<alias name='ua-dummy'/></hostdev>"
        )
        await worker.driver.attach(target, device, Attempt())
        assert "vbdummy0" in (await worker.run(target, "ip", "link")).output
        assert "vbdummy0" not in lxc("ip", "-o", "link")
        await worker.driver.detach(worker.target(target.uuid), "ua-dummy", Attempt())
        assert "vbdummy0" in lxc("ip", "-o", "link")
    finally:
        lxc("ip", "link", "delete", "dev", "vbdummy0")


async def test_a_folder_of_the_host_is_seen_and_can_be_read_only(worker: Worker) -> None:
    shown = worker.folder / "shown"
    shown.mkdir()
    (shown / "file").write_text("hello")
    target = await worker.boot(worker.definition())
    xml = f"<filesystem><source dir='{shown}'/><target dir='/mnt/shown'/><readonly/><alias name='ua-fs'/></filesystem>"
    await worker.driver.attach(target, parse_device(xml), Attempt())
    assert (await worker.run(target, "cat", "/mnt/shown/file")).output == "hello"
    assert (await worker.run(target, "touch", "/mnt/shown/new")).status
    await worker.driver.detach(worker.target(target.uuid), "ua-fs", Attempt())
    assert (await worker.run(target, "cat", "/mnt/shown/file")).status


async def test_a_link_in_the_container_leads_to_no_file_of_the_host(worker: Worker) -> None:
    shown, outside = worker.folder / "shown", worker.folder / "outside"
    shown.mkdir()
    outside.mkdir()
    target = await worker.boot(worker.definition())
    await worker.run(target, "sh", "-c", f"busybox ln -s {outside} /mnt/trap")
    xml = f"<filesystem><source dir='{shown}'/><target dir='/mnt/trap/inner'/></filesystem>"
    with pytest.raises(HypervisorError):
        await worker.driver.attach(target, parse_device(xml), Attempt())
    assert not list(outside.iterdir())


async def test_a_disk_can_be_read_until_it_is_detached(worker: Worker) -> None:
    image = worker.folder / "image"
    image.write_bytes(b"first sector".ljust(1 << 20, b"\0"))
    target = await worker.boot(worker.definition())
    xml = f"<disk type='file' device='disk'><source file='{image}'/><target dev='vdb'/><alias name='ua-d'/></disk>"
    await worker.driver.attach(target, parse_device(xml), Attempt())
    read = ("dd", "if=/dev/vdb", "bs=12", "count=1")
    assert (await worker.run(target, *read)).output == "first sector"
    assert str(image) in lxc("losetup", "--list", "--noheadings", "--output", "BACK-FILE")
    await worker.driver.detach(worker.target(target.uuid), "ua-d", Attempt())
    assert (await worker.run(target, *read)).status
    assert str(image) not in lxc("losetup", "--list", "--noheadings", "--output", "BACK-FILE")


async def test_a_device_of_the_host_can_be_used_until_it_is_detached(worker: Worker) -> None:
    target = await worker.boot(worker.definition())
    device = "/dev/loop-control"
    xml = (
        f"<hostdev mode='capabilities' type='misc'><source><char>{device}</char></source><alias name='ua-h'/></hostdev>"
    )
    opened = ("sh", "-c", f"exec 3<{device}")
    assert (await worker.run(target, *opened)).status
    await worker.driver.attach(target, parse_device(xml), Attempt())
    assert not (await worker.run(target, *opened)).status
    await worker.driver.detach(worker.target(target.uuid), "ua-h", Attempt())
    assert (await worker.run(target, *opened)).status


@pytest.mark.parametrize(
    "xml",
    ["<disk type='network'><source protocol='nbd' name='x'><host name='h'/></source><target dev='vdb'/></disk>",
     "<interface type='user'/>", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
     "<filesystem type='file'><source file='/x'/><target dir='/y'/></filesystem>",
     "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>"],
)  # fmt: skip
async def test_what_no_container_can_have_is_refused(worker: Worker, xml: str) -> None:
    target = await worker.boot(worker.definition(more="<features><privnet/></features>"))
    with pytest.raises(ConfigUnsupported):
        await worker.driver.attach(target, parse_device(xml), Attempt())
    assert worker.driver.host.containers[target.uuid].live == target.live
