"""The journal of a domain: every QMP event of its life, written to a file by QEMU itself.

A second QMP monitor sits on a `pipe` character device whose output is a plain file and whose input is a FIFO that
holds one command, `qmp_capabilities`. After that command QEMU appends every event to the file, whether a worker lives
or not, so a restarted worker reads exactly what happened meanwhile, and a running one can tell what it has handled by
a byte offset: no event is lost, none is handled twice.

What was measured with QEMU 7.2:

- The FIFO never ends: QEMU opens it for reading and writing. (A plain file as input ends at once and works too.)
- QEMU asks its monitors in the order of the newest first. `ARGUMENTS` comes last on the command line, so an event is
  in the file before it is on the worker's socket: a socket event is a signal to read the journal.
- The file is one write(2) per event; it grows by some 150 bytes each, and QEMU limits the rate of the chatty ones.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from virtbus_qemu.event import QmpEvent

log = logging.getLogger(__name__)

GREETING = b'{"execute":"qmp_capabilities"}\n'

_READ_AT_ONCE = 1 << 20


def arguments(base: Path) -> list[str]:
    """QEMU's options for a journal in `base`.in and `base`.out; they must come after those of every other monitor."""
    # A comma in an option's value is written twice (QEMU manual, "Invocation").
    path = str(base).replace(",", ",,")
    return ["-chardev", f"pipe,id=charjournal,path={path}", "-mon", "chardev=charjournal,id=journal,mode=control"]


def prepare(base: Path) -> int:
    """Make the two files for a new life of a domain, an older journal is gone then.

    :return: a descriptor of the input, with the command in it. QEMU must inherit it (any number will do): what is in a
        FIFO lasts as long as somebody has it open, and the worker may die before QEMU has opened it.
    :raise OSError: when they cannot be made.
    """
    source, output = Path(f"{base}.in"), Path(f"{base}.out")
    source.unlink(missing_ok=True)
    output.unlink(missing_ok=True)
    output.touch(mode=0o600)
    os.mkfifo(source, 0o600)
    descriptor = os.open(source, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    os.write(descriptor, GREETING)
    return descriptor


def _message(line: bytes) -> dict[str, Any]:
    """A line as a QMP message; one that a full disk has torn tells nothing."""
    try:
        message = json.loads(line) if line.strip() else {}
    except ValueError:
        log.error("a line of a journal makes no sense: %.80r", line)
        return {}
    return message if isinstance(message, dict) else {}


class Journal:
    """Reads a journal from a position on."""

    def __init__(self, base: Path, position: int = 0) -> None:
        self._path = Path(f"{base}.out")
        self.position = position
        """Where the next `read` begins: a byte offset just after an event or another line."""

    def read(self) -> list[QmpEvent]:
        """The events after `position`, in order; it moves on past them. A line not yet whole is left for later.

        A journal that is not there has no events.
        """
        events: list[QmpEvent] = []
        while lines := self._whole_lines():
            for line in lines:
                self.position += len(line)
                message = _message(line)
                if "event" in message:
                    events.append(QmpEvent.parse(message, self.position))
        return events

    def end(self) -> int:
        """The position after the last whole line."""
        probe = Journal(self._path.with_suffix(""), self.position)
        probe.read()
        return probe.position

    def _whole_lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self.position)
                text = file.read(_READ_AT_ONCE)
        except FileNotFoundError:
            return []
        return text[: text.rfind(b"\n") + 1].splitlines(keepends=True)
