"""What the worker notes of each domain in the xenstore: there it lives as long as the domains do, and where they do.

/tool/virtbus/<uuid>/ has `incarnation`, `job` (that started it), `phase`, and the live definition in pieces, since a
message to the xenstore carries 4 KiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from virtbus.domain import Domain, Form
from virtbus.errors import VirtbusError
from virtbus_xen.xenstore import XenStore

ROOT = "/tool/virtbus"
PIECE = 1000
"""Characters of a definition in one node."""


class Phase(StrEnum):
    """What the worker was about to do."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    """The domain is destroyed and created anew: that is to be finished."""
    ENDING = "ending"


@dataclass(frozen=True)
class Note:
    """What is noted of a domain."""

    incarnation: str
    job: str
    phase: str
    detail: str
    """How it ends, in the phase ENDING."""
    domid: int
    """Its number on Xen, as far as is known; 0 before."""
    live: Domain | None
    """None where the definition cannot be read."""


class Notes:
    """The notes of a host."""

    def __init__(self, store: XenStore) -> None:
        self._store = store

    async def all(self) -> dict[UUID, Note]:
        """Every domain's."""
        found = {}
        for name in await self._store.list(ROOT):
            try:
                uuid = UUID(name)
            except ValueError:
                continue
            if (note := await self.read(uuid)) is not None:
                found[uuid] = note
        return found

    async def read(self, uuid: UUID) -> Note | None:
        """A domain's; None where it has none."""
        at = f"{ROOT}/{uuid}"
        incarnation = await self._store.read(f"{at}/incarnation")
        if incarnation is None:
            return None
        pieces: list[str] = []
        while (piece := await self._store.read(f"{at}/definition/{len(pieces)}")) is not None and piece:
            pieces.append(piece)
        try:
            live = Domain.parse("".join(pieces))
        except VirtbusError:
            live = None
        job, phase, detail = [await self._store.read(f"{at}/{name}") or "" for name in ("job", "phase", "detail")]
        number = await self._store.read(f"{at}/domid") or "0"
        return Note(incarnation, job, phase, detail, int(number), live)

    async def begin(self, uuid: UUID, incarnation: str, job: str, live: Domain) -> None:
        """A domain is about to be started."""
        await self.forget(uuid)
        await self.define(uuid, live)
        await self.turn(uuid, Phase.STARTING)
        await self._store.write(f"{ROOT}/{uuid}/job", job)
        await self._store.write(f"{ROOT}/{uuid}/incarnation", incarnation)

    async def define(self, uuid: UUID, live: Domain) -> None:
        """The live definition is this now."""
        text = live.format(Form.LIVE, secure=True)
        at = f"{ROOT}/{uuid}/definition"
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        for number, piece in enumerate(pieces):
            await self._store.write(f"{at}/{number}", piece)
        await self._store.remove(f"{at}/{len(pieces)}")

    async def turn(self, uuid: UUID, phase: Phase, detail: str = "") -> None:
        """What is about to be done with the domain."""
        if detail:
            await self._store.write(f"{ROOT}/{uuid}/detail", detail)
        await self._store.write(f"{ROOT}/{uuid}/phase", phase)

    async def number(self, uuid: UUID, domid: int) -> None:
        """The domain has this number on Xen now."""
        await self._store.write(f"{ROOT}/{uuid}/domid", str(domid))

    async def forget(self, uuid: UUID) -> None:
        """The domain is gone."""
        await self._store.remove(f"{ROOT}/{uuid}")
