"""Starting and destroying a domain with the test guest's kernel."""

from __future__ import annotations

from tests.bench import domains
from tests.bench.figure import Row, Target
from tests.bench.scene import Samples, Scene

NAME = "bench-life"
WARM = 2
"""Runs before the first that counts."""


async def lifecycle(scene: Scene) -> list[Row]:
    """The rows `start` and `destroy`."""
    for side in scene.sides():
        await side.define(domains.guest(NAME, scene.guest, scene.file(side, "life.log")))
    start, destroy = Samples(), Samples()
    for turn in range(-WARM, scene.scale.runs):
        for side in scene.sides(turn):
            started = await side.start(NAME)
            ended = await side.destroy(NAME)
            if turn >= 0:
                start.add(side.key, started)
                destroy.add(side.key, ended)
    for side in scene.sides():
        await side.undefine(NAME)
    return [
        Row("start", "ms", start.ours, start.theirs, Target(0.3)),
        Row("destroy", "ms", destroy.ours, destroy.theirs, Target(0.1)),
    ]
