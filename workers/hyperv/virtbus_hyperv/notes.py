"""What Virtbus keeps with a machine, in its notes: users' aliases, what else Hyper-V has no place for, and a definition
that is to take effect at the next start.

Hyper-V shows notes to its users, so their own text stays in front, and ours is one line behind it.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

log = logging.getLogger(__name__)

_LINE = re.compile(r"\n*\[virtbus 1 ([A-Za-z0-9+/=]+)\]\s*$")
_MOST = 1 << 22
"""Bytes that a line may become: notes are anybody's text."""


@dataclass
class Notes:
    """The notes of a machine."""

    text: str = ""
    """The users' own: the domain's description."""
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each device, by its key: alias, name, network."""
    scsi: list[str] = field(default_factory=list)
    """SCSI controllers in their order, since Hyper-V has none among them."""
    boots: int = 0
    """How many of the machine's boot devices the definition names; 0: none of ours."""
    memory: int = 0
    """MiB at most, where the memory of a running machine was made less."""
    frame: str = ""
    """What the definition says beside the hardware, as XML."""
    pending: str = ""
    """The definition, where it differs from what runs, as XML."""
    transient: str = ""
    """Not empty where the machine has no definition: whether it is coming or going (virtbus_hyperv.witness)."""
    removals: dict[str, float] = field(default_factory=dict)
    """Aliases whose removal the guest was asked for, and when (seconds since 1970)."""

    @classmethod
    def read(cls, entries: list[str]) -> Notes:
        """Notes as WMI has them. A line that is broken is taken for text."""
        text = "\n\n".join(entries)
        match = _LINE.search(text)
        if match is None:
            return cls(text)
        try:
            packed = base64.b64decode(match[1], validate=True)
            said = json.loads(zlib.decompressobj().decompress(packed, _MOST))
            return cls(text[: match.start()], **said)
        except (binascii.Error, zlib.error, ValueError, TypeError):
            log.warning("the notes of a machine have a line of Virtbus's that makes no sense")
            return cls(text)

    def write(self) -> list[str]:
        """Notes for WMI."""
        said = {name: value for name, value in asdict(self).items() if name != "text" and value}
        if not said:
            return [self.text] if self.text else []
        packed = base64.b64encode(zlib.compress(json.dumps(said, sort_keys=True).encode(), 9)).decode()
        return [f"{self.text}\n\n[virtbus 1 {packed}]" if self.text else f"[virtbus 1 {packed}]"]
