"""What a reading of a running machine has in its hands: the live domain, and QEMU's answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.qemu.machines import LIMIT
from virtbus.domain import Domain
from virtbus.errors import HypervisorError
from virtbus_qemu.monitor import Monitor

Reading = tuple[str, object, object]
"""What it is about, what the definition asks for, what QEMU has."""

Readings = AsyncIterator[Reading]
Reader = Callable[["View"], Readings]

PERIPHERAL = "/machine/peripheral"


@dataclass(frozen=True)
class View:
    """A live domain and the QEMU that runs it."""

    live: Domain
    monitor: Monitor
    folder: Path
    hugepages: Path | None = None
    """Where the files of huge pages are to lie."""

    async def ask(self, command: str, **arguments: Any) -> Any:
        """A command's answer; `_` in the names of arguments is `-` of QEMU's."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return await self.monitor.execute(command, named, timeout=LIMIT)

    async def get(self, path: str, name: str) -> Any:
        """A property of an object."""
        return await self.ask("qom-get", path=path, property=name)

    async def of(self, alias: str | None, name: str) -> Any:
        """A property of a device."""
        return await self.get(f"{PERIPHERAL}/{alias}", name)

    async def kinds(self, path: str) -> dict[str, str]:
        """The types of the objects below a path, by name."""
        entries = await self.ask("qom-list", path=path)
        return {
            entry["name"]: entry["type"].removeprefix("child<").removesuffix(">")
            for entry in entries
            if entry["type"].startswith("child<")
        }

    async def compare(self, alias: str | None, asked: dict[str, object]) -> Readings:
        """Readings of those properties of a device about which something is said."""
        for name, value in asked.items():
            if value is not None:
                yield f"{alias}.{name}", value, await self._or_refusal(alias, name)

    async def _or_refusal(self, alias: str | None, name: str) -> Any:
        try:
            return await self.of(alias, name)
        except HypervisorError as error:
            return f"refused: {error}"
