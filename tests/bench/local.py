"""What needs no domain: reading a document, and starting our programs, against starting Python."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

from tests.bench import domains
from tests.bench.figure import Row, Target
from tests.bench.scene import Samples, Scene
from virtbus.domain import Domain

START_LIMIT = 30.0
PROGRAMS: dict[str, tuple[Sequence[str], Target | None]] = {
    "import virtbus.domain": (("-c", "import virtbus.domain"), None),
    "virtbus --help": (("-m", "virtbus", "--help"), Target(200, of="ours")),
}


async def local(scene: Scene) -> list[Row]:
    """The rows `parse and format`, `import virtbus.domain` and `virtbus --help`."""
    text = domains.large()
    rows = [Row(f"parse and format {len(text) / 1000:.1f} KB of XML", "ms", _parsed(text, scene.scale.small))]
    took = {name: Samples() for name in PROGRAMS}
    for turn in range(-1, scene.scale.small):
        for name, (words, _) in PROGRAMS.items():
            ours, theirs = await _program(words), await _program(("-c", "pass"))
            if turn >= 0:
                took[name].add("ours", ours)
                took[name].add("theirs", theirs)
    rows.extend(
        Row(name, "ms", samples.ours, samples.theirs, PROGRAMS[name][1], rival="python -c pass")
        for name, samples in took.items()
    )
    return rows


def _parsed(text: str, times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        Domain.parse(text).format()
        took.append((time.perf_counter() - began) * 1000)
    return took


async def _program(words: Sequence[str]) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(START_LIMIT):
        if await process.wait():
            raise RuntimeError(f"python {' '.join(words)} failed")
    return (time.perf_counter() - began) * 1000
