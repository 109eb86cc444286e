"""One QMP connection to one QEMU, on top of QEMU's own client library.

The library speaks the protocol; this module adds what a worker needs: a time limit on everything, typed errors with
what was sent and what came back, events handed over in order as they come, and a close that neither hangs nor fails,
also when QEMU is stopped or gone.

    monitor = await Monitor.connect(folder.monitor, timeout=5, on_event=note)
    status = await monitor.execute("query-status", timeout=2)
    await monitor.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, StateError
from qemu.qmp.events import EventListener
from qemu.qmp.message import Message
from qemu.qmp.protocol import Runstate

from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent
from virtbus_qemu.event import QmpEvent

OnEvent = Callable[[QmpEvent], None]

#: Arguments whose values never go into an error, a log or a record.
SECRET_ARGUMENTS = frozenset({"password", "data", "keys", "command-line", "buf-b64"})

_CLOSE_SECONDS = 2.0

# The library logs at error level whatever it also raises.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class _Handover(EventListener):
    """Gives each event on at once, before any later reply is looked at, and keeps no queue that could grow."""

    def __init__(self, on_event: OnEvent | None) -> None:
        super().__init__()
        self._on_event = on_event

    async def put(self, event: Message) -> None:
        if self._on_event is not None:
            self._on_event(QmpEvent.parse(event))


class Monitor:
    """A connection to the monitor socket of a QEMU. QEMU serves one at a time; a second one waits for the first.

    Get one by `connect`. `domain` goes into the errors.
    """

    def __init__(self, client: QMPClient, line: socket.socket, domain: UUID | str | None) -> None:
        self._client = client
        self._line = line
        self._domain = domain
        self._closed = asyncio.Event()
        self._watch = asyncio.create_task(self._watch_connection(), name=f"monitor {domain}")

    @classmethod
    async def connect(
        cls, path: Path, *, timeout: float, on_event: OnEvent | None = None, domain: UUID | str | None = None
    ) -> Monitor:
        """Connect to the socket at `path` and negotiate.

        :param timeout: seconds for all of it. A QEMU that was only just started may take its time to answer; its
            socket listens from the start where the worker made it (`folder.listen`).
        :param on_event: called for each event, in order; it must not block and should not raise.
        :raise HypervisorGone: nobody listens there, or the connection was closed at once.
        :raise HypervisorSilent: QEMU did not greet in time: it is stuck, or another client has the socket.
        """
        client = QMPClient(str(domain or path))
        # The library's own listener cannot be removed, and keeps all that nobody fetches: let it take no event.
        client.events.names = {""}
        client.register_listener(_Handover(on_event))
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(line, str(path))
                await client.connect(line)
        except TimeoutError as error:
            raise HypervisorSilent(
                f"QEMU did not answer on its monitor within {timeout:g} s",
                domain=domain,
                hint="another client may hold the monitor socket, or QEMU is stopped",
                evidence={"socket": str(path)},
            ) from error
        except (OSError, ConnectError) as error:
            cause = error.exc if isinstance(error, ConnectError) else error
            raise HypervisorGone(
                f"no QEMU answers on the monitor socket: {cause}",
                domain=domain,
                hint="the domain's process has ended; its log says why",
                evidence={"socket": str(path)},
            ) from error
        finally:
            if client.runstate is not Runstate.RUNNING:
                line.close()
        return cls(client, line, domain)

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent, as far as is known now."""
        return self._client.runstate is Runstate.RUNNING

    @property
    def version(self) -> str:
        """QEMU's version from its greeting, such as 7.2.22."""
        greeting = self._client.greeting
        if greeting is None:
            return ""
        numbers = cast(Mapping[str, int], greeting.QMP.version["qemu"])
        return ".".join(str(numbers[part]) for part in ("major", "minor", "micro"))

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        descriptor: int | None = None,
    ) -> Any:
        """Send a command and give QEMU's answer to it.

        :param timeout: seconds to wait for the answer. QEMU may carry the command out after that nevertheless.
        :param descriptor: an open file that goes with the command, of which QEMU gets a copy.
        :raise HypervisorError: QEMU refused; `evidence["class"]` is QMP's error class, `evidence["answer"]` its words.
        :raise HypervisorGone: the connection ended before an answer; whether the command took effect is unknown.
        :raise HypervisorSilent: no answer in time.
        """
        try:
            async with asyncio.timeout(timeout):
                if descriptor is not None:
                    self._client.send_fd_scm(descriptor)
                return await self._client.execute(command, arguments)
        except TimeoutError as error:
            raise HypervisorSilent(
                f"QEMU did not answer {command} within {timeout:g} s",
                domain=self._domain,
                evidence={"sent": _sent(command, arguments)},
            ) from error
        except ExecuteError as error:
            raise HypervisorError(
                f"QEMU refused {command}: {error.error.error.desc}",
                domain=self._domain,
                evidence={
                    "sent": _sent(command, arguments),
                    "class": error.error_class,
                    "answer": error.error.error.desc,
                },
            ) from error
        except (ExecInterruptedError, StateError) as error:
            raise HypervisorGone(
                f"QEMU closed its monitor before it answered {command}",
                domain=self._domain,
                evidence={"sent": _sent(command, arguments)},
            ) from error
        except QMPError as error:
            raise HypervisorError(
                f"QEMU's answer to {command} makes no sense: {error}",
                domain=self._domain,
                evidence={"sent": _sent(command, arguments)},
            ) from error

    async def closed(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        await self._closed.wait()

    async def close(self) -> None:
        """End the connection. QEMU goes on; it takes the next client then."""
        # Shut down first: the library would wait for what is queued to be written, which a stopped QEMU never reads.
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        _, unfinished = await asyncio.wait([self._watch], timeout=_CLOSE_SECONDS)
        for task in unfinished:
            task.cancel()
        self._line.close()

    async def _watch_connection(self) -> None:
        try:
            while self._client.runstate is Runstate.RUNNING:
                await self._client.runstate_changed()
            # The library's reader has stopped; this collects its tasks and tells every waiting command.
            with contextlib.suppress(QMPError, OSError, EOFError):
                await self._client.disconnect()
        finally:
            self._closed.set()


def _sent(command: str, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"execute": command, "arguments": _without_secrets(arguments or {})}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: "(secret)" if name in SECRET_ARGUMENTS else _without_secrets(inner) for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return value
