"""What is measured, seen and typed; and what is said where a driver lacks a facet."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.contract.drivers import Misfortune
from tests.contract.lab import Lab, Vm, refused
from virtbus.driver import Facet
from virtbus.errors import HypervisorError, InvalidArgument, NotSupported, WrongState
from virtbus.operations import Operation
from virtbus.operations.console import SendKeys, TakeScreenshot
from virtbus.operations.copying import RelocateDomain
from virtbus.operations.device import AttachDevice
from virtbus.operations.domain import SuspendDomain
from virtbus.operations.network import ListNetworks
from virtbus.operations.offer import GetDomainCapabilities
from virtbus.operations.process import RunProcess
from virtbus.operations.qemu import MonitorCommand
from virtbus.operations.saving import SaveDomain
from virtbus.operations.snapshot import ListSnapshots
from virtbus.operations.statistics import GetDomainStatistics, GetHostStatistics, Group
from virtbus.operations.storage import ListPools
from virtbus.operations.tuning import SetVcpus

PNG = b"\x89PNG\r\n\x1a\n"
SPECIMENS: dict[str, tuple[type[Operation[Any]], dict[str, Any]]] = {
    "Lifecycle": (SuspendDomain, {}),
    "Devices": (AttachDevice, {"xml": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"}),
    "Tuning": (SetVcpus, {"count": 2, "affect": "live"}),
    "Statistics": (GetDomainStatistics, {"group": ["state"]}),
    "Console": (SendKeys, {"keys": ["KEY_A"]}),
    "Monitor": (MonitorCommand, {"command": "query-status"}),
    "Snapshots": (ListSnapshots, {}),
    "Saving": (SaveDomain, {"file": "/nowhere/at/all"}),
    "Processes": (RunProcess, {"command": ["true"]}),
    "Copying": (RelocateDomain, {"pool": "nowhere"}),
    "Storage": (ListPools, {}),
    "Networks": (ListNetworks, {}),
    "Offers": (GetDomainCapabilities, {}),
}
"""An operation of each facet, with its arguments."""


def test_every_facet_has_a_specimen() -> None:
    assert SPECIMENS.keys() == {facet.__name__ for facet in Facet.__subclasses__()}


@pytest.mark.parametrize("facet", SPECIMENS)
async def test_what_a_driver_lacks_is_said_to_be_unsupported_and_nothing_else_is(lab: Lab, facet: str) -> None:
    vm = await lab.defined()
    operation, arguments = SPECIMENS[facet]
    where = {name: value for name, value in vm.where.items() if name in operation.model_fields}
    asked = lab.client.run(operation(**where, **arguments))
    if facet in lab.facets:
        # It may still not be done to a domain that is off, or not with this device.
        with contextlib.suppress(WrongState, InvalidArgument):
            await asked
        return
    error = await refused(asked, NotSupported, "NO_SUPPORT")
    assert error.host == lab.host
    assert facet in str(error)


@pytest.mark.facets("Lifecycle", "Statistics")
async def test_a_running_domain_is_measured_under_libvirts_names(lab: Lab) -> None:
    vm = await lab.started()
    stats = (await vm.run(GetDomainStatistics)).stats
    expected = {"state.state": 1, "vcpu.current": 1, "vcpu.maximum": 2, **lab.case.measured}
    assert {name: stats[name] for name in expected} == expected
    for name in ("cpu.time", "balloon.current", "balloon.maximum", "vcpu.0.time", "block.0.rd.bytes"):
        assert isinstance(stats[name], int), name


@pytest.mark.facets("Lifecycle", "Statistics")
async def test_only_the_groups_that_are_asked_for_are_measured(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    for group in (Group.STATE, Group.BLOCK, Group.VCPU, Group.BALLOON, Group.INTERFACE):
        stats = (await vm.run(GetDomainStatistics, group=[group])).stats
        prefix = {"interface": "net"}.get(group, group)
        assert {name.partition(".")[0] for name in stats} == {prefix}


@pytest.mark.facets("Lifecycle", "Statistics", "Devices")
async def test_no_figure_is_older_than_the_request(lab: Lab) -> None:
    vm = await lab.started()
    times = []
    for state, operation, arguments in (
        (1, AttachDevice, {"xml": lab.device("disk")}),
        (1, AttachDevice, {"xml": lab.device("interface").replace("ua-new", "ua-other")}),
        (3, SuspendDomain, {}),
    ):
        await lab.client.run(operation(**vm.where, **arguments))
        stats = (await vm.run(GetDomainStatistics)).stats
        assert stats["state.state"] == state
        times.append(stats["cpu.time"])
    assert (stats["block.count"], stats["net.count"]) == (lab.case.measured["block.count"] + 1, 2)
    assert times == sorted(times)


@pytest.mark.facets("Lifecycle", "Statistics")
async def test_a_domain_that_hangs_is_measured_as_timed_out_and_delays_no_other(lab: Lab) -> None:
    stuck, other = await lab.started(), await lab.started()
    await stuck.befall(Misfortune.HANGS)
    async with asyncio.timeout(8):
        found = await lab.client.run(GetHostStatistics(host=lab.host, patience=1))
    by = {domain.uuid: domain for domain in found.domains}
    assert by[stuck.uuid].timed_out is not lab.case.measured_from_outside
    assert not by[other.uuid].timed_out
    assert by[other.uuid].stats["block.count"] == lab.case.measured["block.count"]


@pytest.mark.facets("Lifecycle", "Console")
async def test_a_screenshot_is_a_picture(lab: Lab) -> None:
    vm = await lab.started()
    picture = (await vm.run(TakeScreenshot)).content
    assert picture.startswith(PNG)
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert width > 0
    assert height > 0
    await refused(vm.run(TakeScreenshot, screen=7), InvalidArgument, "INVALID_ARG")


@pytest.mark.facets("Lifecycle", "Console")
async def test_a_domain_that_is_off_has_no_screen_and_no_keyboard(lab: Lab) -> None:
    vm = await lab.defined()
    await refused(vm.run(TakeScreenshot), WrongState, "OPERATION_INVALID")
    await refused(vm.run(SendKeys, keys=["KEY_A"]), WrongState, "OPERATION_INVALID")


@pytest.mark.facets("Lifecycle", "Console")
async def test_keys_are_pressed_and_a_key_that_is_none_is_refused(lab: Lab) -> None:
    vm = await lab.started()
    await vm.run(SendKeys, keys=["KEY_LEFTCTRL", "KEY_C"], hold=10)
    error = await refused(vm.run(SendKeys, keys=["ctrl"]), InvalidArgument, "INVALID_ARG")
    assert (error.host, error.domain) == (lab.host, str(vm.uuid))
    assert error.hint


@pytest.mark.facets("Lifecycle", "Monitor")
async def test_the_monitor_answers_in_its_own_words(lab: Lab) -> None:
    vm: Vm = await lab.started()
    status = await vm.run(MonitorCommand, command="query-status")
    assert status.reply["status"] == "running"
    line = await vm.run(MonitorCommand, command="info status", human=True)
    assert "running" in line.reply
    error = await refused(vm.run(MonitorCommand, command="no-such-thing"), HypervisorError, "OPERATION_FAILED")
    assert (error.host, error.domain) == (lab.host, str(vm.uuid))
