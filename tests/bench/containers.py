"""Containers: starting, pausing and destroying one, beside libvirt's LXC driver with the same root and init."""

from __future__ import annotations

from tests.bench import stack
from tests.bench.domains import uuid_of
from tests.bench.figure import Row, Target
from tests.bench.scene import Samples, Scene
from tests.guests import containers

NAME = "bench-container"
URI = "lxc:///"
WARM = 2
"""Runs before the first that counts."""
VERBS = ("start", "suspend", "resume", "destroy")

XML = """<domain type='lxc'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>"""


async def lxc(scene: Scene) -> list[Row]:
    """The rows `start`, `suspend`, `resume` and `destroy` of a container.

    :raises RuntimeError: containers cannot be had on this machine.
    """
    missing = containers.missing()
    if missing is not None:
        raise RuntimeError(missing)
    samples = {verb: Samples() for verb in VERBS}
    async with stack.running(scene.folder / "containers", URI) as ours:
        await ours.define(_xml(scene, "ours"))
        if scene.theirs is not None:
            await scene.theirs.call("container", verb="define", name=NAME, xml=_xml(scene, "theirs"))
        for turn in range(-WARM, scene.scale.runs):
            for key in ("ours", "theirs") if turn % 2 == 0 else ("theirs", "ours"):
                for verb in VERBS:
                    took = await _took(scene, ours, key, verb)
                    if turn >= 0 and took is not None:
                        samples[verb].add("ours" if key == "ours" else "theirs", took)
        await ours.undefine(NAME)
    return [
        Row(f"{verb} of a container", "ms", found.ours, found.theirs, None if verb == "resume" else Target(1.0))
        for verb, found in samples.items()
    ]


def _xml(scene: Scene, side: str) -> str:
    root = containers.make_root(scene.folder / "files" / side / "root", containers.AWAKE)
    return XML.format(name=NAME, uuid=uuid_of(NAME), root=root)


async def _took(scene: Scene, ours: stack.Stack, key: str, verb: str) -> float | None:
    """How long it took in ms; None where there is no rival."""
    if key == "theirs":
        if scene.theirs is None:
            return None
        return float((await scene.theirs.call("container", verb=verb, name=NAME))["ms"])
    calls = {"start": ours.start, "suspend": ours.suspend, "resume": ours.resume, "destroy": ours.end}
    return await calls[verb](NAME)
