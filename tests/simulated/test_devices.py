"""Devices: plugged, unplugged by alias with the guest's answer, and changed in place."""

from __future__ import annotations

import pytest

from tests.simulated.conftest import Connect
from tests.simulated.parts import DISK, Attempt, Process, Worker
from virtbus.domain import Disk, Interface, find, parse_device
from virtbus.driver import Target
from virtbus.errors import ConfigUnsupported, Conflict, NoDevice, WrongState
from virtbus.eventkinds import EventKind
from virtbus.observations import DeviceAdded, DeviceRemoved, LiveChanged, Rebooted, RemovalRefused, Stopped


async def attach(worker: Worker, target: Target, target_name: str = "vdb") -> tuple[Target, str]:
    """The domain with one more disk, and its alias."""
    device = await worker.driver.attach(target, parse_device(DISK.format(target=target_name)), Attempt())
    assert device.alias is not None
    return worker.target(target.uuid), device.alias


async def test_attach_gives_an_alias_and_observes_the_device(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    work = Attempt()
    device = await worker.driver.attach(target, parse_device(DISK.format(target="vdb")), work)
    added = await worker.wait(DeviceAdded)
    assert device.alias == added.alias == "virtio-disk1"
    assert added.cause == work.job
    assert [disk.target.dev for disk in added.live.devices.disks] == ["vda", "sda", "vdb"]
    assert hypervisor.effects(target.uuid)[-1] == ("device-added", "virtio-disk1")


async def test_a_user_alias_is_kept(worker: Worker) -> None:
    target = await worker.boot()
    device = parse_device("<rng model='virtio'><backend model='builtin'/><alias name='ua-luck'/></rng>")
    assert (await worker.driver.attach(target, device, Attempt())).alias == "ua-luck"


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (DISK.format(target="vda"), "target vda already exists"),
        (
            "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>",
            "network device with mac 52:54:00:00:00:01 already exists",
        ),
        ("<controller type='scsi' index='0'/>", "controller scsi:0 already exists"),
    ],
)
async def test_what_is_there_already_is_refused(worker: Worker, hypervisor: Process, xml: str, words: str) -> None:
    target = await worker.boot()
    with pytest.raises(Conflict, match=words):
        await worker.driver.attach(target, parse_device(xml), Attempt())
    assert hypervisor.effects(target.uuid) == [("started", "")]


@pytest.mark.parametrize(
    "xml",
    [
        "<disk type='file' device='disk'><source file='/a'/><target dev='hdb' bus='ide'/></disk>",
        "<controller type='sata' index='0'/>",
        "<input type='keyboard' bus='ps2'/>",
        "<watchdog model='ib700'/>",
        "<memballoon model='virtio'/>",
        "<video><model type='vga'/></video>",
    ],
)
async def test_what_cannot_be_plugged_is_refused(worker: Worker, hypervisor: Process, xml: str) -> None:
    target = await worker.boot()
    with pytest.raises(ConfigUnsupported):
        await worker.driver.attach(target, parse_device(xml), Attempt())
    with pytest.raises(ConfigUnsupported):
        worker.driver.check_detach(target, parse_device(xml))
    assert hypervisor.effects(target.uuid) == [("started", "")]


async def test_a_controller_in_use_cannot_be_detached(worker: Worker) -> None:
    target = await worker.boot()
    assert target.live is not None
    with pytest.raises(WrongState, match="in use by sda"):
        worker.driver.check_detach(target, find(target.live, "scsi0"))


async def test_detach_returns_when_asked_and_the_removal_comes_later(worker: Worker, hypervisor: Process) -> None:
    target, alias = await attach(worker, await worker.boot())
    work = Attempt()
    await worker.driver.detach(target, alias, work)
    removed = await worker.wait(DeviceRemoved)
    assert (removed.alias, removed.by, removed.cause) == (alias, "guest", work.job)
    assert "vdb" not in [disk.target.dev for disk in removed.live.devices.disks]
    assert hypervisor.effects(target.uuid)[-2:] == [("unplug-asked", alias), ("device-removed", alias)]


async def test_a_refused_removal_leaves_the_device(worker: Worker) -> None:
    target, alias = await attach(worker, await worker.boot("vm.refused-unplug"))
    work = Attempt()
    await worker.driver.detach(target, alias, work)
    refused = await worker.wait(RemovalRefused)
    assert (refused.alias, refused.cause) == (alias, work.job)
    assert not any(isinstance(one, DeviceRemoved) for one in worker.seen)


