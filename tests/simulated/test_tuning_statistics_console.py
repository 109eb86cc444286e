"""The size of running domains, their figures, screen and keyboard."""

from __future__ import annotations

import asyncio
import struct
import time
import zlib

import pytest

from tests.simulated.parts import Attempt, Process, Worker
from virtbus.driver import Target
from virtbus.errors import HypervisorSilent, InvalidArgument
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import DomainState


async def test_vcpus_and_memory_change_within_their_limits(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    await worker.driver.set_vcpus(target, 4, Attempt())
    await worker.driver.set_memory(target, 524288, Attempt())
    live = worker.target(target.uuid).live
    assert live is not None
    assert live.vcpu is not None
    assert live.current_memory is not None
    assert (live.vcpu.count, live.vcpu.current, live.current_memory.kib) == (4, None, 524288)
    kinds = [one.kind for one in worker.seen if isinstance(one, LiveChanged)]
    assert kinds == [EventKind.TUNABLE, EventKind.BALLOON_CHANGE]
    for change in (worker.driver.set_vcpus(target, 5, Attempt()), worker.driver.set_memory(target, 2**30, Attempt())):
        with pytest.raises(InvalidArgument):
            await change
    assert len(hypervisor.effects(target.uuid)) == 3


async def statistics(worker: Worker, *targets: Target, patience: float = 5, groups: frozenset[Group] = frozenset()
                     ) -> list[DomainStatistics]:  # fmt: skip
    return [one async for one in worker.driver.statistics(targets, groups, patience)]


async def test_figures_have_libvirts_names_and_only_grow(worker: Worker) -> None:
    target = await worker.boot()
    (before,) = await statistics(worker, target)
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        (after,) = await statistics(worker, target)
    counters = [name for name in before.stats if name.endswith((".bytes", ".reqs", ".time", ".pkts", ".times"))]
    assert len(counters) > 15
    assert all(after.stats[name] >= before.stats[name] for name in counters)
    assert after.stats["cpu.time"] > before.stats["cpu.time"]
    assert after.stats["state.state"] == DomainState.RUNNING.number
    assert (after.stats["block.0.name"], after.stats["vcpu.maximum"], after.stats["net.count"]) == ("vda", 4, 1)


async def test_the_figures_of_a_paused_domain_stand_still(worker: Worker) -> None:
    target = await worker.boot(paused=True)
    (one,) = await statistics(worker, target, groups=frozenset({Group.CPU_TOTAL, Group.STATE}))
    assert one.stats["cpu.time"] == 0
    assert one.stats["state.state"] == DomainState.PAUSED.number
    assert not any(name.startswith("block") for name in one.stats)


async def test_a_hung_domain_times_out_and_delays_no_figures(worker: Worker) -> None:
    hung, well = await worker.boot("vm.hung-monitor"), await worker.boot("well")
    answers = await statistics(worker, hung, well, patience=0.2)
    assert [(one.name, one.timed_out) for one in answers] == [("well", False), ("vm.hung-monitor", True)]
    assert list(answers[1].stats) == ["state.state", "state.reason"]


async def test_statistics_can_be_left_early(worker: Worker) -> None:
    hung, well = await worker.boot("vm.hung-monitor"), await worker.boot("well")
    async for one in worker.driver.statistics([hung, well], frozenset(), 60):
        assert one.name == "well"
        break
    await asyncio.sleep(0)


async def test_the_screen_is_a_png(worker: Worker) -> None:
    target = await worker.boot()
    png = await worker.driver.screenshot(target, 0, 5)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    length = struct.unpack(">I", png[33:37])[0]
    assert len(zlib.decompress(png[41 : 41 + length])) == height * (1 + 3 * width)
    with pytest.raises(InvalidArgument):
        await worker.driver.screenshot(target, 1, 5)


async def test_the_screen_of_a_hung_domain_is_silent_in_time(worker: Worker) -> None:
    target = await worker.boot("vm.hung-monitor")
    with pytest.raises(HypervisorSilent):
        await worker.driver.screenshot(target, 0, 0.1)


async def test_keys_are_in_the_effect_log(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    await worker.driver.send_keys(target, ["KEY_LEFTCTRL", "KEY_C"], 50, Attempt())
    (line,) = [one for one in hypervisor.lines() if one["effect"] == "keys-sent" and one["domain"] == str(target.uuid)]
    assert (line["keys"], line["hold"]) == (["KEY_LEFTCTRL", "KEY_C"], 50)
    with pytest.raises(InvalidArgument):
        await worker.driver.send_keys(target, ["CTRL"], 50, Attempt())
