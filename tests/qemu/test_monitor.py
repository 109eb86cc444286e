"""The QMP connection: errors with evidence, time limits, events in order, an end that neither hangs nor raises."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.qemu.machines import LIMIT, Launch
from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent
from virtbus_qemu.monitor import Monitor


async def test_answers_a_command(launch: Launch) -> None:
    machine = await launch()
    assert (await machine.monitor.execute("query-status", timeout=LIMIT))["status"] == "prelaunch"
    assert machine.monitor.version.count(".") == 2


async def test_gives_events_in_order_before_the_reply(launch: Launch) -> None:
    machine = await launch()
    for command in ("cont", "stop", "system_reset"):
        await machine.monitor.execute(command, timeout=LIMIT)
    assert machine.event_names == ["RESUME", "STOP", "RESET"]


async def test_a_refusal_carries_what_was_sent_and_what_came_back(launch: Launch) -> None:
    machine = await launch()
    with pytest.raises(HypervisorError) as caught:
        await machine.monitor.execute("device_del", {"id": "nope"}, timeout=LIMIT)
    assert caught.value.evidence == {
        "sent": {"execute": "device_del", "arguments": {"id": "nope"}},
        "class": "DeviceNotFound",
        "answer": "Device 'nope' not found",
    }


async def test_a_refusal_keeps_secrets_to_itself(launch: Launch) -> None:
    machine = await launch()
    with pytest.raises(HypervisorError) as caught:
        await machine.monitor.execute("object-add", {"qom-type": "secret", "id": "1bad", "data": "hush"}, timeout=LIMIT)
    assert caught.value.evidence["sent"]["arguments"]["data"] == "(secret)"
    assert "hush" not in str(caught.value.reply())


async def test_a_stopped_qemu_is_silent_and_answers_again_afterwards(launch: Launch) -> None:
    machine = await launch()
    machine.process.signal(signal.SIGSTOP)
    with pytest.raises(HypervisorSilent):
        await machine.monitor.execute("query-status", timeout=0.05)
    machine.process.signal(signal.SIGCONT)
    assert "VMSTATE" not in await machine.monitor.execute("query-status", timeout=LIMIT)


async def test_closing_the_connection_to_a_stopped_qemu_does_not_hang(launch: Launch) -> None:
    machine = await launch()
    machine.process.signal(signal.SIGSTOP)
    waiting = [asyncio.ensure_future(machine.monitor.execute("query-qmp-schema", timeout=LIMIT)) for _ in range(20)]
    async with asyncio.timeout(1):
        await machine.monitor.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, HypervisorGone) for outcome in outcomes)


async def test_a_killed_qemu_ends_the_connection_and_what_waits(launch: Launch) -> None:
    machine = await launch()
    machine.process.signal(signal.SIGSTOP)
    waiting = asyncio.ensure_future(machine.monitor.execute("query-status", timeout=LIMIT))
    await machine.process.kill(timeout=LIMIT)
    with pytest.raises(HypervisorGone):
        await waiting
    async with asyncio.timeout(1):
        await machine.monitor.closed()
    assert not machine.monitor.is_open
    with pytest.raises(HypervisorGone):
        await machine.monitor.execute("query-status", timeout=LIMIT)
    await machine.monitor.close()
    await machine.monitor.close()


async def test_nobody_listening_is_gone(tmp_path: Path) -> None:
    with pytest.raises(HypervisorGone):
        await Monitor.connect(tmp_path / "monitor.sock", timeout=LIMIT)


async def test_a_second_client_is_told_that_qemu_is_silent(launch: Launch) -> None:
    machine = await launch()
    with pytest.raises(HypervisorSilent):
        await Monitor.connect(machine.folder.monitor, timeout=0.1)
    await machine.monitor.execute("query-status", timeout=LIMIT)


async def test_the_next_client_is_served_after_a_close(launch: Launch) -> None:
    machine = await launch()
    await machine.monitor.close()
    second = await Monitor.connect(machine.folder.monitor, timeout=LIMIT)
    assert (await second.execute("query-status", timeout=LIMIT))["status"] == "prelaunch"
    await second.close()


async def test_a_qemu_that_dies_in_start_is_gone(launch: Launch) -> None:
    with pytest.raises(HypervisorGone):
        await launch("-machine", "nosuch")