async def test_a_reset_completes_what_a_deaf_guest_was_asked(worker: Worker) -> None:
    target, alias = await attach(worker, await worker.boot("vm.deaf-guest"))
    work, reset = Attempt(), Attempt()
    await worker.driver.detach(target, alias, work)
    await worker.driver.reset(target, reset)
    removed, rebooted = worker.seen[-2:]
    assert isinstance(removed, DeviceRemoved)
    assert isinstance(rebooted, Rebooted)
    assert removed.by == "reset"
    assert rebooted.cause == reset.job


async def test_a_stop_drops_what_the_guest_was_asked(worker: Worker, hypervisor: Process) -> None:
    target, alias = await attach(worker, await worker.boot("vm.deaf-guest"))
    await worker.driver.detach(target, alias, Attempt())
    await worker.driver.destroy(target, Attempt())
    assert isinstance(worker.seen[-1], Stopped)
    assert hypervisor.effects(target.uuid)[-1] == ("stopped", "")


async def test_a_paused_guest_lets_go_when_it_is_resumed(connect: Connect, hypervisor: Process) -> None:
    worker = await connect("simulated:///default?unplug_ms=0")
    target, alias = await attach(worker, await worker.boot())
    await worker.driver.suspend(target, Attempt())
    await worker.driver.detach(target, alias, Attempt())
    await worker.driver.attach(worker.target(target.uuid), parse_device(DISK.format(target="vdz")), Attempt())
    await worker.driver.resume(target, Attempt())
    await worker.wait(DeviceRemoved)
    order = [effect for effect, subject in hypervisor.effects(target.uuid) if subject in ("", alias)]
    assert order == ["started", "device-added", "suspended", "unplug-asked", "resumed", "device-removed"]


async def test_a_repeated_detach_of_a_pending_device_sends_nothing(worker: Worker, hypervisor: Process) -> None:
    target, alias = await attach(worker, await worker.boot("vm.deaf-guest"))
    await worker.driver.detach(target, alias, Attempt())
    await worker.driver.detach(target, alias, Attempt())
    assert hypervisor.effects(target.uuid).count(("unplug-asked", alias)) == 1


async def test_detaching_what_is_gone_observes_the_removal(worker: Worker) -> None:
    target, alias = await attach(worker, await worker.boot())
    await worker.driver.detach(target, alias, Attempt())
    await worker.wait(DeviceRemoved)
    work = Attempt()
    await worker.driver.detach(target, alias, work)
    again = await worker.wait(DeviceRemoved, 2)
    assert (again.alias, again.cause) == (alias, work.job)


async def test_a_link_is_pulled_in_place(worker: Worker) -> None:
    target = await worker.boot()
    xml = "<interface type='user'><mac address='52:54:00:00:00:01'/><link state='down'/></interface>"
    new = await worker.driver.update(target, "net0", parse_device(xml), Attempt(), force=False)
    assert isinstance(new, Interface)
    changed = await worker.wait(LiveChanged)
    assert (changed.kind, changed.subject) == (EventKind.DEVICE_UPDATED, "net0")
    assert changed.live.devices.interfaces == [new]
    assert new.link == "down"
    assert new.model is not None


async def test_a_medium_is_exchanged_and_ejected(worker: Worker) -> None:
    target = await worker.boot()
    for source in ("<source file='/simulated/c.iso'/>", ""):
        xml = f"<disk type='file' device='cdrom'>{source}<target dev='sda' bus='scsi'/></disk>"
        await worker.driver.update(worker.target(target.uuid), "scsi0-0-0-0", parse_device(xml), Attempt(), force=False)
    exchanged, ejected = (one for one in worker.seen if isinstance(one, LiveChanged))
    drive, empty = find(exchanged.live, "scsi0-0-0-0"), find(ejected.live, "scsi0-0-0-0")
    assert isinstance(drive, Disk)
    assert isinstance(empty, Disk)
    assert drive.source is not None
    assert drive.source.file == "/simulated/c.iso"
    assert empty.source is None


async def test_what_cannot_be_changed_in_place_is_named(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    xml = "<disk type='file' device='disk'><source file='/other.img'/><target dev='vda' bus='virtio'/></disk>"
    with pytest.raises(ConfigUnsupported, match="cannot modify 'source'"):
        await worker.driver.update(target, "virtio-disk0", parse_device(xml), Attempt(), force=False)
    with pytest.raises(NoDevice):
        await worker.driver.update(target, "virtio-disk9", parse_device(xml), Attempt(), force=False)
    assert hypervisor.effects(target.uuid) == [("started", "")]
