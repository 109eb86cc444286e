"""The programs that the worker runs: lxc-*, ip, losetup and rsync, by absolute paths and with time limits.

What they write goes into files in memory: LXC's monitor keeps what it inherits, and nobody waits for that. They are
spawned without asyncio's help, whose event loop of the worker forks where the kernel's vfork(2) takes a third of the
time; their end is awaited by pidfd.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from virtbus.errors import HypervisorError, HypervisorSilent

SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
ENVIRONMENT = {"LC_ALL": "C", "PATH": SEARCH, "HOME": "/root"}
PACKAGES = {"losetup": "mount", "ip": "iproute2", "nsenter": "util-linux", "rsync": "rsync"}
"""Debian's packages; the others are in lxc."""
GRACE = 2.0
"""Seconds that a program is given to die once it was killed."""


@dataclass(frozen=True)
class Output:
    """What a program said."""

    code: int
    output: str
    errors: str


@lru_cache
def path_of(tool: str) -> str:
    """Where a program is.

    :raise HypervisorError: it is not installed.
    """
    found = shutil.which(tool, path=SEARCH)
    if found is None:
        raise HypervisorError(
            f"{tool} is not installed", hint=f"apt-get install --no-install-recommends {PACKAGES.get(tool, 'lxc')}"
        )
    return found


async def ask(tool: str, *words: str, timeout: float, descriptors: Sequence[int] = ()) -> Output:
    """Run a program to its end; it is killed where it takes too long, or nobody waits for it any more.

    :param descriptors: which of ours it inherits, with their numbers.
    :raise HypervisorSilent: it did not end in time.
    :raise HypervisorError: it cannot be executed.
    """
    output, errors = os.memfd_create("output"), os.memfd_create("errors")
    try:
        process = _spawn(tool, words, output, errors, descriptors)
        try:
            async with asyncio.timeout(timeout):
                await _ended(process.pid)
        except TimeoutError as error:
            raise HypervisorSilent(
                f"{os.path.basename(tool)} did not end within {timeout:.3g} s",
                hint="destroy gets through to a container that does not answer", evidence={"sent": [tool, *words]},
            ) from error  # fmt: skip
        finally:
            code = await _reap(process)
        return Output(code, _written(output), _written(errors))
    finally:
        os.close(output)
        os.close(errors)


def _spawn(
    tool: str, words: Sequence[str], output: int, errors: int, descriptors: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [path_of(tool) if "/" not in tool else tool, *words], stdin=subprocess.DEVNULL, stdout=output,
            stderr=errors, cwd="/", env=ENVIRONMENT, pass_fds=tuple(descriptors), start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise HypervisorError(f"cannot execute {tool}: {error}", evidence={"sent": [tool, *words]}) from error


async def _reap(process: subprocess.Popen[bytes]) -> int:
    """Take leave of a program; one that has not ended is killed. Its exit status."""
    if process.poll() is None:
        process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await _ended(process.pid)
    return process.poll() or 0


async def _ended(pid: int) -> None:
    """A pidfd of a process is readable once it has ended (pidfd_open(2))."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    try:
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _written(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), errors="replace") as file:
        return file.read()


async def run(tool: str, *words: str, timeout: float, descriptors: Sequence[int] = ()) -> str:
    """As `ask`; returns what it wrote.

    :raise HypervisorError: it failed; its own words are in the message.
    """
    answer = await ask(tool, *words, timeout=timeout, descriptors=descriptors)
    if answer.code:
        raise refusal(tool, words, answer)
    return answer.output


def refusal(tool: str, words: Sequence[str], answer: Output) -> HypervisorError:
    """The error of a program that failed, in its own words."""
    said = [line for line in (answer.errors + answer.output).splitlines() if line.strip()]
    why = _plain(said[0]) if said else f"exit status {answer.code}"
    return HypervisorError(
        f"{os.path.basename(tool)} failed: {why}",
        evidence={"sent": [tool, *words], "answer": "\n".join(said), "exit": answer.code},
    )


def _plain(line: str) -> str:
    """Lines of liblxc's log begin with the container, the file and the function."""
    return line.rpartition(" - ")[2].strip() or line
