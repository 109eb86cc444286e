"""One QEMU frozen with SIGSTOP: what that does to the others, and how it is destroyed itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import httpx

from tests.bench import domains
from tests.bench.figure import Row, Target
from tests.bench.scene import Scene
from tests.bench.stack import HOST, Stack
from virtbus.operations.domain import ListDomains, ResumeDomain, SuspendDomain

NAME = "bench-frozen"
CALL_LIMIT = 30.0
GUARD = 0.3
"""Seconds of rest between blocks, so that none reaches into the next."""

Call = Callable[[], Awaitable[object]]


async def frozen(scene: Scene) -> list[Row]:
    """The rows of a frozen domain."""
    herd = [f"bench-herd-{number}" for number in range(scene.scale.herd)]
    for name in (NAME, *herd):
        await scene.ours.define(domains.small(name, scene.file(scene.ours, f"{name}.img")))
        await scene.ours.start(name)
    rows = await _beside(scene, herd)
    ended = await _destroyed(scene)
    for name in (NAME, *herd):
        if name != NAME:
            await scene.ours.destroy(name)
        await scene.ours.undefine(name)
    rows.append(Row("destroy of a frozen domain", "ms", ended, target=Target(1000, of="ours"), of="p99"))
    return rows


async def _beside(scene: Scene, herd: list[str]) -> list[Row]:
    """Calls at a fixed rate, in alternating blocks with the domain frozen and not."""
    took: dict[str, dict[bool, list[float]]] = {}
    pid = scene.ours.pid(NAME)
    headers = {"Authorization": f"Bearer {scene.ours.token}"}
    async with httpx.AsyncClient(base_url=scene.ours.url, headers=headers, timeout=CALL_LIMIT) as http:
        calls = _calls(scene.ours, http, herd)
        took = {kind: {False: [], True: []} for kind in calls}
        await _block(calls, scene.scale.block, scene.scale.rate)
        try:
            for number in range(2 * -(-scene.scale.calls // scene.scale.block)):
                stopped = number % 4 in (1, 2)
                os.kill(pid, signal.SIGSTOP if stopped else signal.SIGCONT)
                for kind, samples in (await _block(calls, scene.scale.block, scene.scale.rate)).items():
                    took[kind][stopped].extend(samples)
                await asyncio.sleep(GUARD)
        finally:
            os.kill(pid, signal.SIGCONT)
    return [
        Row(
            f"{kind} beside a frozen domain (p99)", "ms", samples[True], samples[False], Target(1.2),
            rival="the same, none frozen", of="p99",
        )
        for kind, samples in took.items()
    ]


def _calls(ours: Stack, http: httpx.AsyncClient, herd: list[str]) -> dict[str, Call]:
    """What is called, by its name."""
    # The domain that has rested longest is suspended, or resumed when its turn comes again.
    resting: asyncio.Queue[tuple[str, type[SuspendDomain | ResumeDomain]]] = asyncio.Queue()
    for name in herd:
        resting.put_nowait((name, SuspendDomain))

    async def job() -> None:
        name, verb = await resting.get()
        await ours.client.run(verb(**ours.where(name)))
        resting.put_nowait((name, ResumeDomain if verb is SuspendDomain else SuspendDomain))

    async def show() -> None:
        await ours.client.run(ListDomains(host=HOST))

    async def metrics() -> None:
        (await http.get("/metrics")).raise_for_status()

    return {"list": show, "metrics": metrics, "jobs": job}


async def _block(calls: dict[str, Call], count: int, rate: float) -> dict[str, list[float]]:
    """So many calls of each kind at a fixed rate; measured from when each was due, in ms."""
    loop = asyncio.get_running_loop()
    took: dict[str, list[float]] = {kind: [] for kind in calls}

    async def one(kind: str, call: Call, due: float) -> None:
        await call()
        took[kind].append((loop.time() - due) * 1000)

    began = loop.time() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            for place, (kind, call) in enumerate(calls.items()):
                due = began + (number + place / len(calls)) / rate
                await asyncio.sleep(max(0.0, due - loop.time()))
                group.create_task(one(kind, call, due))
    return took


async def _destroyed(scene: Scene) -> list[float]:
    """A frozen domain is destroyed, some times over; it is defined and not running afterwards."""
    took = []
    for turn in range(scene.scale.frozen):
        if turn:
            await scene.ours.start(NAME)
        os.kill(scene.ours.pid(NAME), signal.SIGSTOP)
        took.append(await scene.ours.destroy(NAME))
    return took
