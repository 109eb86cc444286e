"""The driver's connection to its host, and the order in which it tells what happens there.

Every entry of the history is handed to the runtime once, in order for each domain. Each names the one before it, so a
lost one is noticed and read from the history; those that nobody notices are found by a sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from virtbus.driver import HostSettings, Work
from virtbus.errors import Cancelled, HypervisorGone, HypervisorSilent, InvalidArgument, OutcomeUnknown, VirtbusError
from virtbus.observations import Observe
from virtbus_simulated.client import Client
from virtbus_simulated.launch import connect_or_launch
from virtbus_simulated.translation import Entry, observation

CONNECT_SECONDS = 20.0
QUERY_SECONDS = 10.0
"""For what the hypervisor knows without asking a domain."""
SWEEP_SECONDS = 2.0

_Answer = TypeVar("_Answer")

REMOVAL = "removal:"

_TOPICS = {
    "device-removed": REMOVAL,
    "removal-refused": REMOVAL,
    "powered-off": "power-off",
    "stopped": "power-off",
    "reset": "reboot",
}
"""What a guest does because it was asked to, earlier: entries of these kinds are caused by whoever asked."""


@dataclass(frozen=True)
class Look:
    """What became of a domain since an earlier attempt at a job."""

    entries: list[Entry]
    state: str
    """The hypervisor's word for it."""
    tag: str | None
    """What its start was given."""


