"""Starting the simulated hypervisor where none runs: in a session of its own, so that it outlives the worker."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent, InvalidArgument
from virtbus_simulated.client import Client, OnEvent
from virtbus_simulated.hypervisor.main import TAKEN

SOCKET_PATH_BYTES = 107
"""sun_path of unix(7) has 108 bytes, one of them the final zero."""


async def connect_or_launch(
    socket: Path, host: str, uri: str, log: Path, *, timeout: float, on_event: OnEvent
) -> Client:
    """A connection to the hypervisor at `socket`, which is started if nobody listens there.

    :raises HypervisorError: it cannot be started; the message has its own words.
    :raises InvalidArgument: the socket's path is too long.
    """
    if len(os.fsencode(socket)) > SOCKET_PATH_BYTES:
        raise InvalidArgument(
            f"the path is too long for a unix socket: {socket}", host=host, hint="give the worker a shorter run folder"
        )
    try:
        return await Client.connect(socket, host, timeout=timeout, on_event=on_event)
    except HypervisorGone:
        await _launch(socket, host, uri, log, timeout)
    return await Client.connect(socket, host, timeout=timeout, on_event=on_event)


async def _launch(socket: Path, host: str, uri: str, log: Path, timeout: float) -> None:
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "virtbus_simulated", "--socket", str(socket), "--uri", uri, "--log", str(log)]
    errors = socket.with_name(f"{socket.name}.err")
    with errors.open("ab") as file:
        beginning = file.tell()
        process = await asyncio.create_subprocess_exec(
            *command, "--detach",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=file,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout):
                code = await process.wait()
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise HypervisorSilent(f"the simulated hypervisor did not start within {timeout:g} s", host=host) from error
    # Somebody else was quicker: then there is one to connect to.
    if code not in (0, TAKEN):
        words = errors.read_bytes()[beginning:].decode(errors="replace").strip()
        raise HypervisorError(
            f"the simulated hypervisor did not start: {words or f'exit code {code}'}",
            host=host,
            hint="run the command in `evidence` by hand to see why",
            evidence={"sent": command, "answer": words},
        )
