"""A whole Virtbus for tests: nats-server, a gateway, and a worker for each host, as real processes.

    async with Stack.running([Host("sim", "simulated:///default")]) as stack:
        async with stack.client() as client: ...
        await stack.workers["sim"].kill()       # SIGKILL; its domains run on
        await stack.workers["sim"].start()

Nothing supervises the processes, so what a test kills stays dead until the test starts it again. At the end, whatever
names the stack's folder on its command line is ended too: simulated hypervisors and QEMUs outlive their workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Broker, bus_settings
from virtbus.bus.connection import Bus
from virtbus.client import Client
from virtbus.single.child import die_with_parent
from virtbus_gateway.auth import Role, create_token

START_LIMIT = 40.0
"""Seconds until a process is ready, on a busy machine."""
STOP_LIMIT = 10.0


@dataclass(frozen=True)
class Host:
    """A host of the stack, served by a worker of its own."""

    name: str
    uri: str
    options: Mapping[str, str] = field(default_factory=dict)
    """`{folder}` in a value stands for the stack's folder."""

    @property
    def family(self) -> str:
        return self.uri.partition(":")[0].partition("+")[0]


class Service:
    """A process of Virtbus that a test may kill, freeze and start again."""

    def __init__(self, name: str, words: Sequence[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.status = ""
        """What it said last of itself: the gateway says its URL."""
        self._words = words
        self._notify = folder / f"{name}.notify"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it says that it is ready.

        :raise RuntimeError: it ended, or was not ready in time; with the end of its log.
        """
        with self._channel() as channel, self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "virtbus", *self._words,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                env=os.environ | {"NOTIFY_SOCKET": str(self._notify)},
            )  # fmt: skip
            try:
                async with asyncio.timeout(START_LIMIT):
                    await self._ready(channel, self._process)
            except TimeoutError:
                await self.kill()
                raise RuntimeError(f"{self.name} is not ready: {self._last_words()}") from None

    @contextlib.contextmanager
    def _channel(self) -> Iterator[socket.socket]:
        self._notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            channel.bind(str(self._notify))
            yield channel

    async def _ready(self, channel: socket.socket, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(process.wait())
        try:
            while True:
                heard = asyncio.ensure_future(loop.sock_recv(channel, 4096))
                await asyncio.wait({ended, heard}, return_when=asyncio.FIRST_COMPLETED)
                if not heard.done():
                    heard.cancel()
                    raise RuntimeError(f"{self.name} ended with {ended.result()}: {self._last_words()}")
                said = dict(line.partition("=")[::2] for line in heard.result().decode().splitlines())
                self.status = said.get("STATUS", self.status)
                if "READY" in said:
                    return
        finally:
            ended.cancel()

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    async def kill(self) -> None:
        """SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class Stack:
    """The processes, and ways to reach them."""

    def __init__(self, folder: Path, hosts: Sequence[Host]) -> None:
        self.folder = folder
        self.hosts = {host.name: host for host in hosts}
        (folder / "nats").mkdir()
        self.broker = Broker(folder / "nats")
        tokens = folder / "tokens.json"
        self.tokens = {role: create_token(tokens, role.value, role) for role in Role}
        self.bus: Bus
        """The bus as a gateway sees it."""
        self.gateway: Service
        self.workers: dict[str, Service] = {}
        self._exit = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def running(
        cls, hosts: Sequence[Host], prepare: Callable[[Path], None] | None = None
    ) -> AsyncIterator[Stack]:
        """A stack that is ready; all of it is stopped afterwards, also when a test fails.

        :param prepare: puts what the hosts need into the stack's folder, before they are served.
        """
        # The paths of unix sockets are short, and pytest's own folders are not.
        folder = Path(tempfile.mkdtemp(prefix="vb-"))
        stack = cls(folder, hosts)
        try:
            if prepare is not None:
                prepare(folder)
            await stack._start()
            yield stack
        finally:
            await stack._exit.aclose()
            await end_all(folder)
            shutil.rmtree(folder, ignore_errors=True)

    async def _start(self) -> None:
        await self.broker.start()
        self._exit.push_async_callback(self.broker.stop)
        # The streams are made here, since those of the default settings reserve more than a test's disk may have.
        self.bus = await Bus.connect(bus_settings(self.broker), role="gateway", name="setup")
        self._exit.push_async_callback(self.bus.close)
        self.gateway = self._service(
            "gateway", "gateway", "--http", "127.0.0.1:0", "--token-file", str(self.folder / "tokens.json")
        )
        for host in self.hosts.values():
            options = [
                word
                for name, value in host.options.items()
                for word in ("--option", f"{name}={value.format(folder=self.folder)}")
            ]
            self.workers[host.name] = self._service(
                host.name, "worker", host.family, "--host", f"{host.name}={host.uri}",
                "--run-dir", str(self.folder / "r"), "--state-dir", str(self.folder / "s"), *options,
            )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for service in (self.gateway, *self.workers.values()):
                group.create_task(service.start())

    def _service(self, name: str, *words: str) -> Service:
        service = Service(name, [*words, "--nats", self.broker.url], self.folder)
        self._exit.push_async_callback(service.stop)
        return service

    @property
    def url(self) -> str:
        """The gateway's."""
        return self.gateway.status.rpartition(" ")[2]

    def client(self, role: Role = Role.ADMIN) -> Client:
        """A client with the token of a role; to be closed by who asks for it."""
        return Client(self.url, self.tokens[role], patience=5.0)

    def run(self, host: str) -> Path:
        """The host's runtime folder."""
        return self.folder / "r" / host


def processes(folder: Path) -> list[int]:
    """The processes whose command line names a folder, this one left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


async def end_all(folder: Path) -> None:
    """SIGKILL what still runs and names the folder, and wait until it is gone."""
    for pid in processes(folder):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                await _until_readable(descriptor)
            finally:
                os.close(descriptor)


async def _until_readable(descriptor: int) -> None:
    """A pidfd is readable once its process has ended (pidfd_open(2))."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(STOP_LIMIT):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
