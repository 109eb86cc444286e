"""What the runtime has been told of each domain, up to where, and which job it was told to be caused by.

Every entry of the hypervisor's history is told once, in order for each domain. Each names the one before it, so that a
lost one is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from uuid import UUID

from virtbus.observations import Observe
from virtbus_simulated.translation import Entry, observation

REMOVAL = "removal:"
"""With an alias: the guest was asked to let go of a device."""
POWER_OFF = "power-off"
REBOOT = "reboot"

_TOPICS = {
    "device-removed": REMOVAL,
    "removal-refused": REMOVAL,
    "powered-off": POWER_OFF,
    "stopped": POWER_OFF,
    "reset": REBOOT,
}
"""What a guest does because it was asked to, earlier: entries of these kinds are caused by whoever asked."""


class Ledger:
    """Where one connection stands in the history of each domain."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self.first = 0
        """The host's position when it was opened."""
        self._seen: dict[UUID, int] = {}
        self._watching = False
        self._held: list[tuple[Entry, str | None]] = []
        self._answered: dict[int, str] = {}
        self._asked: dict[UUID, dict[str, str]] = {}
        self._followers: dict[UUID, list[asyncio.Queue[Entry]]] = {}
        self.latest = 0
        """The newest position heard of, to be noted before an effect: that has a higher one."""
        self.behind = asyncio.Event()
        """Set when an entry was lost on the way: the history has it."""

    def begin(self, position: int) -> None:
        """A new connection to the host: what came before `position` is the inventory's."""
        self.latest = self.first = position
        self._seen.clear()
        self._held.clear()
        self._watching = False
        self.behind.clear()

    def watch(self) -> None:
        """From now on entries are told as they come; until now the runtime was busy with the inventory."""
        self._watching = True
        held, self._held = self._held, []
        for entry, job in held:
            self._take(entry, job)

    # Where it stands.

    def seen(self, uuid: UUID) -> int:
        """The position up to which everything of a domain has been told."""
        return self._seen.get(uuid, self.first)

    def counts_as_told(self, uuid: UUID, position: int) -> None:
        """The inventory told everything up to here."""
        self._seen[uuid] = max(self._seen.get(uuid, 0), position)

    def untold_since(self, uuid: UUID, position: int) -> None:
        """Of a domain that is not in the inventory, nothing after this has been told."""
        self._seen.setdefault(uuid, position)

    # Entries.

    def heard(self, entry: Entry, job: str | None) -> None:
        """An entry came over the connection; `job` is ours whose request brought it about."""
        self.latest = max(self.latest, entry["position"])
        if self._watching:
            self._take(entry, job)
        else:
            self._held.append((entry, job))

    def read(self, entries: Iterable[Entry]) -> None:
        """Entries were read from the history, all after `seen`."""
        for entry in entries:
            if entry["position"] > self.seen(UUID(entry["domain"])):
                self._tell(entry, None)

    def _take(self, entry: Entry, job: str | None) -> None:
        seen = self.seen(UUID(entry["domain"]))
        if entry["position"] <= seen:
            return
        if entry["previous"] > seen:
            if job is not None:
                self._answered[entry["position"]] = job
            self.behind.set()
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

    # Causes.

    @contextlib.contextmanager
    def answered(self, position: int, job: str) -> Iterator[None]:
        """An answer to this job's request names the entry at this position."""
        self._answered[position] = job
        try:
            yield
        finally:
            self._answered.pop(position, None)

    def asked(self, uuid: UUID, topic: str, job: str) -> None:
        """What the guest does about this later is caused by this job; of a removal, by the first that asked for it."""
        asked = self._asked.setdefault(uuid, {})
        if topic not in asked or not topic.startswith(REMOVAL):
            asked[topic] = job

    def unasked(self, uuid: UUID, topic: str) -> None:
        """Nothing was asked of the guest."""
        self._asked.get(uuid, {}).pop(topic, None)

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
            asked.pop(POWER_OFF, None)
        if kind == "stopped":
            del self._asked[uuid]
        return cause
