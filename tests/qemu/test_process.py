"""The process of a domain: identity, end and death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.qemu.machines import LIMIT
from virtbus.errors import HypervisorError, HypervisorGone
from virtbus_qemu.process import Exit, Identity, Process, find

SLEEP = "/bin/sleep"


def _open_files(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(entry))
    return found


async def test_a_process_has_a_session_of_its_own_and_nothing_of_ours(tmp_path: Path) -> None:
    source, sink = os.pipe()
    os.set_inheritable(sink, True)
    process = Process.spawn([SLEEP, "60"], log=tmp_path / "log", descriptors={})
    pid = process.identity.pid
    assert os.getsid(pid) == pid
    # The dynamic loader has a library open for a moment.
    async with asyncio.timeout(LIMIT):
        while any(".so" in target for target in _open_files(pid)):
            await asyncio.sleep(0)
    assert _open_files(pid) == {"/dev/null", str(tmp_path / "log")}
    os.close(source)
    os.close(sink)
    await process.kill(timeout=LIMIT)
    process.close()


async def test_the_end_is_told_with_status_and_reaped(tmp_path: Path) -> None:
    process = Process.spawn(["/bin/sh", "-c", "echo words >&2; exit 7"], log=tmp_path / "log", descriptors={})
    async with asyncio.timeout(LIMIT):
        assert await process.wait() == Exit(code=7)
    assert process.ended == Exit(code=7)
    assert (tmp_path / "log").read_text() == "words\n"
    assert not Path(f"/proc/{process.identity.pid}").exists()
    process.close()


async def test_a_process_may_lock_what_it_must_and_the_worker_no_more_than_before(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    size = 4096 if before[0] == resource.RLIM_INFINITY else min(before[0] + 4096, max(before))
    process = Process.spawn([SLEEP, "60"], log=tmp_path / "log", descriptors={}, locked_memory=size)
    soft, _ = resource.prlimit(process.identity.pid, resource.RLIMIT_MEMLOCK)
    assert soft == resource.RLIM_INFINITY or soft >= size
    assert resource.getrlimit(resource.RLIMIT_MEMLOCK) == before
    await process.kill(timeout=LIMIT)
    process.close()


async def test_a_stopped_process_dies_within_a_second(tmp_path: Path) -> None:
    process = Process.spawn([SLEEP, "60"], log=tmp_path / "log", descriptors={})
    process.signal(signal.SIGSTOP)
    assert await process.kill(timeout=1) == Exit(signal=signal.SIGKILL)
    assert await process.kill(timeout=1) == Exit(signal=signal.SIGKILL)
    process.close()


async def test_descriptors_are_handed_over_under_their_numbers(tmp_path: Path) -> None:
    source, sink = os.pipe()
    os.write(sink, b"hello\n")
    script = ["/bin/sh", "-c", "read word <&0; echo $word >&5"]
    with (tmp_path / "out").open("wb") as out:
        process = Process.spawn(script, log=tmp_path / "log", descriptors={0: source, 5: out.fileno()})
        async with asyncio.timeout(LIMIT):
            await process.wait()
    os.close(source)
    os.close(sink)
    assert (tmp_path / "out").read_text() == "hello\n"
    process.close()


async def test_a_process_that_is_not_our_child_is_adopted_watched_and_killed() -> None:
    # The child of a child that has ended, as QEMU is to a restarted worker.
    script = "import subprocess; print(subprocess.Popen(['/bin/sleep', '60'], stdout=subprocess.DEVNULL).pid)"
    pid = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout)
    identity = Identity.of(pid)
    assert identity is not None
    process = Process.adopt(identity)
    assert process.ended is None
    assert await process.kill(timeout=LIMIT) == Exit()
    assert not identity.alive()
    process.close()


async def test_a_reused_pid_is_another_process(tmp_path: Path) -> None:
    process = Process.spawn([SLEEP, "60"], log=tmp_path / "log", descriptors={})
    other = Identity(process.identity.pid, process.identity.started - 1)
    assert not other.alive()
    with pytest.raises(HypervisorGone):
        Process.adopt(other)
    await process.kill(timeout=LIMIT)
    with pytest.raises(HypervisorGone):
        Process.adopt(process.identity)
    process.close()


async def test_a_missing_program_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="apt install"):
        Process.spawn(["/usr/bin/qemu-nosuch"], log=tmp_path / "log", descriptors={})


async def test_a_process_is_found_by_an_argument(tmp_path: Path) -> None:
    argument = f"60.{os.getpid()}"
    process = Process.spawn([SLEEP, argument], log=tmp_path / "log", descriptors={})
    async with asyncio.timeout(LIMIT):
        # The kernel lists the arguments a moment after the start.
        while not (found := find(argument)):
            await asyncio.sleep(0)
    assert found == [process.identity]
    await process.kill(timeout=LIMIT)
    assert find(argument) == []
    process.close()
