"""The update stream of a server: which machines have changed, and the events of its history, as they come.

The server holds each request open until there is something to tell (WaitForUpdatesEx). What is asked for is light; who
is told looks at the machine itself. After a break, of whatever kind, everything is asked for anew and compared, and the
history is read on from where it was: nothing is missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from virtbus.errors import HypervisorGone, HypervisorSilent, Unavailable, VirtbusError
from virtbus_esx.collecting import open_view, specification, step
from virtbus_esx.faults import Fault
from virtbus_esx.nodes import Node, every, find, kind, moment, number, ref, text, truth
from virtbus_esx.soap import Session, returned
from virtbus_esx.wire import Ref, Spec

log = logging.getLogger(__name__)

WATCHED = (
    "name", "runtime.powerState", "runtime.bootTime", "runtime.host", "runtime.connectionState",
    "guest.toolsRunningStatus", "config.changeVersion",
)  # fmt: skip
HELD = 60
"""Seconds that the server may hold a request open."""
LATE = 15.0
"""Seconds beyond that after which the connection is taken for broken."""
ASK = 20.0
PATIENCE = 3
"""Breaks in a row after which the server is taken for lost."""

HAPPENINGS = (
    "VmPoweredOffEvent", "VmPoweredOnEvent", "VmGuestShutdownEvent", "VmGuestRebootEvent", "VmGuestStandbyEvent",
    "VmResettingEvent", "VmSuspendedEvent", "VmResumingEvent", "VmStoppingEvent", "VmFailoverFailed", "VmMigratedEvent",
    "DrsVmMigratedEvent", "VmRemovedEvent", "VmGuestOSCrashedEvent", "EventEx",
)  # fmt: skip
"""The events of the history that say more than the machines' properties."""
PAGE = 100


@dataclass(frozen=True)
class Happening:
    """An event of the server's history."""

    key: int
    kind: str
    at: datetime
    machine: Ref
    user: str
    """Who asked for it; empty where nobody did."""


Told = Callable[[set[Ref], list[Happening]], None]
"""What a watcher is told: machines that changed, came or went, and what happened."""


