"""The runtime folder of a domain, and the host's folder that holds them all.

    RUN/worker.lock           held by the worker that serves the host (virtbus.worker.lock)
    RUN/UUID/monitor.sock     QEMU's monitor
    RUN/UUID/events.in .out   QEMU's journal
    RUN/UUID/process.json     pid, start time, and the job that started it
    RUN/UUID/domain.xml       the live definition
    RUN/UUID/state.json       what a later worker must know of this life of the domain
    RUN/UUID/qemu.log         what QEMU said on standard error
    RUN/UUID/master-key.aes   32 random bytes, with which secrets are encrypted for this QEMU

It belongs on a file system that a reboot empties (/run): nothing in it means anything without its process. Files are
replaced whole, so that a worker killed in the middle leaves the old or the new, never a half. They are not synced to
disk: a power cut ends the processes too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from virtbus.errors import InvalidArgument, NoSpace
from virtbus_qemu.process import Identity

#: sun_path of unix(7) has 108 bytes, one of them the final zero.
SOCKET_PATH_BYTES = 107

MASTER_KEY = "master-key.aes"
MASTER_KEY_BYTES = 32

_LOG_TAIL_BYTES = 16 * 1024
_NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


@dataclass(frozen=True, slots=True)
class Started:
    """The process of a domain, as the folder remembers it."""

    identity: Identity
    job: str
    """The id of the job that started it."""


class DomainFolder:
    """One domain's runtime folder."""

    def __init__(self, path: Path, uuid: UUID) -> None:
        self.path = path
        self.uuid = uuid

    @property
    def monitor(self) -> Path:
        """QEMU's monitor socket."""
        return self.path / "monitor.sock"

    @property
    def journal(self) -> Path:
        """The journal's path without its ending."""
        return self.path / "events"

    @property
    def log(self) -> Path:
        """QEMU's standard error."""
        return self.path / "qemu.log"

    @property
    def master_key(self) -> Path:
        """The key with which secrets are encrypted for this QEMU."""
        return self.path / MASTER_KEY

    @property
    def definition(self) -> Path:
        """The live definition."""
        return self.path / "domain.xml"

    def create(self) -> None:
        """Make the folder, private to the worker's user; one of an earlier life goes first, but for its log.

        :raise InvalidArgument: its path is too long for a unix socket.
        :raise NoSpace: there is no room for it.
        """
        length = len(os.fsencode(self.monitor))
        if length > SOCKET_PATH_BYTES:
            raise InvalidArgument(
                f"the runtime folder's path is too long for a unix socket: {self.monitor} has {length} bytes, "
                f"{SOCKET_PATH_BYTES} are possible",
                domain=self.uuid,
                hint="give the worker a shorter run directory",
            )
        with _room(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for entry in self.path.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry != self.log:
                    entry.unlink()
        _replace(self.master_key, os.urandom(MASTER_KEY_BYTES))

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def exists(self) -> bool:
        """Whether there is one."""
        return self.path.is_dir()

    def listen(self) -> socket.socket:
        """The monitor's socket, listening; QEMU inherits it, so a client can connect before QEMU has started up."""
        self.monitor.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.monitor))
        self.monitor.chmod(0o600)
        listener.listen(1)
        return listener

    def write_definition(self, xml: str) -> None:
        """Replace the live definition."""
        _replace(self.definition, xml.encode())

    def read_definition(self) -> str | None:
        """The live definition; None where none was written."""
        text = _read(self.definition)
        return None if text is None else text.decode()

    def write_process(self, started: Started) -> None:
        """Note the process that was started."""
        note = {"pid": started.identity.pid, "started": started.identity.started, "job": started.job}
        _replace(self.path / "process.json", json.dumps(note).encode())

    def read_process(self) -> Started | None:
        """The process that was started; None where none was noted."""
        text = _read(self.path / "process.json")
        if text is None:
            return None
        note = json.loads(text)
        return Started(Identity(note["pid"], note["started"]), note["job"])

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace what is remembered; it must be JSON."""
        _replace(self.path / "state.json", json.dumps(state).encode())

    def read_state(self) -> dict[str, Any]:
        """What is remembered; empty where nothing is."""
        text = _read(self.path / "state.json")
        return {} if text is None else dict(json.loads(text))

    def last_words(self, lines: int = 10) -> list[str]:
        """The last lines of QEMU's log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[-lines:]


class HostFolder:
    """The folder of a host: one runtime folder for each domain."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def domain(self, uuid: UUID) -> DomainFolder:
        """The folder of a domain, whether it exists or not."""
        return DomainFolder(self.path / str(uuid), uuid)

    def domains(self) -> list[DomainFolder]:
        """The folders that exist."""
        if not self.path.is_dir():
            return []
        found: list[DomainFolder] = []
        for entry in sorted(self.path.iterdir()):
            with contextlib.suppress(ValueError):
                found.append(self.domain(UUID(entry.name)))
        return found


@contextlib.contextmanager
def _room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpace(
                f"no room left for {path}", hint="free space on the file system of the run directory"
            ) from error
        raise


def _replace(path: Path, content: bytes) -> None:
    with _room(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
