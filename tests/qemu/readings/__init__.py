"""What QMP tells of a running machine, set against what its definition asks for.

async for what, asked, found in read(view): ...
"""

from __future__ import annotations

from tests.qemu.readings import blocks, board, devices, lines, machine, network
from tests.qemu.readings.view import Reader, Reading, Readings, View

READERS: tuple[Reader, ...] = (
    machine.identity,
    machine.switches,
    machine.memory,
    machine.backings,
    machine.memory_devices,
    machine.processors,
    machine.clock,
    machine.iothreads,
    board.firmware,
    board.boot,
    board.sleep,
    board.overrides,
    devices.kinds,
    devices.companions,
    devices.places,
    devices.properties,
    devices.boot_order,
    blocks.disks,
    blocks.guest_sides,
    network.cards,
    lines.lines,
    lines.screens,
    lines.tpms,
    lines.redirected,
)
"""Everything that is read."""


async def read(view: View) -> Readings:
    """All readings of a machine."""
    for reader in READERS:
        async for reading in reader(view):
            yield reading


__all__ = ["READERS", "Reading", "Readings", "View", "read"]
