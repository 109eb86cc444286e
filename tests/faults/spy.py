"""What QEMU itself says: a second monitor that calls the harness as soon as QEMU is up, and hangs up when it ends.

Nothing of it passes through Virtbus. Each call is one process; its number comes from the kernel (SO_PEERCRED, unix(7)).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.history import Effect

ANSWER = 10.0
"""Seconds that QEMU is given for an answer."""
BLUR = 1.0
"""Seconds by which the harness may be late in noticing a beginning or an end."""


@dataclass(frozen=True)
class Word:
    """One thing that a machine said, or that was seen of it."""

    name: str
    """QMP's name of an event; UP, LOOKED, DOWN and SEEN are the harness's own."""
    time: float
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass
class Life:
    """One QEMU process."""

    pid: int
    started: int
    """Clock ticks after boot, as /proc/PID/stat has it: with the pid, the identity of a process."""
    words: list[Word] = field(default_factory=list)
    writer: asyncio.StreamWriter | None = None
    answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        return self.words[-1].name != "DOWN"


class Spy:
    """The second monitor of one domain, over all its lives."""

    def __init__(self, host: str, domain: str, path: Path) -> None:
        self.host = host
        self.domain = domain
        self.path = path
        self.lives: list[Life] = []
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take QEMU's calls from now on."""
        self._server = await asyncio.start_unix_server(self._called, str(self.path), limit=1 << 20)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for life in self.lives:
            if life.writer is not None:
                life.writer.close()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid = struct.unpack("3i", credentials)[0]
        life = Life(pid, start_time(pid), [Word("UP", time.time())], writer)
        self.lives.append(life)
        writer.write(b'{"execute": "qmp_capabilities"}\n')
        try:
            while line := await reader.readline():
                self._heard(life, json.loads(line))
        except (ConnectionError, asyncio.CancelledError):
            pass  # A machine that was killed hangs up without a word.
        life.words.append(Word("DOWN", time.time()))
        for answer in life.answers.values():
            answer.cancel()
        writer.close()

    def _heard(self, life: Life, message: dict[str, Any]) -> None:
        if "event" in message:
            at = message["timestamp"]
            moment = at["seconds"] + at["microseconds"] / 1e6
            life.words.append(Word(message["event"], moment, message.get("data", {})))
        elif (answer := life.answers.pop(message.get("id", 0), None)) is not None and not answer.done():
            answer.set_result(message)

    @property
    def life(self) -> Life | None:
        """The process that lives now."""
        return next((life for life in reversed(self.lives) if life.up), None)

    async def ask(self, command: str, **arguments: Any) -> Any:
        """Ask the machine that runs now; None where none does, or it ends before it answers."""
        life = self.life
        if life is None or life.writer is None:
            return None
        number = next(self._numbers)
        life.answers[number] = asyncio.get_running_loop().create_future()
        life.writer.write(json.dumps({"execute": command, "arguments": arguments, "id": number}).encode() + b"\n")
        try:
            async with asyncio.timeout(ANSWER):
                return (await life.answers[number]).get("return")
        except (TimeoutError, asyncio.CancelledError):
            if life.up:
                raise
            return None

    async def look(self) -> None:
        """See whether its processors run, at the end of a start."""
        status = await self.ask("query-status")
        if status is not None and self.life is not None:
            self.life.words.append(Word("LOOKED", time.time(), status))

    def saw(self, kind: str, subject: str, detail: str, asked: float) -> None:
        """An effect that has no event of QEMU, but can be looked at."""
        if self.life is not None:
            self.life.words.append(Word("SEEN", asked, {"kind": kind, "subject": subject, "detail": detail}))

    def effects(self) -> list[Effect]:
        """What happened to the domain, in order."""
        return [effect for life in self.lives for effect in translate(self.host, self.domain, life.words)]


def translate(host: str, domain: str, words: list[Word]) -> list[Effect]:
    """A life in the words of the simulated hypervisor's log."""
    found: list[Effect] = []

    def note(word: Word, kind: str, subject: str = "", detail: str = "", blur: float = 0.0) -> None:
        found.append(Effect(host, domain, kind, subject, detail, word.time, blur, word.name == "SEEN"))

    paused = _paused_at_start(words)
    running = not paused
    off: Word | None = None
    for word in words:
        data = word.detail
        match word.name:
            case "UP":
                note(word, "started", "", "paused" if paused else "", BLUR)
            case "STOP" if running and off is None:
                running = False
                note(word, "suspended")
            case "RESUME" if not running:
                running = True
                note(word, "resumed")
            case "SHUTDOWN":
                off = word
            case "RESET":
                # A power-off that is answered by a reset is a reboot.
                off = None
                note(word, "guest-reset" if data.get("guest") else "reset")
            case "POWERDOWN":
                note(word, "power-off-asked")
            case "DEVICE_DELETED" if data.get("device"):
                note(word, "device-removed", str(data["device"]))
            case "DEVICE_TRAY_MOVED":
                alias = str(data["id"]).removeprefix("/machine/peripheral/")
                note(word, "tray-moved", alias, "open" if data["tray-open"] else "close")
            case "BALLOON_CHANGE":
                note(word, "memory-reported", "", str(data["actual"] // 1024))
            case "SEEN":
                note(word, data["kind"], data["subject"], data["detail"], BLUR)
            case "DOWN":
                if off is not None:
                    note(off, "powered-off")
                note(word, "stopped", "", "destroyed" if off is None else "shutdown", BLUR)
    return found


def _paused_at_start(words: list[Word]) -> bool:
    """Whether a machine's processors stood still when its start had ended."""
    for word in words:
        if word.name == "RESUME":
            return False
        if word.name == "LOOKED":
            return word.detail.get("status") in ("paused", "prelaunch")
    return False


def start_time(pid: int) -> int:
    """When a process was started, in clock ticks after boot (proc(5), stat, field 22); 0 where there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0
