"""Programs in a running container, by lxc-attach."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from virtbus.driver import Processes, Target, Work
from virtbus.errors import InvalidArgument, WrongState
from virtbus.operations.process import MAX_OUTPUT, Completed
from virtbus_lxc.container import Container
from virtbus_lxc.host import LxcHost
from virtbus_lxc.process import Identity
from virtbus_lxc.tools import ENVIRONMENT, path_of

MARK = "VIRTBUS_JOB"
"""The variable by which a program and what it starts are found again."""
BLOCK = 65536
GRACE = 2.0
"""Seconds that lxc-attach is given to end when its program is dead."""
AGAIN = 0.05
"""Seconds between two looks for what is left of a program."""


class LxcProcesses(Processes):
    """The facet; the driver brings the host."""

    host: LxcHost

    async def run_process(
        self, target: Target, command: Sequence[str], environment: Mapping[str, str], text: str, work: Work
    ) -> Completed:
        """See Processes."""
        container = self.host.container(target)
        if container.frozen:
            raise WrongState(
                "the domain is paused: nothing in it runs", host=target.host, domain=target.uuid,
                hint="resume it first",
            )  # fmt: skip
        for name in environment:
            if not name or "=" in name or "\0" in name:
                raise InvalidArgument(f"{name!r} is no name of a variable", host=target.host, domain=target.uuid)
        await work.before_effect()
        variables = {**environment, MARK: work.job}
        words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        process = await asyncio.create_subprocess_exec(
            path_of("lxc-attach"), *container.where, "--clear-env", *words, "--", *command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd="/", env=ENVIRONMENT, start_new_session=True,
        )  # fmt: skip
        try:
            return await work.until(_finish(process, text))
        finally:
            if process.returncode is None:
                await asyncio.shield(_end(container, work.job, process))


async def _finish(process: asyncio.subprocess.Process, text: str) -> Completed:
    """Feed the program and hear it out; beyond the limit its output is read and dropped, so that it can end."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as group:
        group.create_task(_feed(process.stdin, text.encode()))
        output = group.create_task(_hear(process.stdout))
        errors = group.create_task(_hear(process.stderr))
        status = group.create_task(process.wait())
    heard, complaints = output.result(), errors.result()
    return Completed(
        status=status.result() if status.result() >= 0 else 128 - status.result(),
        output=heard[0], errors=complaints[0], truncated=heard[1] or complaints[1],
    )  # fmt: skip


async def _feed(stream: asyncio.StreamWriter, text: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        stream.write(text)
        await stream.drain()
    stream.close()


async def _hear(stream: asyncio.StreamReader) -> tuple[str, bool]:
    kept = bytearray()
    truncated = False
    while block := await stream.read(BLOCK):
        room = MAX_OUTPUT - len(kept)
        kept += block[:room]
        truncated |= len(block) > room
    return kept.decode(errors="replace"), truncated


async def _end(container: Container, job: str, process: asyncio.subprocess.Process) -> None:
    """Kill the program and what it has started; lxc-attach then ends by itself, and has buried the program."""
    ending = asyncio.ensure_future(process.wait())
    for _ in range(round(GRACE / AGAIN)):
        # It may only now have become the program.
        for identity in marked(container, job):
            identity.kill()
        done, _pending = await asyncio.wait({ending}, timeout=AGAIN)
        if done:
            break
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await ending
    for identity in marked(container, job):
        identity.kill()


def marked(container: Container, job: str) -> list[Identity]:
    """The processes of a container that belong to a job."""
    wanted = f"{MARK}={job}".encode()
    found = []
    for pid in container.cgroup.processes() if container.cgroup is not None else ():
        identity = Identity.of(pid)
        with contextlib.suppress(OSError):
            if identity is not None and wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(identity)
    return found
