"""dom0 as the driver reaches it: it runs programs there and connects to unix sockets, on this machine or over ssh."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import asyncssh

from virtbus.driver import HostSettings
from virtbus.errors import HypervisorError, HypervisorSilent, InvalidArgument, Unavailable

CONNECT_SECONDS = 20.0
KEEPALIVE_SECONDS = 10.0
SSH_PORT = 22


class Reader(Protocol):
    """The half of a connection that is read."""

    async def readexactly(self, n: int) -> bytes:
        """So many bytes; asyncio.IncompleteReadError where the connection ends before."""


class Writer(Protocol):
    """The half of a connection that is written."""

    def write(self, data: bytes) -> None:
        """Send in the background."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    status: int
    output: str
    errors: str


class Dom0(ABC):
    """Where xl, the xenstore and the backends of devices are."""

    @abstractmethod
    async def open(self) -> None:
        """:raises HypervisorError: it cannot be reached; the message says why."""

    @abstractmethod
    async def run(self, argv: Sequence[str], *, timeout: float, text: str = "") -> Done:
        """Run a program to its end, with `text` as its standard input. It is ended where the caller is cancelled.

        :raises HypervisorSilent: it did not end in time, and was ended.
        :raises Unavailable: the connection is gone.
        """

    @abstractmethod
    async def connect(self, path: str) -> tuple[Reader, Writer]:
        """Connect to a unix socket.

        :raises Unavailable: nobody listens there.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go; what runs there runs on."""


class LocalDom0(Dom0):
    """The worker runs in dom0 itself."""

    async def open(self) -> None:
        """See Dom0."""

    async def run(self, argv: Sequence[str], *, timeout: float, text: str = "") -> Done:
        """See Dom0."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
        except FileNotFoundError as error:
            raise HypervisorError(
                f"{argv[0]} is not on this machine", hint="the worker runs in dom0, or reaches it by xen+ssh://"
            ) from error
        try:
            async with asyncio.timeout(timeout):
                output, errors = await process.communicate(text.encode())
        except TimeoutError as error:
            raise _silent(argv, timeout) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Done(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))

    async def connect(self, path: str) -> tuple[Reader, Writer]:
        """See Dom0."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_unix_connection(path)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}", hint="is xenstored running?") from error

    async def close(self) -> None:
        """See Dom0."""


class SshDom0(Dom0):
    """dom0 behind ssh. Its key must be known: options `known_hosts` (a file) and `key` (the client's private key)."""

    def __init__(self, settings: HostSettings) -> None:
        place = urlsplit(settings.uri)
        if not place.hostname:
            raise InvalidArgument(f"{settings.uri} names no machine", host=settings.name)
        self._settings = settings
        self._address, self._port, self._user = place.hostname, place.port or SSH_PORT, place.username or "root"
        self._connection: asyncssh.SSHClientConnection | None = None

    async def open(self) -> None:
        """See Dom0."""
        options = self._settings.options
        # What is not said is left to ssh's own usual files.
        said = {name: value for name, value in (("known_hosts", options.get("known_hosts")),
                                                ("client_keys", options.get("key"))) if value}  # fmt: skip
        await self.close()
        try:
            self._connection = await asyncssh.connect(
                self._address, self._port, username=self._user, connect_timeout=CONNECT_SECONDS,
                login_timeout=CONNECT_SECONDS, keepalive_interval=KEEPALIVE_SECONDS, config=None, **said,
            )  # fmt: skip
        except asyncssh.HostKeyNotVerifiable as error:
            raise self._unreachable(str(error), "add the machine's key to known_hosts") from error
        except asyncssh.PermissionDenied as error:
            raise self._unreachable(str(error), "say the client's key with the option key") from error
        except (OSError, asyncssh.Error) as error:
            raise self._unreachable(str(error), "is its ssh server running and reachable?") from error

    def _unreachable(self, why: str, hint: str) -> HypervisorError:
        where = f"{self._user}@{self._address}:{self._port}"
        return HypervisorError(f"cannot log in at {where}: {why}", host=self._settings.name, hint=hint)

    def _open_connection(self) -> asyncssh.SSHClientConnection:
        if self._connection is None or self._connection.is_closed():
            raise Unavailable("the connection to dom0 is gone", host=self._settings.name,
                              hint="the worker connects anew by itself")  # fmt: skip
        return self._connection

    async def run(self, argv: Sequence[str], *, timeout: float, text: str = "") -> Done:
        """See Dom0."""
        try:
            async with asyncio.timeout(timeout):
                process = await self._open_connection().create_process(shlex.join(argv))
                try:
                    output, errors = await process.communicate(text)
                finally:
                    if process.exit_status is None:
                        # Nobody waits for its end, which may be long in coming.
                        process.kill()
                    process.close()
        except TimeoutError as error:
            raise _silent(argv, timeout) from error
        except (OSError, asyncssh.Error) as error:
            raise Unavailable(f"the connection to dom0 failed: {error}", host=self._settings.name) from error
        status = process.exit_status
        if status is None:
            raise Unavailable(f"the connection to dom0 ended before {argv[0]} did", host=self._settings.name)
        return Done(status, str(output or ""), str(errors or ""))

    async def connect(self, path: str) -> tuple[Reader, Writer]:
        """See Dom0."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await self._open_connection().open_unix_connection(path)
        except (OSError, asyncssh.Error) as error:
            raise Unavailable(f"{path} of dom0: {error}", hint="is xenstored running?") from error
        return reader, writer

    async def close(self) -> None:
        """See Dom0."""
        if self._connection is not None:
            self._connection.close()
            with contextlib.suppress(OSError, asyncssh.Error):
                await self._connection.wait_closed()
            self._connection = None


def _silent(argv: Sequence[str], timeout: float) -> HypervisorSilent:
    return HypervisorSilent(
        f"{shlex.join(argv)[:200]} did not end within {timeout:.0f} s", evidence={"sent": list(argv)}
    )


def reach(settings: HostSettings) -> Dom0:
    """How the host's URI reaches dom0: xen:///system here, xen+ssh://user@machine[:port]/system there.

    :raises InvalidArgument: it is neither.
    """
    scheme = urlsplit(settings.uri).scheme
    if scheme == "xen":
        return LocalDom0()
    if scheme == "xen+ssh":
        return SshDom0(settings)
    raise InvalidArgument(f"{settings.uri} is no Xen host", host=settings.name,
                          hint="xen:///system or xen+ssh://root@machine/system is expected")  # fmt: skip
