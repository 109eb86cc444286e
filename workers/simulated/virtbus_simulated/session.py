"""The driver's connection to its host: asking for effects exactly once, and watching what happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from virtbus.driver import HostSettings, Work
from virtbus.errors import HypervisorSilent, InvalidArgument, OutcomeUnknown, Unavailable, VirtbusError
from virtbus.observations import Observe
from virtbus_simulated.client import Client
from virtbus_simulated.launch import connect_or_launch
from virtbus_simulated.ledger import Ledger
from virtbus_simulated.translation import Entry

CONNECT_SECONDS = 20.0
QUERY_SECONDS = 10.0
"""For what the hypervisor knows without asking a domain."""
SWEEP_SECONDS = 2.0
"""Between two looks for entries that were lost without anything coming after them."""

GRACE = 1.0
"""Seconds that a request is given beyond the job's own time limit, which is what ends it."""


@dataclass(frozen=True)
class Look:
    """What became of a domain since an earlier attempt at a job."""

    entries: list[Entry]
    state: str
    """The hypervisor's word for it."""
    tag: str | None
    """What its start was given."""


class Session:
    """A connection to one simulated host. It can be opened again after it was lost."""

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        self._settings = settings
        self._sweep_seconds = _seconds(settings, "sweep", SWEEP_SECONDS)
        self._client: Client | None = None
        self._broken = False
        self.ledger = Ledger(observe)

    # The connection.

    async def open(self) -> dict[str, Any]:
        """Connect, starting the hypervisor where none runs, and take the host; returns what it says of itself."""
        await self.close()
        options = self._settings.options
        socket = Path(options.get("socket", self._settings.run / "hypervisor.sock"))
        log = Path(options.get("log", self._settings.run / "effects.jsonl"))
        name, uri = self._settings.name, self._settings.uri
        self._client = await connect_or_launch(
            socket, name, uri, log, timeout=CONNECT_SECONDS, on_event=self.ledger.heard
        )
        try:
            facts = await self._client.ask("open", timeout=QUERY_SECONDS, uri=uri)
        except VirtbusError:
            await self._client.close()
            raise
        self._broken = False
        self.ledger.begin(facts["position"])
        return facts

    async def close(self) -> None:
        """End the connection; the hypervisor and its domains go on."""
        if self._client is not None:
            await self._client.close()

    async def inventory(self, known: dict[UUID, int]) -> list[dict[str, Any]]:
        """What is there now, with what was missed since the known positions; counted as told."""
        positions = {str(uuid): position for uuid, position in known.items()}
        reply = await self.query("inventory", known=positions)
        self.ledger.latest = max(self.ledger.latest, reply["position"])
        for domain in reply["domains"]:
            self.ledger.counts_as_told(UUID(domain["uuid"]), domain["position"])
        return list(reply["domains"])

    async def watch(self) -> None:
        """Tell what happens until the connection ends."""
        client = self._connected()
        self.ledger.watch()
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(self._sweep(client))
            await client.closed()
            sweeping.cancel()

    async def _sweep(self, client: Client) -> None:
        """Find the entries that were lost on the way."""
        swept = self.ledger.first
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sweep_seconds):
                    await self.ledger.behind.wait()
            self.ledger.behind.clear()
            try:
                swept = await self._find_lost(swept)
            except HypervisorSilent:
                # It stands still; what is lost meanwhile is found when it goes on.
                continue
            except Unavailable:
                return
            if self._broken:
                # Some are beyond the history: only an inventory can tell what became of them.
                client.cut()
                return

    async def _find_lost(self, since: int) -> int:
        reply = await self.query("changed", since=since)
        for text, head in reply["domains"].items():
            if head > self.ledger.seen(UUID(text)):
                await self.catch_up(UUID(text))
        return int(reply["position"])

    # Asking.

    async def query(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Ask the hypervisor for what it knows by itself."""
        return await self._connected().ask(request, timeout=QUERY_SECONDS, **arguments)

    async def ask(self, uuid: UUID, request: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """Ask for something of a domain within so many seconds."""
        return await self._connected().ask(request, timeout=timeout, domain=str(uuid), **arguments)

    async def change(self, uuid: UUID, request: str, work: Work, **arguments: Any) -> int:
        """Have an effect; returns its position when it has been told.

        :raises Cancelled, Expired, Overtaken: the job was given up while the hypervisor did not answer.
        :raises Unavailable: the connection ended first: the job is to be looked at anew.
        """
        reply = await work.until(self.ask(uuid, request, work.remaining() + GRACE, job=work.job, **arguments))
        position = int(reply["position"])
        with self.ledger.answered(position, work.job):
            await self.reach(uuid, position)
        return position

    async def since(self, uuid: UUID, work: Work) -> list[Entry]:
        """What happened to a domain since an earlier attempt noted its mark; nothing if there was none.

        :raises OutcomeUnknown: the history does not reach back to it.
        """
        return (await self.look(uuid, work)).entries

    async def look(self, uuid: UUID, work: Work) -> Look:
        """As `since`, with where the domain stands."""
        if work.begun is None or "position" not in work.begun:
            return Look([], "", None)
        position = int(work.begun["position"])
        reply = await self.query("history", domain=str(uuid), since=position)
        if not reply["whole"]:
            raise OutcomeUnknown(
                "the hypervisor's history does not reach back to where this was begun, so what became of it is unknown",
                host=self._settings.name, domain=uuid, hint="look at the domain's state and ask again",
            )  # fmt: skip
        if reply["events"]:
            self.ledger.untold_since(uuid, position)
        await self.catch_up(uuid)
        return Look(reply["events"], reply["state"], reply["tag"])

    async def once(
        self,
        uuid: UUID,
        request: str,
        kind: str,
        work: Work,
        *,
        subject: str = "",
        earlier: Sequence[Entry] | None = None,
        **arguments: Any,
    ) -> int:
        """Have an effect unless an earlier attempt had it; returns its position when it has been told.

        :param kind: the kind of the entry that shows it, with `subject`.
        :param earlier: what `since` gave, where that is known already.
        """
        if earlier is None:
            earlier = await self.since(uuid, work)
        if (entry := find_entry(earlier, kind, subject)) is not None:
            return int(entry["position"])
        await work.before_effect(position=self.ledger.latest)
        return await self.change(uuid, request, work, **arguments)

    async def reach(self, uuid: UUID, position: int) -> None:
        """Return when everything of a domain up to a position has been told."""
        self.ledger.latest = max(self.ledger.latest, position)
        if self.ledger.seen(uuid) < position:
            await self.catch_up(uuid)

    async def catch_up(self, uuid: UUID) -> None:
        """Tell what a domain's history has and was not told."""
        reply = await self.query("history", domain=str(uuid), since=self.ledger.seen(uuid))
        if not reply["whole"]:
            self._broken = True
            self.ledger.behind.set()
        self.ledger.read(reply["events"])

    def _connected(self) -> Client:
        if self._client is None or not self._client.open:
            raise Unavailable(
                "the connection to the simulated hypervisor is gone", host=self._settings.name,
                hint="the worker connects anew by itself",
            )  # fmt: skip
        return self._client


def find_entry(entries: Sequence[Entry], kind: str, subject: str = "", after: int = 0) -> Entry | None:
    """The first entry of a kind, of a subject, after a position."""
    return next(
        (
            entry
            for entry in entries
            if entry["event"] == kind and entry["subject"] == subject and entry["position"] > after
        ),
        None,
    )


def _seconds(settings: HostSettings, name: str, default: float) -> float:
    text = settings.options.get(name, default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise InvalidArgument(f"the setting {name}={text} is no number of seconds", host=settings.name)
    return seconds
