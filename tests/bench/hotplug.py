"""A disk plugged into and unplugged from a booted guest that cooperates, and how soon that is heard of."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from tests.bench import domains
from tests.bench.figure import Row, Target
from tests.bench.scene import Samples, Scene
from tests.bench.stack import HOST, Stack
from virtbus.eventkinds import EventKind

NAME = "bench-plug"
BOOT_LIMIT = 120.0
SETTLE = 0.3
"""Seconds that the guest is given to find a disk, and to forget it: the same for both sides."""
WARM = 1


async def hotplug(scene: Scene) -> list[Row]:
    """The rows `attach disk`, `detach disk` and `device-removed at an SSE client`."""
    for side in scene.sides():
        console = scene.file(side, "plug.log")
        console.unlink(missing_ok=True)
        await side.define(domains.guest(NAME, scene.guest, console))
        await side.start(NAME)
        await _booted(console)
    disks = {side.key: domains.disk(scene.file(side, "plug.img")) for side in scene.sides()}
    attach, detach = Samples(), Samples()
    heard: list[float] = []
    listening = asyncio.ensure_future(_listen(scene.ours, heard))
    await asyncio.sleep(SETTLE)
    for turn in range(-WARM, scene.scale.plugs):
        for side in scene.sides(turn):
            plugged = await side.attach(NAME, disks[side.key])
            await asyncio.sleep(SETTLE)
            unplugged = await side.detach(NAME, disks[side.key])
            await asyncio.sleep(SETTLE)
            if turn >= 0:
                attach.add(side.key, plugged)
                detach.add(side.key, unplugged)
    told = _deletions(scene.ours.runtime(NAME) / "events.out")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    for side in scene.sides():
        await side.destroy(NAME)
        await side.undefine(NAME)
    if len(told) != len(heard):
        raise RuntimeError(f"QEMU told of {len(told)} removals, the client heard of {len(heard)}")
    late = [(ear - mouth) * 1000 for mouth, ear in zip(told, heard, strict=True)][WARM:]
    return [
        Row("attach disk", "ms", attach.ours, attach.theirs, Target(0.9)),
        Row("detach disk", "ms", detach.ours, detach.theirs, Target(1.05)),
        Row("device-removed at an SSE client", "ms", late, target=Target(10, of="ours")),
    ]


async def _booted(console: Path) -> None:
    async with asyncio.timeout(BOOT_LIMIT):
        while not (console.exists() and b"GUEST-READY" in console.read_bytes()):
            await asyncio.sleep(0.1)


async def _listen(ours: Stack, heard: list[float]) -> None:
    """Note when each removal is heard of, until cancelled."""
    async with ours.another() as client:
        events = client.events(host=HOST, domain=domains.uuid_of(NAME), kinds=[EventKind.DEVICE_REMOVED])
        while True:
            await anext(events)
            heard.append(time.time())


def _deletions(journal: Path) -> list[float]:
    """QEMU's own timestamps of the devices that went; for virtio devices the event comes twice, once with a name."""
    events = [json.loads(line) for line in journal.read_text().splitlines() if '"DEVICE_DELETED"' in line]
    return [
        event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6
        for event in events
        if event["data"].get("device")
    ]
