"""A supervised process: started, told apart from a frozen one, started again with backoff, stopped cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

WATCHDOG = 5.0
"""Seconds of silence after which a process counts as frozen and is killed."""
LATE = 1.0
"""Seconds by which a wait may overrun before the supervisor takes it that it was frozen itself."""
START_LIMIT = 60.0
"""Seconds that a process is given to become ready before it counts as frozen."""
STOP_LIMIT = 10.0
"""Seconds that a process is given to end by itself."""
BACKOFF = (0.05, 5.0)
"""Seconds before a restart: the first, and the most."""
STEADY = 30.0
"""Seconds of running after which the backoff begins anew."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """In the child: be sent SIGTERM when the supervisor dies (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.setsid()


@dataclass
class Child:
    """One process of ours."""

    name: str
    argv: Callable[[], Sequence[str]]
    """Made anew for each start."""
    log: Path
    notify: Path
    """Where its notify socket lies; a process that does not speak the protocol is ready when `ready` says so."""
    environment: dict[str, str] = field(default_factory=dict)
    speaks: bool = True
    """Whether it speaks systemd's notify protocol."""
    on_start: Callable[[int], None] | None = None
    pid: int | None = None
    status: str = ""
    """The last STATUS= that it sent."""
    restarts: int = 0

    def __post_init__(self) -> None:
        self.ready = asyncio.Event()
        self.changed = asyncio.Event()
        """Set whenever the process is a new one."""
        self._signs = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep it running until cancelled; then stop it."""
        delay = BACKOFF[0]
        loop = asyncio.get_running_loop()
        channel = self._listen()
        loop.add_reader(channel, self._heard, channel)
        try:
            while True:
                began = loop.time()
                code = await self._once()
                if loop.time() - began > STEADY:
                    delay = BACKOFF[0]
                log.warning("%s ended with %s; started again in %.2g s", self.name, code, delay)
                await asyncio.sleep(delay)
                delay = min(BACKOFF[1], delay * 2)
                self.restarts += 1
        finally:
            await self.stop()
            loop.remove_reader(channel)
            channel.close()
            self.notify.unlink(missing_ok=True)

    async def _once(self) -> int:
        environment = os.environ | self.environment
        if self.speaks:
            environment |= {"NOTIFY_SOCKET": str(self.notify), "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self.argv(), stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                preexec_fn=die_with_parent,
            )  # fmt: skip
        self.pid = self._process.pid
        self._signs.clear()
        self.changed.set()
        if self.on_start is not None:
            self.on_start(self.pid)
        if not self.speaks:
            code = await self._process.wait()
        else:
            code = await self._watched(self._process)
        self.ready.clear()
        self.pid = None
        return code

    async def _watched(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the end of a process; end it if it falls silent."""
        ended = asyncio.ensure_future(process.wait())
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                limit = WATCHDOG if self.ready.is_set() else START_LIMIT
                sign = asyncio.ensure_future(self._signs.wait())
                await asyncio.wait({ended, sign}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                sign.cancel()
                if ended.done():
                    return ended.result()
                if not self._signs.is_set() and loop.time() - began > limit + LATE:
                    # We were frozen ourselves, and have not yet read what was sent meanwhile.
                    continue
                if not self._signs.is_set():
                    log.warning("%s has been silent for %.0f s and is killed", self.name, limit)
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    return await ended
                self._signs.clear()
        finally:
            ended.cancel()

    def _listen(self) -> socket.socket:
        self.notify.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.notify.unlink(missing_ok=True)
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        channel.bind(str(self.notify))
        self.notify.chmod(0o600)
        return channel

    def _heard(self, channel: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in channel.recv(4096).decode(errors="replace").splitlines():
                key, _, value = line.partition("=")
                if key == "READY":
                    self.ready.set()
                elif key == "STATUS":
                    self.status = value
            self._signs.set()

    async def stop(self) -> None:
        """Have it end: SIGTERM, and SIGKILL if that does not help."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await process.wait()
        except TimeoutError:
            log.warning("%s did not stop within %.0f s and is killed", self.name, STOP_LIMIT)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
