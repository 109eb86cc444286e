"""Devices of a running domain: plugged, changed, and let go of by the guest."""

from __future__ import annotations

import re

import pytest

from tests.contract.drivers import ALL_KINDS
from tests.contract.lab import Lab, Vm, refused
from virtbus.errors import ConfigUnsupported, Conflict, NoDevice, VirtbusError, WrongState
from virtbus.operations.device import AttachDevice, ChangeMedia, DetachDescribed, DetachDevice, UpdateDevice
from virtbus.operations.domain import DestroyDomain, StartDomain, UndefineDomain
from virtbus.operations.fields import Affect

pytestmark = pytest.mark.facets("Lifecycle", "Devices")
NEW = "ua-new"


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_a_device_is_plugged_and_let_go_of_by_the_guest(lab: Lab, awake: Vm, kind: str) -> None:
    if kind not in lab.case.pluggable:
        pytest.skip(f"{lab.case.name} plugs no {kind}")
    before, generation = await awake.devices(), len(await awake.events())
    attached = await awake.run(AttachDevice, xml=lab.device(kind))
    assert attached.alias == NEW
    assert (await awake.device(NEW)).kind == kind.rpartition("-")[2]
    gone = await awake.run(DetachDevice, alias=NEW)
    assert (gone.alias, gone.outcome, gone.by) == (NEW, "removed", "guest")
    assert await awake.devices() == before
    told = (await awake.told())[generation:]
    assert told == [f"device-added {NEW}", f"device-removed {NEW}"]


