"""Processes of containers: known by pid and start time, watched and killed by pidfd.

A pid alone can be used again; with the start time that the kernel keeps (proc(5), field 22 of stat) it names one
process until the next boot.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, unmistakably until the next boot of the host."""

    pid: int
    started: int
    """Clock ticks after boot."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has the pid now; None where there is none, or it has ended and waits to be reaped."""
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        """Whether it still runs."""
        return Identity.of(self.pid) == self

    def parent(self) -> Identity | None:
        """The process that waits for this one."""
        fields = _stat(self.pid)
        return None if fields is None or not self.alive() else Identity.of(int(fields[1]))

    def children(self) -> list[Identity]:
        """Its children that run, in the order in which they were made (proc(5), task/TID/children)."""
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [found for word in text.split() if (found := Identity.of(int(word))) is not None]

    def kill(self) -> None:
        """SIGKILL, to this process and no other."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)

    def __str__(self) -> str:
        return f"{self.pid}.{self.started}"


def naming(argument: str) -> list[Identity]:
    """The processes that have exactly this string among their arguments."""
    wanted = os.fsencode(argument)
    found: list[Identity] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "cmdline").read_bytes().split(b"\0"):
                identity = Identity.of(int(entry.name))
                found += [identity] if identity is not None else []
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of a process behind its name, which may itself contain blanks and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


class Watch:
    """Tells the event loop of a process's end. To be made inside the loop, and closed."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = None
        try:
            self._descriptor = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            self.ended.set()
            return
        if identity.alive():
            self._loop.add_reader(self._descriptor, self._end)
        else:
            self.ended.set()

    def _end(self) -> None:
        self.ended.set()
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Watch no more."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
