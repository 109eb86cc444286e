"""xl, Xen's command line tool (xl(1)), as the driver uses it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from virtbus.errors import HypervisorError, NoDomain
from virtbus_xen.dom0 import Dom0

QUERY_SECONDS = 20.0
CHANGE_SECONDS = 120.0
"""For what xl itself waits for, such as backends and hotplug scripts."""

MOST_AT_ONCE = 4

_ROW = re.compile(
    r"^(?P<name>.*\S)\s+(?P<id>\d+)\s+(?P<mib>\d+)\s+(?P<vcpus>\d+)\s+(?P<state>[rbpscd-]{6})\s+(?P<seconds>[\d.]+)\s+"
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\s+(?P<reason>-|\d+)\s"
)

_VCPU = re.compile(r"^.*\S\s+(?P<id>\d+)\s+(?P<vcpu>\d+)\s+\S+\s+[rbp-]{3}\s+(?P<seconds>[\d.]+)\s")

_FROM_INPUT = 'f=$(mktemp) || exit 1; cat >"$f"; "$@" "$f"; s=$?; rm -f "$f"; exit $s'
"""xl reads configurations from plain files only."""

_FROM_INPUT_BEFORE = 'f=$(mktemp) || exit 1; cat >"$f"; image=$1; shift; "$@" "$f" "$image"; s=$?; rm -f "$f"; exit $s'

_THEN_RENAME = 'part=$1; file=$2; shift 2; "$@" && mv -f "$part" "$file"'


class Reason(IntEnum):
    """Why a domain has shut itself down (Xen's SHUTDOWN_*)."""

    POWEROFF = 0
    REBOOT = 1
    SUSPEND = 2
    CRASH = 3
    WATCHDOG = 4
    SOFT_RESET = 5


@dataclass(frozen=True)
class Listed:
    """A domain as `xl list` shows it."""

    name: str
    domid: int
    mib: int
    vcpus: int
    state: str
    seconds: float
    uuid: UUID
    reason: Reason | None

    @property
    def paused(self) -> bool:
        return "p" in self.state

    @property
    def over(self) -> bool:
        """Whether the guest has ended, and the domain waits to be destroyed."""
        return "s" in self.state or "c" in self.state

    @property
    def dying(self) -> bool:
        return "d" in self.state


class Xl:
    """xl of a dom0; few run at once, since each takes a processor of dom0."""

    def __init__(self, dom0: Dom0) -> None:
        self._dom0 = dom0
        self._few = asyncio.Semaphore(MOST_AT_ONCE)

    async def domains(self, timeout: float = QUERY_SECONDS) -> list[Listed]:
        """Every domain but dom0."""
        text = await self.ask("list", "-v", timeout=timeout, urgent=True)
        found = [row for row in (_listed(line) for line in text.splitlines()) if row is not None]
        return [each for each in found if each.domid != 0 and not each.dying]

    async def vcpu_seconds(self, timeout: float = QUERY_SECONDS) -> dict[int, dict[int, float]]:
        """How long each virtual processor of each domain has run, by their numbers."""
        text = await self.ask("vcpu-list", timeout=timeout, urgent=True)
        found: dict[int, dict[int, float]] = {}
        for line in text.splitlines():
            if (row := _VCPU.match(line)) is not None:
                found.setdefault(int(row["id"]), {})[int(row["vcpu"])] = float(row["seconds"])
        return found

    async def ask(self, *words: str, timeout: float = CHANGE_SECONDS, text: str = "", urgent: bool = False) -> str:
        """Run xl to its end; what it prints.

        :param urgent: it does not stand in the queue.
        :raises NoDomain: there is no such domain.
        :raises HypervisorError: xl failed; its own words are kept.
        """
        return await self._run(["xl", *words], words, timeout, text, urgent=urgent)

    async def create(self, config: str, *, paused: bool, timeout: float) -> None:
        """Create a domain from a configuration; what follows its end is the worker's business."""
        words = ["xl", "create", "-e", "-q", *(["-p"] if paused else [])]
        await self._run(["sh", "-c", _FROM_INPUT, "xl", *words], words, timeout, config)

    async def restore(self, config: str, file: str, *, paused: bool, timeout: float) -> None:
        """Create a domain from a saved one, with this configuration."""
        words = ["xl", "restore", "-e", *(["-p"] if paused else [])]
        await self._run(["sh", "-c", _FROM_INPUT_BEFORE, "xl", file, *words], words, timeout, config)

    async def save(self, domid: int, part: str, file: str, *, timeout: float) -> None:
        """Save a domain and end it; the file has its name only when it is whole."""
        words = ["xl", "save", str(domid), part]
        await self._run(["sh", "-c", _THEN_RENAME, "xl", part, file, *words], words, timeout, "")

    async def forget_file(self, file: str) -> None:
        """Remove what a failed save has left."""
        await self._run(["rm", "-f", "--", file], ["rm"], QUERY_SECONDS, "", urgent=True)

    async def shell(self, script: str, *, timeout: float = QUERY_SECONDS) -> str:
        """What a line of shell prints in dom0."""
        return await self._run(["sh", "-c", script], [script[:80]], timeout, "", urgent=True)

    async def _run(self, argv: list[str], words: tuple[str, ...] | list[str], timeout: float, text: str,
                   *, urgent: bool = False) -> str:  # fmt: skip
        async with self._place(urgent):
            done = await self._dom0.run(argv, timeout=timeout, text=text)
        if done.status:
            raise _failure(words, done.errors or done.output, done.status)
        return done.output

    @asynccontextmanager
    async def _place(self, urgent: bool) -> AsyncIterator[None]:
        if urgent:
            yield
            return
        async with self._few:
            yield


def _listed(line: str) -> Listed | None:
    found = _ROW.match(line + " ")
    if found is None:
        return None
    reason = None if found["reason"] == "-" else int(found["reason"])
    return Listed(
        found["name"], int(found["id"]), int(found["mib"]), int(found["vcpus"]), found["state"],
        float(found["seconds"]), UUID(found["uuid"]),
        Reason(reason) if reason in list(Reason) else None,
    )  # fmt: skip


def _failure(words: tuple[str, ...] | list[str], said: str, status: int) -> HypervisorError | NoDomain:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = next((line for line in lines if "error" in line.lower()), lines[0] if lines else f"exit status {status}")
    if "invalid domain identifier" in said or "Domain does not exist" in said:
        return NoDomain(f"Xen has no such domain: {last}")
    what = next((word for word in words if word != "xl"), "xl")
    return HypervisorError(
        f"xl {what} failed: {last}", hint="Xen's words say what",
        evidence={"sent": list(words), "answer": said[-2000:], "exit": status},
    )  # fmt: skip
