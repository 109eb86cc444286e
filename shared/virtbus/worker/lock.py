"""The lock on a host's runtime folder: of the processes on one machine, one serves a host."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from virtbus.errors import Unavailable


class HostLock:
    """An flock, held until `release` or the process's end; a frozen holder still holds it."""

    def __init__(self, run: Path, host: str) -> None:
        self._path = run / "worker.lock"
        self._host = host
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        :raises Unavailable: another process holds it.
        """
        if self._file is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise Unavailable(
                f"another worker process ({holder or 'of unknown pid'}) serves this host on this machine",
                host=self._host,
                hint="stop it first; if it hangs, its supervisor ends it",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._file = descriptor

    def release(self) -> None:
        """Let the lock go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
