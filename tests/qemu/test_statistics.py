"""Statistics of real QEMUs, also of those that do not answer."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest

from tests.qemu.machines import LIMIT, Launch
from virtbus.domain import Domain
from virtbus.driver import Target
from virtbus.errors import HypervisorSilent
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import DomainState
from virtbus_qemu.host import QemuHost
from virtbus_qemu.machine import Machine
from virtbus_qemu.statistics import QemuStatistics

FOREVER = 1000.0
"""A patience far beyond the time that a test may take: whoever uses it up has waited for a QEMU that is silent."""
XML = """<domain type='qemu'><name>measured</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""


class Measuring(QemuStatistics):
    """The facet alone, with one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.host = cast(QemuHost, SimpleNamespace(machines={machine.uuid: machine}))

    async def measure(self, *groups: Group) -> DomainStatistics:
        target = Target(
            host="here", uuid=self.machine.uuid, name="measured", state=DomainState.PAUSED, reason="starting-up"
        )
        async with asyncio.timeout(LIMIT):
            found = [one async for one in self.statistics([target], frozenset(groups or Group), FOREVER)]
        return found[0]


@pytest.fixture
async def measuring(launch: Launch) -> Measuring:
    launched = await launch("-machine", "q35")
    machine = Machine(
        launched.folder, launched.process, Domain.parse(XML), lambda _: None, lambda *_: pytest.fail("not asked for")
    )
    machine.monitor = launched.monitor
    return Measuring(machine)


async def test_gives_libvirts_names_and_numbers(measuring: Measuring) -> None:
    measured = await measuring.measure()
    assert not measured.timed_out
    assert measured.stats["state.state"] == 3
    assert measured.stats["state.reason"] == 11
    assert measured.stats["cpu.cache.monitor.count"] == 0
    assert {"cpu.haltpoll.success.time", "cpu.haltpoll.fail.time", "dirtyrate.calc_status"} <= set(measured.stats)


async def test_a_stopped_qemu_is_told_at_once(measuring: Measuring) -> None:
    measuring.machine.process.signal(signal.SIGSTOP)
    measured = await measuring.measure()
    assert measured.timed_out
    assert measured.stats["balloon.maximum"] == 32 * 1024
    assert "dirtyrate.calc_status" not in measured.stats


async def test_a_qemu_that_did_not_answer_is_not_waited_for_until_it_does(measuring: Measuring) -> None:
    machine = measuring.machine
    machine.process.signal(signal.SIGSTOP)
    with pytest.raises(HypervisorSilent):
        await machine.execute("query-status", timeout=0.05)
    machine.process.signal(signal.SIGCONT)
    assert (await measuring.measure()).timed_out

    answered = asyncio.Event()

    async def then() -> None:
        answered.set()

    listening = asyncio.ensure_future(machine.listen_again(then))
    async with asyncio.timeout(LIMIT):
        await answered.wait()
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    assert not (await measuring.measure()).timed_out