async def test_a_device_without_an_alias_gets_one(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    attached = await vm.run(AttachDevice, xml=lab.device("disk").replace(f"<alias name='{NEW}'/>", ""))
    assert attached.alias
    assert not attached.alias.startswith("ua-")
    assert attached.alias in await vm.aliases()


async def test_a_description_is_resolved_to_the_one_device_that_it_fits(lab: Lab, awake: Vm) -> None:
    await awake.run(AttachDevice, xml=lab.device("disk"))
    described = lab.device("disk").replace(f"<alias name='{NEW}'/>", "").replace("data.img", "other.img")
    gone = await awake.run(DetachDescribed, xml=described)
    assert (gone.alias, gone.outcome) == (NEW, "removed")
    await refused(awake.run(DetachDescribed, xml=described), NoDevice, "DEVICE_MISSING")


async def test_a_second_device_at_the_same_place_is_refused_and_nothing_is_left_of_it(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    before = await vm.devices()
    for kind, old, new in (("disk", "db'", "da'"), ("interface", "00:00:02", "00:00:01")):
        with pytest.raises((Conflict, VirtbusError)) as caught:
            await vm.run(AttachDevice, xml=lab.device(kind).replace(old, new))
        assert caught.value.reply().status in (400, 409)
        assert caught.value.host == lab.host
    assert await vm.devices() == before


async def test_what_cannot_be_unplugged_is_refused_before_anything_is_marked(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    fixed = (await vm.devices(lab.case.fixed))[0]
    await refused(vm.run(DetachDevice, alias=fixed.alias), ConfigUnsupported, "CONFIG_UNSUPPORTED")
    assert not (await vm.summary()).pending


async def test_an_unknown_alias_is_said_to_be_missing(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    error = await refused(vm.run(DetachDevice, alias="ua-nothing"), NoDevice, "DEVICE_MISSING")
    assert error.host == lab.host
    assert error.domain in (vm.name, str(vm.uuid))


# ---- which definition ----


async def test_config_is_changed_alone_while_the_domain_is_off(lab: Lab) -> None:
    vm = await lab.defined()
    for affect in (Affect.CURRENT, Affect.CONFIG):
        await vm.run(AttachDevice, xml=lab.device("disk"), affect=affect)
        assert NEW in await vm.aliases()
        gone = await vm.run(DetachDevice, alias=NEW, affect=affect)
        assert (gone.outcome, gone.by) == ("removed", "config")
        assert NEW not in await vm.aliases()
    for affect in (Affect.LIVE, Affect.BOTH):
        await refused(vm.run(AttachDevice, xml=lab.device("disk"), affect=affect), WrongState, "OPERATION_INVALID")
    assert NEW not in await vm.aliases()


@pytest.mark.parametrize(
    ("affect", "live", "config"),
    [("current", True, False), ("live", True, False), ("config", False, True), ("both", True, True)],
)
async def test_a_change_is_for_the_definition_that_is_asked_for(
    lab: Lab, affect: str, live: bool, config: bool
) -> None:
    vm = await lab.started(paused=True)
    await vm.run(AttachDevice, xml=lab.device("interface"), affect=Affect(affect))
    assert (NEW in await vm.aliases(live=True), NEW in await vm.aliases(live=False)) == (live, config)


async def test_a_transient_domain_has_no_config_to_change(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await vm.run(UndefineDomain)
    for affect in (Affect.CONFIG, Affect.BOTH):
        await refused(vm.run(AttachDevice, xml=lab.device("disk"), affect=affect), WrongState, "OPERATION_INVALID")
    await vm.run(AttachDevice, xml=lab.device("disk"))
    assert NEW in await vm.aliases()


async def test_what_is_attached_to_config_is_there_at_the_next_start(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await vm.run(AttachDevice, xml=lab.device("disk"), affect=Affect.CONFIG)
    await vm.run(DestroyDomain)
    await vm.run(StartDomain, paused=True)
    assert NEW in await vm.aliases(live=True)


async def test_detaching_from_both_takes_it_out_of_both(lab: Lab, awake: Vm) -> None:
    await awake.run(AttachDevice, xml=lab.device("interface"), affect=Affect.BOTH)
    gone = await awake.run(DetachDevice, alias=NEW, affect=Affect.BOTH)
    assert gone.outcome == "removed"
    assert NEW not in await awake.aliases(live=True) | await awake.aliases(live=False)


# ---- changing in place ----

CHANGES = {
    "interface": ("ua-nic", "</interface>", "<link state='down'/></interface>"),
    "disk": ("ua-root", "</disk>", "<iotune><total_iops_sec>100</total_iops_sec></iotune></disk>"),
}
"""Of a kind: an alias, and what is put in the place of what in its XML."""


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_device_is_changed_in_place(lab: Lab, kind: str) -> None:
    if kind == "disk" and not lab.case.drive:
        pytest.skip(f"{lab.case.name} changes nothing of a running domain's disk")
    vm = await lab.started(paused=True)
    alias, old, new = CHANGES[kind]
    added = new.removesuffix(old)
    xml = (await vm.device(alias)).xml.replace(old, new)
    await vm.run(UpdateDevice, alias=alias, xml=xml, affect=Affect.BOTH)
    tag = added.partition(" ")[0].partition(">")[0]
    for live in (True, False):
        assert tag in (await vm.device(alias, live=live)).xml
    assert (await vm.told())[-1] == f"device-updated {alias}"


async def test_what_cannot_be_changed_in_place_is_refused_by_its_name(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    before = await vm.devices()
    xml = re.sub("<model type='[a-z0-9]+'", "<model type='e1000'", (await vm.device("ua-nic")).xml)
    error = await refused(vm.run(UpdateDevice, alias="ua-nic", xml=xml), ConfigUnsupported, "CONFIG_UNSUPPORTED")
    assert "model" in error.message
    assert await vm.devices() == before


@pytest.mark.case(drive=True)
async def test_a_medium_is_inserted_exchanged_and_ejected(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    for name in ("one.iso", "two.iso"):
        path = str(lab.stack.folder / name)
        await vm.run(ChangeMedia, alias="ua-cdrom", source=path)
        assert path in (await vm.device("ua-cdrom")).xml
    await vm.run(ChangeMedia, alias="ua-cdrom", source=None)
    assert ".iso" not in (await vm.device("ua-cdrom")).xml
    assert (await vm.told()).count("device-updated ua-cdrom") == 3


async def test_only_a_drive_has_a_medium(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await refused(vm.run(ChangeMedia, alias="ua-root", source="/x"), ConfigUnsupported, "CONFIG_UNSUPPORTED")
