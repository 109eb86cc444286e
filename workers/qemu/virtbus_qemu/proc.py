"""What the kernel tells of a QEMU process (proc(5)): processor time, memory, and the threads of virtual CPUs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_VCPU = re.compile(r"^CPU (\d+)/")
_STATES = {"R": 1, "S": 1, "D": 1}
_STOPPED = ("T", "t")
_HALT_POLLS = {"success": "halt_poll_success_ns", "fail": "halt_poll_fail_ns"}
_KVM = Path("/sys/kernel/debug/kvm")
_RUNNING, _OFFLINE = 1, 0


def cpu(pid: int) -> dict[str, Any]:
    """Processor time of the whole process, in nanoseconds."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    if not fields:
        return {}
    user, system = int(fields[11]) * _TICK_NS, int(fields[12]) * _TICK_NS
    return {"cpu.time": user + system, "cpu.user": user, "cpu.system": system}


def stopped(pid: int) -> bool:
    """Whether a signal or a debugger stopped it: it answers nobody until it is continued."""
    return _fields(Path(f"/proc/{pid}/stat"))[:1] in ([state] for state in _STOPPED)


def halt_polls(pid: int) -> dict[str, Any]:
    """How long KVM polled before it put halted processors to sleep, in nanoseconds, by debugfs; 0 without KVM.

    https://docs.kernel.org/virt/kvm/halt-polling.html
    """
    figures = {f"cpu.haltpoll.{name}.time": 0 for name in _HALT_POLLS}
    for name, file in _HALT_POLLS.items():
        for path in _KVM.glob(f"{pid}-*/{file}"):
            try:
                figures[f"cpu.haltpoll.{name}.time"] += int(path.read_text())
            except (OSError, ValueError):
                continue
    return figures


def resident(pid: int) -> int:
    """Resident memory in KiB."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB
    except OSError:
        return 0


def vcpu_threads(pid: int) -> list[dict[str, Any]]:
    """The figures of each virtual CPU's thread, in order: QEMU names them (debug-threads=on)."""
    threads: dict[int, dict[str, Any]] = {}
    tasks = Path(f"/proc/{pid}/task")
    try:
        names = sorted(tasks.iterdir())
    except OSError:
        return []
    for task in names:
        try:
            match = _VCPU.match((task / "comm").read_text())
        except OSError:
            continue
        if match:
            threads[int(match[1])] = _thread(task)
    return [threads[number] for number in sorted(threads)]


def _thread(task: Path) -> dict[str, Any]:
    fields = _fields(task / "stat")
    figures: dict[str, Any] = {"state": _STATES.get(fields[0], _OFFLINE) if fields else _OFFLINE}
    if fields:
        figures["time"] = (int(fields[11]) + int(fields[12])) * _TICK_NS
    try:
        running, waiting, _ = (task / "schedstat").read_text().split()
        figures |= {"wait": 0, "delay": int(waiting)}
        figures["time"] = int(running) or figures.get("time", 0)
    except (OSError, ValueError):
        return figures
    return figures


def _fields(stat: Path) -> list[str]:
    """The fields of a stat file from the state on; the program's name before it may hold blanks."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