class Session:
    """A connection to one simulated host."""

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        self._settings = settings
        self._sweep_seconds = _seconds(settings, "sweep", SWEEP_SECONDS)
        self._observe = observe
        self._client: Client | None = None
        self.latest = 0
        """The newest position heard of, to be noted before an effect: that has a higher one."""
        self._first = 0
        """The host's position when it was opened."""
        self._seen: dict[UUID, int] = {}
        self._watching = False
        self._held: list[tuple[Entry, str | None]] = []
        self._behind = asyncio.Event()
        self._broken = False
        self._answered: dict[int, str] = {}
        self._asked: dict[UUID, dict[str, str]] = {}
        self._followers: dict[UUID, list[asyncio.Queue[Entry]]] = {}

    # The connection.

    async def open(self) -> dict[str, Any]:
        """Connect, starting the hypervisor where none runs, and take the host; returns what it says of itself."""
        options = self._settings.options
        socket = Path(options.get("socket", self._settings.run / "hypervisor.sock"))
        log = Path(options.get("log", self._settings.run / "effects.jsonl"))
        self._client = await connect_or_launch(
            socket,
            self._settings.name,
            self._settings.uri,
            log,
            timeout=CONNECT_SECONDS,
            on_event=self._heard,
        )
        try:
            facts = await self._client.ask("open", timeout=QUERY_SECONDS, uri=self._settings.uri)
        except VirtbusError:
            await self._client.close()
            raise
        self.latest = self._first = facts["position"]
        return facts

    async def close(self) -> None:
        """End the connection; the hypervisor and its domains go on."""
        if self._client is not None:
            await self._client.close()

    async def inventory(self, known: dict[UUID, int]) -> list[dict[str, Any]]:
        """What is there now, with what was missed since the known positions; counted as told."""
        positions = {str(uuid): position for uuid, position in known.items()}
        reply = await self.query("inventory", known=positions)
        self.latest = max(self.latest, reply["position"])
        for domain in reply["domains"]:
            uuid = UUID(domain["uuid"])
            self._seen[uuid] = max(self._seen.get(uuid, 0), domain["position"])
        return list(reply["domains"])

    async def watch(self) -> None:
        """Tell what happens until the connection ends."""
        self._watching = True
        held, self._held = self._held, []
        for entry, job in held:
            self._take(entry, job)
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(self._sweep())
            await self._connected().closed()
            sweeping.cancel()

    async def _sweep(self) -> None:
        """Find the entries that were lost on the way."""
        swept = self._first
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sweep_seconds):
                    await self._behind.wait()
            self._behind.clear()
            try:
                reply = await self.query("changed", since=swept)
                for text, head in reply["domains"].items():
                    if head > self._seen.get(UUID(text), self._first):
                        await self.catch_up(UUID(text))
            except HypervisorSilent:
                # It stands still; what is lost meanwhile is found when it goes on.
                continue
            except HypervisorGone:
                return
            swept = reply["position"]
            if self._broken:
                # Some are beyond the history: only an inventory can tell what became of them.
                self._connected().cut()
                return

    # Asking.

    async def query(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Ask the hypervisor for what it knows by itself."""
        return await self._connected().ask(request, timeout=QUERY_SECONDS, **arguments)

    async def ask(self, uuid: UUID, request: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """Ask a domain's monitor, without effect."""
        return await self._connected().ask(request, timeout=timeout, domain=str(uuid), **arguments)

    async def change(self, uuid: UUID, request: str, work: Work, **arguments: Any) -> int:
        """Have an effect, once; returns its position when it has been told.

        :raises Cancelled: the job was given up while the hypervisor did not answer.
        """
        asked = self._connected().ask(request, timeout=work.remaining(), domain=str(uuid), job=work.job, **arguments)
        reply = await unless_cancelled(asked, work)
        position = int(reply["position"])
        await self.reach(uuid, position, work.job)
        return position

    async def since(self, uuid: UUID, work: Work) -> list[Entry]:
        """What happened to a domain since an earlier attempt noted its mark; nothing if there was none.

        :raises OutcomeUnknown: the history does not reach back to it.
        """
        return (await self.look(uuid, work)).entries

    async def look(self, uuid: UUID, work: Work) -> Look:
        """As `since`, with where the domain stands."""
        if work.begun is None:
            return Look([], "", None)
        position = int(work.begun["position"])
        reply = await self.query("history", domain=str(uuid), since=position)
        if not reply["whole"]:
            raise OutcomeUnknown(
                "the hypervisor's history does not reach back to where this was begun, so what became of it is unknown",
                host=self._settings.name, domain=uuid, hint="look at the domain's state and ask again",
            )  # fmt: skip
        entries = reply["events"]
        # A domain that came and went while nobody watched: nothing of it has been told yet.
        if entries and uuid not in self._seen:
            self._seen[uuid] = position
        await self.catch_up(uuid)
        return Look(entries, reply["state"], reply["tag"])

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
        if (entry := find(earlier, kind, subject)) is not None:
            return int(entry["position"])
        await work.before_effect(position=self.latest)
        return await self.change(uuid, request, work, **arguments)

    # Telling.

    def caused(self, uuid: UUID, topic: str, job: str) -> None:
        """What the guest does about this later is caused by this job; of a removal, by the first that asked for it."""
        asked = self._asked.setdefault(uuid, {})
        if topic not in asked or not topic.startswith(REMOVAL):
            asked[topic] = job

    def uncaused(self, uuid: UUID, topic: str) -> None:
        """Nothing was asked of the guest."""
        self._asked.get(uuid, {}).pop(topic, None)

    @contextlib.contextmanager
    def following(self, uuid: UUID) -> Iterator[asyncio.Queue[Entry]]:
        """A queue of a domain's entries, each after it was told."""
        queue: asyncio.Queue[Entry] = asyncio.Queue()
        self._followers.setdefault(uuid, []).append(queue)
        try:
            yield queue
        finally:
            self._followers[uuid].remove(queue)
            if not self._followers[uuid]:
                del self._followers[uuid]

    async def reach(self, uuid: UUID, position: int, job: str | None = None) -> None:
        """Return when everything up to a position has been told."""
        self.latest = max(self.latest, position)
        if self._seen.get(uuid, self._first) >= position:
            return
        if job is not None:
            self._answered[position] = job
        await self.catch_up(uuid)
        self._answered.pop(position, None)

    async def catch_up(self, uuid: UUID) -> None:
        """Tell what a domain's history has and was not told."""
        since = self._seen.get(uuid, self._first)
        reply = await self.query("history", domain=str(uuid), since=since)
        if not reply["whole"]:
            self._broken = True
            self._behind.set()
        for entry in reply["events"]:
            if entry["position"] > self._seen.get(uuid, self._first):
                self._tell(entry, None)

    def _heard(self, entry: Entry, job: str | None) -> None:
        self.latest = max(self.latest, entry["position"])
        if self._watching:
            self._take(entry, job)
        else:
            # The runtime is still busy with the inventory.
            self._held.append((entry, job))

    def _take(self, entry: Entry, job: str | None) -> None:
        seen = self._seen.get(UUID(entry["domain"]), self._first)
        if entry["position"] <= seen:
            return
        if entry["previous"] > seen:
            if job is not None:
                self._answered[entry["position"]] = job
            self._behind.set()
            return
        self._tell(entry, job)

    def _tell(self, entry: Entry, job: str | None) -> None:
        uuid = UUID(entry["domain"])
        self._seen[uuid] = entry["position"]
        told = observation(entry, self._cause(uuid, entry, job))
        if told is not None:
            self._observe(told)
        for follower in self._followers.get(uuid, ()):
            follower.put_nowait(entry)

    def _cause(self, uuid: UUID, entry: Entry, job: str | None) -> str | None:
        cause = job or self._answered.pop(entry["position"], None)
        asked = self._asked.get(uuid)
        if asked is None:
            return cause
        kind = entry["event"]
        topic = _TOPICS.get(kind)
        if topic is not None and (kind != "stopped" or entry["detail"] == "shutdown"):
            topic = f"{topic}{entry['subject']}" if topic == REMOVAL else topic
            cause = cause or asked.get(topic)
            if kind != "powered-off":
                asked.pop(topic, None)
        if kind == "reset":
            # The guest has forgotten that the power button was pressed.
            asked.pop("power-off", None)
        if kind == "stopped":
            del self._asked[uuid]
        return cause

    def _connected(self) -> Client:
        if self._client is None or not self._client.open:
            raise HypervisorGone(
                "the connection to the simulated hypervisor is gone", host=self._settings.name,
                hint="the worker connects anew by itself",
            )  # fmt: skip
        return self._client


def find(entries: Sequence[Entry], kind: str, subject: str = "", after: int = 0) -> Entry | None:
    """The first entry of a kind, of a subject, after a position."""
    return next(
        (
            entry
            for entry in entries
            if entry["event"] == kind and entry["subject"] == subject and entry["position"] > after
        ),
        None,
    )


async def unless_cancelled(awaited: Awaitable[_Answer], work: Work) -> _Answer:
    """What is awaited, unless the job is given up first.

    :raises Cancelled: it was; what was asked may still happen.
    """
    waiting = asyncio.ensure_future(awaited)
    cancelled = asyncio.ensure_future(work.cancelled.wait())
    try:
        await asyncio.wait({waiting, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise Cancelled("the job was given up while the hypervisor had not answered")
        return await waiting
    finally:
        for task in (waiting, cancelled):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def _seconds(settings: HostSettings, name: str, default: float) -> float:
    text = settings.options.get(name, default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise InvalidArgument(f"the setting {name}={text} is no number of seconds", host=settings.name)
    return seconds
