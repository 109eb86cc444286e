"""The cgroups of this host, of version 1, 2 or both side by side (cgroups(7)), and those of a container.

Which file holds a limit depends on the version that has its controller; everything else asks here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PERIOD = 100_000
"""Microseconds over which processor time is counted where nothing else is said (the kernel's own default)."""
_PAYLOAD, _MONITOR = "lxc.payload.", "lxc.monitor."
"""How LXC names the cgroups of a container and of the process that watches it."""
FREEZE_LOOKS, FREEZE_PAUSE = 50, 0.002
"""How often, and with how many seconds between, it is looked whether processes stand still."""
CONTROLLERS = ("memory", "cpu", "cpuacct", "cpuset", "devices", "freezer", "blkio", "pids")


def quota_of(processors: int, period: int) -> int:
    """The microseconds of each period that so many processors have."""
    return processors * period


@dataclass(frozen=True)
class Layout:
    """Where the controllers of this host are mounted; what is not in `first` is version 2's."""

    first: dict[str, Path] = field(default_factory=dict)
    """Controllers of version 1, with the folders of their hierarchies."""
    second: Path | None = None
    """The folder of version 2's hierarchy."""

    @classmethod
    def of_host(cls, mounts: Path = Path("/proc/self/mounts")) -> Layout:
        """As this host has it mounted."""
        first: dict[str, Path] = {}
        second = None
        for line in mounts.read_text().splitlines():
            _, folder, kind, options = line.split()[:4]
            if kind == "cgroup2":
                second = Path(folder)
            elif kind == "cgroup":
                first |= {name: Path(folder) for name in options.split(",") if _is_hierarchy(name)}
        return cls(first, second)

    def is_second(self, controller: str) -> bool:
        """Whether version 2 has a controller."""
        return controller not in self.first

    def prefix(self, controller: str) -> str:
        """How keys of this controller begin in LXC's configuration."""
        return "lxc.cgroup2." if self.is_second(controller) else "lxc.cgroup."

    @property
    def memory_limit(self) -> str:
        """The file of the memory's limit, in bytes."""
        return "memory.max" if self.is_second("memory") else "memory.limit_in_bytes"

    @property
    def memory_soft_limit(self) -> str:
        """The file of the limit beyond which memory is taken back."""
        return "memory.high" if self.is_second("memory") else "memory.soft_limit_in_bytes"

    @property
    def cpu_weight(self) -> str:
        """The file of the share of processor time."""
        return "cpu.weight" if self.is_second("cpu") else "cpu.shares"

    def weight_of(self, shares: int) -> int:
        """libvirt's shares as this version's weight: 1024 shares are 100 (systemd's and crun's conversion)."""
        return max(1, min(10000, shares * 100 // 1024)) if self.is_second("cpu") else shares

    def bandwidth(self, quota: int | None, period: int) -> Iterator[tuple[str, str]]:
        """The files that limit processor time, and what is written; no quota and one below 0 are none.

        The period comes first: a quota must fit the period that is there when it is written.
        """
        text = str(quota) if quota is not None and quota > 0 else None
        if self.is_second("cpu"):
            yield "cpu.max", f"{text or 'max'} {period}"
            return
        yield "cpu.cfs_period_us", str(period)
        yield "cpu.cfs_quota_us", text or "-1"


def _is_hierarchy(option: str) -> bool:
    """Whether a mount's option names a controller, or a hierarchy without one, such as systemd's."""
    return option in CONTROLLERS or option.startswith("name=")


@dataclass(frozen=True)
class Cgroup:
    """A container's cgroups: the place of its first process in each hierarchy."""

    layout: Layout
    paths: dict[str, str]
    """Of each controller its place in its hierarchy; of version 2 that of the empty name."""

    @classmethod
    def of(cls, layout: Layout, pid: int) -> Cgroup | None:
        """Those of a process; None where it is gone."""
        try:
            text = Path(f"/proc/{pid}/cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        paths: dict[str, str] = {}
        for line in text.splitlines():
            _, names, path = line.split(":", 2)
            paths |= dict.fromkeys(names.split(","), path)
        return cls(layout, paths)

    def folder(self, controller: str) -> Path | None:
        """The folder of a controller."""
        mounted = self.layout.first.get(controller)
        name = controller if mounted is not None else ""
        mounted = mounted or self.layout.second
        path = self.paths.get(name)
        return None if mounted is None or path is None else mounted / path.lstrip("/")

    def read(self, controller: str, name: str) -> str | None:
        """What a file says; None where it is not there."""
        folder = self.folder(controller)
        if folder is None:
            return None
        try:
            return (folder / name).read_text().strip()
        except OSError:
            return None

    def number(self, controller: str, name: str) -> int | None:
        """A file that is one number."""
        text = self.read(controller, name)
        return int(text) if text is not None and text.lstrip("-").isdigit() else None

    def table(self, controller: str, name: str) -> dict[str, int]:
        """A file of lines `NAME NUMBER`."""
        rows = (line.split() for line in (self.read(controller, name) or "").splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def processes(self) -> set[int]:
        """Every process of the container, in its cgroups' children too."""
        found: set[int] = set()
        for folder in self._folders():
            for file in folder.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found |= {int(line) for line in file.read_text().split()}
        return found

    def frozen(self) -> bool | None:
        """Whether the container's processes are stopped; None where that cannot be said."""
        if "freezer" in self.layout.first:
            state = self.read("freezer", "freezer.state")
            return None if state is None else state != "THAWED"
        state = self.read("freezer", "cgroup.freeze")
        return None if state is None else state == "1"

    async def begin_freezing(self) -> None:
        """Stop the container's processes where version 1 has the freezer, and give them a moment to stand still.

        LXC does the same, but looks only once a second whether they do; it finds them so then.
        """
        folder = self.layout.first.get("freezer") and self.folder("freezer")
        if folder is None:
            return
        with contextlib.suppress(OSError):
            (folder / "freezer.state").write_text("FROZEN")
        for _ in range(FREEZE_LOOKS):
            if self.read("freezer", "freezer.state") != "FREEZING":
                return
            await asyncio.sleep(FREEZE_PAUSE)

    def thaw(self) -> None:
        """Let go of processes that are to be killed: version 1 kills no frozen ones."""
        folder = self.folder("freezer")
        first = "freezer" in self.layout.first
        if folder is not None:
            with contextlib.suppress(OSError):
                (folder / ("freezer.state" if first else "cgroup.freeze")).write_text("THAWED" if first else "0")

    def remove(self) -> None:
        """Remove the empty cgroups of a container that is gone; LXC does so itself unless its monitor was killed."""
        own = self._folders()
        monitors = {folder.with_name(folder.name.replace(_PAYLOAD, _MONITOR, 1)) for folder in own}
        for folder in own | monitors:
            for path in sorted(folder.rglob("*"), key=lambda each: len(each.parts), reverse=True):
                if path.is_dir():
                    with contextlib.suppress(OSError):
                        path.rmdir()
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _folders(self) -> set[Path]:
        mounted = {name: self.layout.first.get(name) if name else self.layout.second for name in self.paths}
        folders = {top / self.paths[name].lstrip("/") for name, top in mounted.items() if top is not None}
        # Only what LXC made for a container is the container's: a process may sit in the host's own.
        return {folder for folder in folders if folder.name.startswith(_PAYLOAD)}
