"""What a simulated domain has used: figures that only grow while its CPUs run, and that differ between domains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from virtbus_simulated.hypervisor.machine import Machine

SECOND = 1_000_000_000

_DEVICE_COUNTERS = ("rd_bytes", "rd_reqs", "rd_times", "wr_bytes", "wr_reqs", "wr_times", "fl_reqs", "fl_times",
                    "rx_bytes", "rx_pkts", "tx_bytes", "tx_pkts")  # fmt: skip

CAPACITY = 10 * 1024**3
"""Bytes of every simulated disk."""


def figures(machine: Machine, aliases: Iterable[str]) -> dict[str, Any]:
    """A domain's figures now: times in nanoseconds, memory in KiB, counters by device alias."""
    ran = machine.ran
    # Between 2 and 42 percent of a CPU, by the domain's name.
    busy = ran * (20 + crc32(machine.name.encode()) % 400) // 1000
    used = machine.memory * (30 + crc32(machine.uuid.bytes) % 40) // 100
    return {
        "state": machine.state,
        "reason": machine.reason,
        "cpu_time": busy,
        "cpu_user": busy * 3 // 4,
        "cpu_system": busy - busy * 3 // 4,
        "vcpu_times": [busy >> (index + 1) for index in range(machine.vcpus)],
        "memory": machine.memory,
        "used": used,
        "rss": used + 64 * 1024,
        "faults": ran // (SECOND // 10),
        "devices": {alias: _device(ran, alias) for alias in aliases},
    }


def _device(ran: int, alias: str) -> dict[str, int]:
    seconds = ran / SECOND
    return {
        counter: int(seconds * (1 + crc32(f"{alias}/{counter}".encode()) % _PER_SECOND[counter[3:]]))
        for counter in _DEVICE_COUNTERS
    } | {"capacity": CAPACITY}


_PER_SECOND = {"bytes": 1_000_000, "reqs": 200, "times": 10_000_000, "pkts": 1000}
