"""The effect log: what truly happened, in a file of its own that never touches the bus.

One JSON line for each effect, in one write(2) to a descriptor opened with O_APPEND, before anybody is told. Fields:
`time` (RFC 3339, UTC), `sequence` (of this process), `boot`, `host`, `domain`, `name`, `incarnation`, `position` (in
the host's history), `effect`, `subject` (an alias, or empty), and what else the effect has.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class EffectLog:
    """Appends to a file; without a path it only counts."""

    def __init__(self, path: Path | None, boot: str) -> None:
        self._boot = boot
        self._sequence = 0
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = None if path is None else os.open(path, flags, 0o644)

    def append(self, **fields: Any) -> None:
        """Write one effect down.

        :raises OSError: it cannot be written; whoever asked for the effect gets no answer then.
        """
        self._sequence += 1
        if self._descriptor is None:
            return
        line = {"sequence": self._sequence, "boot": self._boot} | fields
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if os.write(self._descriptor, text) != len(text):
            raise OSError("the effect log took only a part of a line")

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
