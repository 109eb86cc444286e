"""What needs no domain: reading a document, making a command line, and starting our programs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.bench import domains
from tests.bench.figure import Row, Target
from tests.bench.scene import Samples, Scene
from virtbus.domain import Domain
from virtbus_qemu import definition, live
from virtbus_qemu.capabilities import probe
from virtbus_qemu.command import build_argv
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.settings import QemuSettings

START_LIMIT = 30.0
WARM = 20
"""Runs before the first that counts, of what is over in a moment."""
OFTEN = 10
"""How many times more often such a thing is done than a program is started."""


@dataclass(frozen=True)
class Program:
    """A program of ours that is started; `pass` of Python stands beside it."""

    words: Sequence[str]
    target: Target
    of: Literal["median", "best"] = "median"


PROGRAMS = {
    "import virtbus.domain": Program(("-c", "import virtbus.domain"), Target(100, of="ours"), "best"),
    "virtbus --help": Program(("-m", "virtbus", "--help"), Target(200, of="ours")),
}


async def local(scene: Scene) -> list[Row]:
    """The rows of documents, and of programs."""
    return [*await documents(scene.scale.small * OFTEN), *await programs(scene.scale.small)]


async def documents(times: int) -> list[Row]:
    """The rows `parse and format a domain of 5 KB` and `command line of a domain of 5 KB`.

    The domain is one as it is stored, complete and in libvirt's layout.
    """
    settings = QemuSettings()
    capabilities = await probe(settings.emulator)
    folder = DomainFolder(Path("/run/virtbus/bench"), domains.uuid_of("usual"))
    whole = definition.complete(Domain.parse(domains.usual()), capabilities, settings)
    text = whole.format()
    running = live.prepare(whole, folder, settings, choose_ports=False)
    read = timed(lambda: Domain.parse(text).format(), times)
    built = timed(lambda: build_argv(running, folder, capabilities, settings), times)
    notes = {"bytes": len(text)}
    return [
        Row("parse and format a domain of 5 KB", "ms", read, target=Target(1.5, of="ours"), notes=notes),
        Row("command line of a domain of 5 KB", "ms", built, target=Target(2, of="ours"), notes=notes),
    ]


def timed(work: Callable[[], object], times: int) -> list[float]:
    """How long something took each time, in ms."""
    took = []
    for turn in range(-WARM, times):
        began = time.perf_counter()
        work()
        if turn >= 0:
            took.append((time.perf_counter() - began) * 1000)
    return took


async def programs(times: int) -> list[Row]:
    """The rows of programs that are started."""
    took = {name: Samples() for name in PROGRAMS}
    for turn in range(-1, times):
        for name, program in PROGRAMS.items():
            ours, theirs = await _start(program.words), await _start(("-c", "pass"))
            if turn >= 0:
                took[name].add("ours", ours)
                took[name].add("theirs", theirs)
    return [
        Row(name, "ms", samples.ours, samples.theirs, PROGRAMS[name].target, "python -c pass", PROGRAMS[name].of)
        for name, samples in took.items()
    ]


async def _start(words: Sequence[str]) -> float:
    # Installed programs have their bytecode beside them; the first run, which does not count, writes it.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=variables, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(START_LIMIT):
        if await process.wait():
            raise RuntimeError(f"python {' '.join(words)} failed")
    return (time.perf_counter() - began) * 1000
