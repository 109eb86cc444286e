"""What both contestants can do, so that one measure serves both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

Name = Literal["ours", "theirs"]


class Side(Protocol):
    """Ours or the rival. Times are in ms, until the result is in the caller's hands."""

    key: Name

    async def define(self, xml: str) -> None:
        """Define a domain."""

    async def undefine(self, name: str) -> None:
        """Undefine a domain."""

    async def start(self, name: str) -> float:
        """Start a domain."""

    async def resume(self, name: str) -> float:
        """Let a paused domain run."""

    async def destroy(self, name: str) -> float:
        """Destroy a domain, until its process is gone as well."""

    async def attach(self, name: str, xml: str) -> float:
        """Plug a disk into a running domain."""

    async def detach(self, name: str, xml: str) -> float:
        """Unplug that disk, until the guest has let go of it and what served it is torn down."""

    async def crowd_start(self, names: list[str], callers: int) -> float:
        """Start many domains paused, by so many callers at once."""

    async def crowd_destroy(self, names: list[str], callers: int) -> float:
        """Destroy them."""

    async def statistics(self) -> tuple[float, dict[str, set[str]]]:
        """All groups of statistics of all active domains, and the names of the figures by domain."""

    def memory(self) -> dict[str, float]:
        """The proportional set size of its processes by name, in MiB."""


def pss(pid: int) -> float:
    """A process's memory in MiB; what it shares with others counts in part (smaps_rollup, proc(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no Pss")