class Updates:
    """The stream. Whoever watches takes part in `run`; one of them does the asking, and another goes on if it ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watchers: list[Told] = []
        self._asking = asyncio.Lock()
        self._collector: Ref | None = None
        self._version = ""
        self._known: dict[Ref, dict[str, str]] = {}
        self._last_event = 0
        self._breaks = 0
        self._whole = False

    async def run(self, told: Told) -> None:
        """Tell a watcher, until cancelled.

        :raises Unavailable: the server is lost.
        """
        self._watchers.append(told)
        try:
            async with self._asking:
                while True:
                    await self._round()
        finally:
            self._watchers.remove(told)

    async def _round(self) -> None:
        try:
            await self._ask()
            self._breaks = 0
        except (Fault, VirtbusError, ValueError) as error:
            self._collector = None
            self._breaks += 1
            log.info("the updates of %s broke off: %s", self._session.login.server, error)
            if self._breaks >= PATIENCE:
                self._breaks = 0
                raise Unavailable(f"{self._session.login.server} does not tell of updates: {error}") from error
            lost = isinstance(error, HypervisorGone | HypervisorSilent | Unavailable)
            await asyncio.sleep(0.2 * self._breaks if lost else 0)

    async def _ask(self) -> None:
        if self._collector is None:
            self._collector = await self._subscribe()
            self._version = ""
            self._whole = True
        options = Spec("WaitOptions", maxWaitSeconds=HELD)
        answer = await self._session.raw(
            "WaitForUpdatesEx", self._collector, HELD + LATE, version=self._version, options=options
        )
        result = find(answer, "returnval")
        if result is None:
            return
        self._version = text(result, "version") or ""
        self._take(result)

    async def _subscribe(self) -> Ref:
        """A collector of our own, with a filter for the machines and one for the history."""
        session = self._session
        content = session.content
        collector = returned(await session.call("CreatePropertyCollector", content["propertyCollector"], ASK))
        view = await open_view(session, ["VirtualMachine"])
        spec = specification("VirtualMachine", WATCHED, [view], [step("ContainerView", "view")], skip=True)
        await session.call("CreateFilter", collector, ASK, spec=spec, partialUpdates=False)
        history = await open_history(session, PAGE)
        spec = specification("EventHistoryCollector", ["latestPage"], [history])
        await session.call("CreateFilter", collector, ASK, spec=spec, partialUpdates=False)
        return collector

    def _take(self, result: Node) -> None:
        changed: set[Ref] = set()
        events: list[Happening] = []
        seen: set[Ref] = set()
        for update in every(result, "filterSet/objectSet"):
            owner = ref(find(update, "obj"))
            if owner is None:
                continue
            if owner.kind == "EventHistoryCollector":
                events += self._new_events(update)
                continue
            seen.add(owner)
            if self._apply(owner, update):
                changed.add(owner)
        if self._whole and not truth(result, "truncated"):
            # What is not among all has gone while nobody listened.
            changed |= self._known.keys() - seen
            self._known = {owner: values for owner, values in self._known.items() if owner in seen}
            self._whole = False
        if changed or events:
            for told in list(self._watchers):
                told(changed, events)

    def _apply(self, owner: Ref, update: Node) -> bool:
        """Whether anything of a machine is new."""
        if text(update, "kind") == "leave":
            return self._known.pop(owner, None) is not None
        before = self._known.get(owner)
        values = dict(before or {})
        for one in every(update, "changeSet"):
            value = find(one, "val")
            values[text(one, "name") or ""] = "" if value is None else value.text or ""
        self._known[owner] = values
        return values != before

    def _new_events(self, update: Node) -> list[Happening]:
        found: list[Happening] = []
        for page in every(update, "changeSet/val"):
            found += [event for node in page if (event := happening(node)) is not None]
        fresh = sorted((event for event in found if event.key > self._last_event), key=lambda event: event.key)
        if self._last_event == 0:
            # What was before anybody listened, `history` tells.
            self._last_event = max((event.key for event in found), default=1)
            return []
        if fresh:
            self._last_event = fresh[-1].key
        return fresh


def happening(node: Node) -> Happening | None:
    """The event that a node tells of; None where it is of no machine."""
    machine = ref(find(node, "vm/vm"))
    at = moment(text(node, "createdTime"))
    if machine is None or at is None:
        return None
    name = kind(node)
    if name == "EventEx":
        name = text(node, "eventTypeId") or name
    return Happening(number(node, "key") or 0, name, at, machine, text(node, "userName") or "")


async def open_history(session: Session, page: int, since: datetime | None = None) -> Ref:
    """A collector of the server's events whose latest page has so many."""
    time = None if since is None else Spec("EventFilterSpecByTime", beginTime=since)
    entity = Spec("EventFilterSpecByEntity", entity=session.content["rootFolder"], recursion="all")
    query = Spec("EventFilterSpec", entity=entity, time=time, disableFullMessage=True, eventTypeId=list(HAPPENINGS))
    if time is None:
        del query.values["time"]
    manager = session.content["eventManager"]
    collector = returned(await session.call("CreateCollectorForEvents", manager, ASK, filter=query))
    await session.call("SetCollectorPageSize", collector, ASK, maxCount=page)
    return collector


async def history(session: Session, since: datetime, timeout: float) -> list[Happening]:
    """What happened since a moment, as far as the server remembers (1000 events at most), in order."""
    collector = await open_history(session, 1000, since)
    try:
        values = await session.properties(collector, timeout, "latestPage")
    finally:
        await session.call("DestroyCollector", collector, ASK)
    page = values.get("latestPage")
    found = [] if page is None else [event for node in page if (event := happening(node)) is not None]
    return sorted((event for event in found if event.at > since), key=lambda event: event.key)
