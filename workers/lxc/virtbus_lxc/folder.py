"""The runtime folder of a domain: enough to find its container again although the record is lost.

RUN/containers/UUID/domain.xml   the live definition, rewritten before each change of a device
RUN/containers/UUID/run.json     which container it is, its processes, who asked for its end
RUN/containers/UUID/log          what liblxc says of the run: also how it ended
RUN/containers/UUID/config       what it was started from
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import UUID

from virtbus_lxc.process import Identity


@dataclass
class Notes:
    """What of a run must be known to whoever serves it next."""

    path: str
    """The folder in which LXC has the container (lxcpath)."""
    name: str
    """LXC's name of it."""
    job: str = ""
    """The job that started it."""
    paused: bool = False
    """Whether it was to begin paused."""
    settled: bool = False
    """Whether its start has come to its end."""
    monitor: tuple[int, int] | None = None
    """The process that LXC watches it with: pid and start time."""
    init: tuple[int, int] | None = None
    """Its first process; another one after a reboot."""
    destroyed: str | None = None
    """The job that ended it by force."""
    shutdown: str | None = None
    """The job that asked it to shut down."""
    detail: str = "destroyed"
    """What ended by force is told as."""
    added: list[str] = field(default_factory=list)
    """Aliases of devices that were plugged in since the start."""
    removed: list[str] = field(default_factory=list)
    """Devices of the start that were taken out since, as XML."""
    limits: dict[str, str] = field(default_factory=dict)
    """Files of cgroups that were written since the start."""
    loops: dict[str, str] = field(default_factory=dict)
    """Loop devices that serve disks, by alias."""


class DomainFolder:
    """One domain's folder."""

    def __init__(self, path: Path, uuid: UUID) -> None:
        self.path = path
        self.uuid = uuid

    @property
    def log(self) -> Path:
        """liblxc's log."""
        return self.path / "log"

    @property
    def config(self) -> Path:
        """The configuration of this run."""
        return self.path / "config"

    def create(self) -> None:
        """Make it anew: what an earlier run left is gone."""
        self.remove()
        self.path.mkdir(parents=True, mode=0o711)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def write_definition(self, text: str) -> None:
        """Write the live definition."""
        self._write("domain.xml", text)

    def read_definition(self) -> str | None:
        """The live definition; None where there is none."""
        return self._read("domain.xml")

    def write_notes(self, notes: Notes) -> None:
        """Write what is known of the run."""
        self._write("run.json", json.dumps(asdict(notes)))

    def read_notes(self) -> Notes | None:
        """What is known of the run; None where it was not begun, or makes no sense."""
        text = self._read("run.json")
        if text is None:
            return None
        fields = json.loads(text)
        for name in ("monitor", "init"):
            fields[name] = None if fields[name] is None else tuple(fields[name])
        return Notes(**fields)

    def ending(self) -> Ending:
        """How liblxc says that the run ended."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return Ending(told=False)
        return read_ending(text)

    def last_words(self) -> list[str]:
        """The errors in liblxc's log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line.rpartition(" - ")[2] for line in lines if " ERROR " in line]

    def _write(self, name: str, text: str) -> None:
        new = self.path / f".{name}"
        new.write_text(text)
        os.chmod(new, 0o600)
        new.replace(self.path / name)

    def _read(self, name: str) -> str | None:
        try:
            return (self.path / name).read_text()
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class Ending:
    """How a container's run ended, or its last boot."""

    told: bool
    """Whether liblxc saw it end; a monitor that was killed tells nothing."""
    signal: int | None = None
    """Which signal ended its first process; reboot(2) in a container is one too."""


_SAID = re.compile(r'\((\d+)\) - Container "[^"\n]*" (?:is halting|is rebooting|init exited|violated)')
_BEGAN = re.compile(r" - Exec'ing \"")
_EXITED = re.compile(r"signal_handler:\d+ - Container init process \d+ exited")


def read_ending(log: str) -> Ending:
    """How the last boot in liblxc's log ended (start.c, __lxc_start: it names the signal of the first process)."""
    begun = [match.end() for match in _BEGAN.finditer(log)]
    rest = log[begun[-1] :] if begun else log
    said = _SAID.search(rest)
    if said is not None:
        return Ending(told=True, signal=int(said.group(1)))
    return Ending(told=_EXITED.search(rest) is not None)


class HostFolder:
    """The runtime folders of a host's domains."""

    def __init__(self, run: Path) -> None:
        self._path = run / "containers"

    def domain(self, uuid: UUID) -> DomainFolder:
        """The folder of one domain, whether it is there or not."""
        return DomainFolder(self._path / str(uuid), uuid)

    def domains(self) -> Iterator[DomainFolder]:
        """Those that are there."""
        if not self._path.is_dir():
            return
        for path in sorted(self._path.iterdir()):
            try:
                uuid = UUID(path.name)
            except ValueError:
                continue
            yield DomainFolder(path, uuid)


def noted(identity: Identity | None) -> tuple[int, int] | None:
    """A process as notes have it."""
    return None if identity is None else (identity.pid, identity.started)


def recalled(pair: tuple[int, int] | None) -> Identity | None:
    """The other way; None also where it has ended."""
    identity = None if pair is None else Identity(*pair)
    return identity if identity is not None and identity.alive() else None
