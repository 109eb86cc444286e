"""Where the entries of a .vmx go that is written."""

from __future__ import annotations

from typing import Any, Protocol

from virtbus_esx.vmx.files import Files


class Outgoing(Protocol):
    """A .vmx file as it grows."""

    files: Files

    def say(self, name: str, value: Any) -> None:
        """Add an entry; truth values are `true` and `false`."""
