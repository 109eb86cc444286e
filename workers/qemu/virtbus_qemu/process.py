"""The process of a domain: started so that it outlives the worker, known by its pid and start time, watched by pidfd.

A pid alone can be reused; together with the start time the kernel keeps (proc(5), field 22 of stat) it names one
process until the next boot. A pidfd refers to one process for ever, tells the event loop of its end, and works for
processes that are not our children, as after a restart of the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent

# Descriptors of ours are moved up here before the child's own numbers are handed out, lest one overwrite another.
_LOWEST_OWN_DESCRIPTOR = 64

_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, unmistakably until the next boot of the host."""

    pid: int
    started: int
    """Clock ticks after boot."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has the pid now; None when there is none, or it has ended and only waits to be reaped."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name of the program, in brackets, may itself contain blanks and brackets.
        fields = text.rpartition(")")[2].split()
        state, started = fields[0], int(fields[19])
        return None if state in "ZX" else cls(pid, started)

    def alive(self) -> bool:
        """Whether it still runs."""
        return Identity.of(self.pid) == self


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended; both are None when it was not our child, for then the kernel does not tell."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is not None:
            return f"was killed by signal {self.signal}"
        return "ended" if self.code is None else f"exited with status {self.code}"


def find(argument: str) -> list[Identity]:
    """The processes that have exactly this string among their arguments.

    For a start that was cut off before the pid was written down: the argument is one that names the runtime folder.
    """
    wanted = os.fsencode(argument)
    found: list[Identity] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "cmdline").read_bytes().split(b"\0"):
                identity = Identity.of(int(entry.name))
                found += [identity] if identity else []
    return found


class Process:
    """A running process under watch. Get one by `spawn` or `adopt`, inside a running event loop; `close` it."""

    def __init__(self, identity: Identity, pidfd: int) -> None:
        self.identity = identity
        self._pidfd = pidfd
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[Exit] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._note_end)

    @classmethod
    def spawn(
        cls,
        arguments: Sequence[str],
        *,
        log: Path,
        descriptors: Mapping[int, int],
        environment: Mapping[str, str] | None = None,
        locked_memory: int = 0,
    ) -> Process:
        """Start a program in a session of its own; it shares nothing with the worker but what is handed over.

        :param log: gets its standard output and error, appended.
        :param descriptors: the child's descriptor number: ours. Ours stay open here; close them when it runs. Where
            there is no 0, standard input is /dev/null.
        :param environment: variables besides the few that are passed on from the worker's own.
        :param locked_memory: how many bytes of memory it must be able to lock.
        :raise HypervisorError: the program cannot be executed, or may not lock that much.
        """
        moved = {
            child: fcntl.fcntl(own, fcntl.F_DUPFD_CLOEXEC, _LOWEST_OWN_DESCRIPTOR) for child, own in descriptors.items()
        }
        try:
            with _may_lock(locked_memory):
                pid = os.posix_spawn(
                    arguments[0],
                    list(arguments),
                    _environment(environment or {}),
                    file_actions=[
                        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                        (os.POSIX_SPAWN_DUP2, 1, 2),
                        *((os.POSIX_SPAWN_DUP2, own, child) for child, own in moved.items()),
                        *((os.POSIX_SPAWN_CLOSE, stray) for stray in _inheritable() - descriptors.keys()),
                    ],
                    setsid=True,
                    setsigmask=[],
                    setsigdef=set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP},
                )
        except OSError as error:
            raise HypervisorError(
                f"cannot execute {arguments[0]}: {error.strerror}",
                hint="install QEMU (Debian: apt install qemu-system-x86), or name another <emulator>",
            ) from error
        finally:
            for own in moved.values():
                os.close(own)
        # It is our child: the pid cannot be reused before we reap it, so this cannot hit another process.
        pidfd = os.pidfd_open(pid)
        return cls(_started(pid), pidfd)

    @classmethod
    def adopt(cls, identity: Identity) -> Process:
        """Watch a process that somebody else started, as an earlier worker did.

        :raise HypervisorGone: it runs no more.
        """
        try:
            pidfd = os.pidfd_open(identity.pid)
        except ProcessLookupError as error:
            raise HypervisorGone(f"process {identity.pid} has ended") from error
        if not identity.alive():
            os.close(pidfd)
            raise HypervisorGone(f"process {identity.pid} has ended")
        return cls(identity, pidfd)

    @property
    def ended(self) -> Exit | None:
        """How it ended; None while it runs."""
        return self._end.result() if self._end.done() and not self._end.cancelled() else None

    async def wait(self) -> Exit:
        """Wait for its end."""
        return await asyncio.shield(self._end)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; none is sent to one that has ended."""
        if not self._end.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def kill(self, *, timeout: float) -> Exit:
        """Kill it and wait until it is gone; a stopped process dies of this as well.

        :param timeout: seconds to wait.
        :raise HypervisorSilent: the kernel did not end it in time: it hangs in a system call, as on dead storage.
        """
        self.signal(signal.SIGKILL)
        try:
            async with asyncio.timeout(timeout):
                return await self.wait()
        except TimeoutError as error:
            raise HypervisorSilent(
                f"process {self.identity.pid} was killed but is still there after {timeout:g} s",
                hint="it hangs in the kernel, mostly on storage that does not answer",
            ) from error

    def release(self) -> None:
        """Watch it for the sake of its end alone: a child that nobody waits for stays in the host's list for good."""
        self._end.add_done_callback(lambda _: self.close())

    def close(self) -> None:
        """Watch it no more; it goes on."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
            self._end.cancel()

    def _note_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if not self._end.done():
            self._end.set_result(_reap(self._pidfd))


@contextlib.contextmanager
def _may_lock(size: int) -> Iterator[None]:
    """Raise the limit that a child inherits; the worker's own is as before when the child is there."""
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if not size or _covers(before[0], size):
        yield
        return
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (size, before[1] if _covers(before[1], size) else size))
    except (ValueError, OSError) as error:
        raise HypervisorError(
            f"the process must lock {size} bytes of memory, and {before[1]} are allowed",
            hint="give the worker CAP_SYS_RESOURCE, or a larger LimitMEMLOCK=",
        ) from error
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


def _covers(limit: int, size: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= size


def _environment(additions: Mapping[str, str]) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {"LC_ALL": "C", **passed_on, **additions}


def _inheritable() -> set[int]:
    # What the worker itself inherited, such as a supervisor's pipe, would be held open by the domain for its life.
    strays: set[int] = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.get_inheritable(int(name)):
                strays.add(int(name))
    return strays - {0, 1, 2}


def _started(pid: int) -> Identity:
    identity = Identity.of(pid)
    if identity is not None:
        return identity
    # Ended already, and not reaped: its start time is still there to be read.
    text = Path(f"/proc/{pid}/stat").read_text()
    return Identity(pid, int(text.rpartition(")")[2].split()[19]))


def _reap(pidfd: int) -> Exit:
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return Exit()
    if result is None:
        return Exit()
    killed = result.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
    return Exit(signal=result.si_status) if killed else Exit(code=result.si_status)
