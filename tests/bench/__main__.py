"""Measure Virtbus beside Debian's real libvirtd, and say which promises hold.

    python -m tests.bench [--quick] [--only MEASURE...] [--without-rival] [--output FILE]

Both run on this machine in one run, interleaved, with the same XML, accelerator and guest; ours through HTTP and the
bus, libvirtd through python3-libvirt. The exit code is 0 also where a promise is missed, which is said clearly; it is
not 0 where something cannot be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import rival, stack
from tests.bench.containers import lxc
from tests.bench.crowd import crowd
from tests.bench.figure import Row, quartiles
from tests.bench.frozen import frozen
from tests.bench.hotplug import hotplug
from tests.bench.lifecycle import lifecycle
from tests.bench.local import local
from tests.bench.rival import Rival, RivalMissing
from tests.bench.scene import FULL, QUICK, TINY, Scale, Scene

ROOT = Path(__file__).parents[2]
SCALES = {"full": FULL, "quick": QUICK, "tiny": TINY}
MEASURES: dict[str, Callable[[Scene], Awaitable[list[Row]]]] = {
    "local": local,
    "lifecycle": lifecycle,
    "hotplug": hotplug,
    "frozen": frozen,
    "crowd": crowd,
    "containers": lxc,
}

console = Console(highlight=False, width=140)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="make bench", description="Virtbus beside libvirtd on this machine.")
    result.add_argument("--quick", action="store_const", const="quick", dest="scale",
                        help="few runs, for development: the figures say little")  # fmt: skip
    result.add_argument("--scale", choices=SCALES, help="how often things are done")
    result.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", default=list(MEASURES),
                        help=f"of {', '.join(MEASURES)}")  # fmt: skip
    result.add_argument("--without-rival", action="store_true", help="measure ours alone")
    result.add_argument("--output", type=Path, default=ROOT / "bench.json", help="where the figures are written")
    result.add_argument("--keep", action="store_true", help="leave the folder with logs behind")
    result.set_defaults(scale="full")
    return result


async def measure(names: Sequence[str], scale: Scale, *, with_rival: bool, folder: Path) -> tuple[list[Row], list[str]]:
    """The rows of these measures, and what could not be measured."""
    rows: list[Row] = []
    troubles: list[str] = []
    async with contextlib.AsyncExitStack() as opened:
        ours = await opened.enter_async_context(stack.running(folder / "ours"))
        theirs: Rival | None = None
        if with_rival:
            try:
                theirs = await opened.enter_async_context(rival.running(folder / "theirs"))
                console.print(f"beside {theirs.version}, process {theirs.pid}")
            except RivalMissing as error:
                troubles.append(str(error))
        scene = Scene(ours, theirs, folder, scale)
        for name in names:
            began = time.monotonic()
            console.print(f"measuring {name} ...")
            try:
                rows.extend(await MEASURES[name](scene))
            except Exception as error:  # noqa: BLE001  the other measures are made all the same
                console.print("".join(traceback.format_exception(error)), style="red", markup=False)
                troubles.append(f"{name} could not be measured: {type(error).__name__}: {error}")
            console.print(f"   {time.monotonic() - began:.0f} s")
    return rows, troubles


def table(rows: Sequence[Row]) -> Table:
    """The rows for a human."""
    result = Table(title="Virtbus beside libvirtd: medians, quartiles in brackets")
    for title in ("", "ours", "theirs", "unit", "ratio", "promised", "n", ""):
        result.add_column(title, justify="left" if title == "" else "right")
    for row in rows:
        verdict = {True: "[green]kept[/]", False: "[bold red]MISSED[/]", None: ""}[row.ok]
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        result.add_row(
            row.name, _shown(row, row.ours), _shown(row, row.theirs), row.unit, ratio,
            "" if row.target is None else str(row.target), str(len(row.ours)), verdict,
        )  # fmt: skip
    return result


def _shown(row: Row, samples: Sequence[float]) -> str:
    value = row.value(samples)
    if value is None:
        return ""
    spread = quartiles(samples)
    return f"{value:.4g}" + ("" if spread is None else f" [{spread[0]:.4g} {spread[2]:.4g}]".replace("[", "\\["))


def document(rows: Sequence[Row], troubles: Sequence[str], scale: str) -> dict[str, Any]:
    """What is written to bench.json."""
    return {
        "rows": [row.document() for row in rows],
        "scale": scale,
        "troubles": list(troubles),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
    }


def main(argv: Sequence[str]) -> int:
    """Measure and tell; returns the exit code."""
    arguments = parser().parse_args(argv)
    if shutil.which("qemu-system-x86_64") is None:
        console.print("QEMU is not installed: sudo apt-get install --no-install-recommends qemu-system-x86 qemu-utils")
        return 2
    # Short, for unix sockets, and on a disk: the bus syncs every write.
    folder = Path(tempfile.mkdtemp(prefix="vb-", dir="/var/tmp"))
    try:
        rows, troubles = asyncio.run(
            measure(arguments.only, SCALES[arguments.scale], with_rival=not arguments.without_rival, folder=folder)
        )
    finally:
        if arguments.keep:
            console.print(f"the logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    arguments.output.write_text(json.dumps(document(rows, troubles, arguments.scale), indent=2) + "\n")
    console.print(table(rows))
    for row in rows:
        for note, value in row.notes.items():
            console.print(f"{row.name}: {note}: {value}", style="dim")
        for fault in row.fails:
            console.print(f"[red]{row.name}: {fault}[/]")
    missed = [row.name for row in rows if row.ok is False]
    console.print(f"[bold red]missed: {', '.join(missed)}[/]" if missed else "[green]no promise was missed[/]")
    for trouble in troubles:
        console.print(f"[red]not measured:[/] {trouble}")
    console.print(f"written to {arguments.output}")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
