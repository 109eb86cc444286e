"""The journal that QEMU writes: whole, in order, and read from any position."""

from __future__ import annotations

import os
from pathlib import Path

from tests.qemu.machines import LIMIT, Launch
from virtbus_qemu import journal
from virtbus_qemu.journal import Journal
from virtbus_qemu.monitor import Monitor


async def test_an_event_is_in_the_journal_when_the_socket_tells_of_it(launch: Launch) -> None:
    machine = await launch()
    for _ in range(20):
        await machine.monitor.execute("cont", timeout=LIMIT)
        await machine.monitor.execute("stop", timeout=LIMIT)
        told, written = machine.events[-2:], machine.journal.read()
        assert [(event.name, event.time) for event in written] == [(event.name, event.time) for event in told]


async def test_qemu_writes_on_while_nobody_is_connected(launch: Launch) -> None:
    machine = await launch()
    await machine.monitor.execute("cont", timeout=LIMIT)
    await machine.monitor.close()
    position = machine.journal.end()
    other = await Monitor.connect(machine.folder.monitor, timeout=LIMIT)
    await other.execute("system_reset", timeout=LIMIT)
    await other.execute("quit", timeout=LIMIT)
    await other.close()
    await machine.process.wait()
    missed = Journal(machine.folder.journal, position).read()
    assert [event.name for event in missed] == ["RESET", "SHUTDOWN"]
    assert missed[1].data == {"guest": False, "reason": "host-qmp-quit"}


async def test_each_event_is_the_start_of_the_rest(launch: Launch) -> None:
    machine = await launch()
    for command in ("cont", "stop", "cont"):
        await machine.monitor.execute(command, timeout=LIMIT)
    events = machine.journal.read()
    assert [event.name for event in events] == ["RESUME", "STOP", "RESUME"]
    for index, event in enumerate(events):
        assert event.position is not None
        assert Journal(machine.folder.journal, event.position).read() == events[index + 1 :]
    assert machine.journal.position == machine.journal.end()
    assert machine.journal.read() == []


def test_half_a_line_is_left_for_later(tmp_path: Path) -> None:
    output = tmp_path / "events.out"
    output.write_bytes(b'{"QMP": {}}\n\n{"return": {}}\n{"timestamp": {"seconds": 1, "microse')
    reader = Journal(tmp_path / "events")
    assert reader.read() == []
    with output.open("ab") as file:
        file.write(b'conds": 2}, "event": "STOP"}\n')
    assert [(event.name, event.time) for event in reader.read()] == [("STOP", 1_000_002)]


def test_no_journal_has_no_events(tmp_path: Path) -> None:
    assert Journal(tmp_path / "events").read() == []


def test_a_new_life_begins_a_new_journal(tmp_path: Path) -> None:
    base = tmp_path / "events"
    os.close(journal.prepare(base))
    (tmp_path / "events.out").write_bytes(b'{"event": "STOP"}\n')
    os.close(journal.prepare(base))
    assert Journal(base).end() == 0


def test_a_comma_in_the_path_is_kept() -> None:
    assert "path=/run/a,,b/events" in journal.arguments(Path("/run/a,b/events"))[1]
