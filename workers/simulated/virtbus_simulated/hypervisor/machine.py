"""One domain on the simulated host: its state, its devices and its history, across its lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from time import monotonic_ns
from typing import TYPE_CHECKING, Any
from uuid import UUID

from virtbus_simulated.hypervisor.document import LiveDocument
from virtbus_simulated.hypervisor.failure import Failure
from virtbus_simulated.hypervisor.refusal import Refused, Why

if TYPE_CHECKING:
    from virtbus_simulated.hypervisor.host import SimulatedHost


class State(StrEnum):
    """Where a domain stands on the hypervisor."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"


UP = (State.RUNNING, State.PAUSED, State.CRASHED)


class Machine:
    """A domain. Methods have an effect at once and return its position in the history, or refuse and change nothing.

    What the guest does in its own time is in `virtbus_simulated.hypervisor.guest`.
    """

    __slots__ = (
        "_ran", "_runs_since", "_seed", "_xml", "awake", "born", "deferred", "fail", "history", "host", "id",
        "incarnation", "memory", "name", "on_end", "parked", "reason", "state", "stopped", "tag", "timers",
        "unplugging", "uuid", "vcpus",
    )  # fmt: skip

    def __init__(self, host: SimulatedHost, uuid: UUID, name: str) -> None:
        self.host = host
        self.uuid = uuid
        self.name = name
        self.id = -1
        self.state = State.OFF
        self.reason = "unknown"
        self.stopped = "unknown"
        """How the last life ended."""
        self.incarnation: str | None = None
        self.born: int | None = None
        """The position before this life; None if it began with the host."""
        self.tag: str | None = None
        """What the client gave with the start; nothing to the hypervisor."""
        self.fail: frozenset[Failure] = frozenset()
        self.awake = False
        """Whether a reset has brought a deaf guest round."""
        self.history = host.new_history()
        self.unplugging: tuple[str, ...] = ()
        """Aliases that the guest was asked to let go of and has not answered."""
        self.vcpus = 0
        self.memory = 0
        """KiB."""
        self.timers: list[asyncio.TimerHandle] = []
        self.deferred: list[Callable[[], None]] = []
        """What the guest will do as soon as it runs again."""
        self.parked: list[Callable[[], None]] = []
        """Requests to the hung monitor."""
        self.on_end: Callable[[], None] | None = None
        """Called when this life ends: a start may be under way."""
        self._xml: str | None = None
        self._seed: Callable[[], str] | None = None
        self._ran = 0
        self._runs_since = 0

    # What is.

    @property
    def up(self) -> bool:
        """Whether the domain is there to be asked anything."""
        return self.state in UP

    def fails(self, failure: Failure) -> bool:
        """Whether a failure is set, for this domain or for the whole host."""
        return failure in self.fail or failure in self.host.parameters.fail

    @property
    def hung(self) -> bool:
        """Whether its monitor does not answer now."""
        return self.up and self.fails(Failure.HUNG_MONITOR)

    @property
    def acts(self) -> bool:
        """Whether the guest can do anything now."""
        return self.state is State.RUNNING and not self.hung

    @property
    def xml(self) -> str:
        """The live definition."""
        if self._xml is not None:
            return self._xml
        return "" if self._seed is None else self._seed()

    @property
    def seeded(self) -> bool:
        """Whether this life began with the host."""
        return self._seed is not None

    @property
    def ran(self) -> int:
        """Nanoseconds that the CPUs of this life have run."""
        return self._ran + (monotonic_ns() - self._runs_since if self._runs_since else 0)

    def describe(self) -> dict[str, Any]:
        """All that a client may want to know."""
        return {
            "uuid": str(self.uuid),
            "name": self.name,
            "id": self.id,
            "state": self.state,
            "reason": self.reason,
            "incarnation": self.incarnation,
            "tag": self.tag,
            "seeded": self.seeded,
            "stopped": self.stopped,
            "unplugging": list(self.unplugging),
            "position": self.history.head,
            "xml": self.xml if self.up else None,
        }

    # What happens to it: each of these is one entry in the history and one line in the effect log.

    def happen(self, kind: str, subject: str = "", **fields: Any) -> int:
        """Note an effect, tell the clients, and return its position."""
        return self.host.happened(self, kind, subject, fields)

    def seed(self, number: int, incarnation: str, vcpus: int, memory: int, write: Callable[[], str]) -> None:
        """Run since the host came up: a life without a beginning in the history."""
        self._begin(number, incarnation, None, vcpus, memory)
        self.born = None
        self._seed = write
        self.state, self.reason = State.RUNNING, "booted"
        self._runs()

    def prepare(self, number: int, incarnation: str, tag: str | None, xml: str, vcpus: int, memory: int) -> None:
        """Take what a start brings; the domain is starting now and cannot be started again."""
        self._begin(number, incarnation, tag, vcpus, memory)
        self._xml = xml
        self.state, self.reason = State.STARTING, "unknown"

    def start_failed(self, message: str) -> int:
        """The start came to nothing."""
        position = self.happen("start-failed", tag=self.tag, message=message)
        self._end()
        return position

    def started(self, *, paused: bool) -> int:
        """The domain is there, and runs unless paused."""
        self.state = State.PAUSED if paused else State.RUNNING
        self.reason = "user" if paused else "booted"
        if not paused:
            self._runs()
        return self.happen(
            "started", incarnation=self.incarnation, id=self.id, tag=self.tag, paused=paused, xml=self.xml
        )

    def stop(self, detail: str) -> int:
        """The domain's process ends."""
        if self.state is State.STARTING:
            return self.start_failed("the domain was killed while it started")
        self._need(*UP)
        position = self.happen("stopped", detail=detail)
        self.stopped = detail
        self._end()
        return position

    def power_off(self) -> int:
        """The guest has shut down."""
        self.happen("powered-off", detail="guest")
        return self.stop("shutdown")

    def crash(self) -> int:
        """The guest panicked."""
        self._need(State.RUNNING)
        self._stands()
        self.state, self.reason = State.CRASHED, "panicked"
        return self.happen("crashed", detail="panicked")

    def suspend(self, detail: str = "paused", reason: str = "user") -> int:
        """Stop the CPUs."""
        self._need(State.RUNNING)
        self._stands()
        self.state, self.reason = State.PAUSED, reason
        return self.happen("suspended", detail=detail, reason=reason)

    def resume(self) -> int:
        """Let the CPUs run; the guest does what it has put off."""
        self._need(State.PAUSED)
        self._runs()
        self.state, self.reason = State.RUNNING, "unpaused"
        position = self.happen("resumed", detail="unpaused")
        self.catch_up()
        return position

    def reset(self, by: str) -> int:
        """Reset: devices that were to be unplugged are gone then, as on QEMU, and a crashed guest runs anew."""
        self._need(*UP)
        self._cancel()
        for alias in self.unplugging:
            self.remove(alias, by="reset")
        self.awake = True
        if self.state is State.CRASHED:
            self.state, self.reason = State.RUNNING, "booted"
            self._runs()
        return self.happen("reset", by=by)

    def plug(self, alias: str, device: str) -> int:
        """Add a device."""
        self._need(*UP)
        document = LiveDocument(self.xml)
        document.add(alias, device)
        self._xml = document.text
        return self.happen("device-added", alias, xml=self._xml)

    def ask_unplug(self, alias: str) -> int:
        """Ask the guest to let go of a device."""
        self._need(*UP)
        LiveDocument(self.xml).device(alias)
        if alias in self.unplugging:
            raise Refused(Why.PENDING, f"Device {alias} is already in the process of unplug")
        self.unplugging = (*self.unplugging, alias)
        return self.happen("unplug-asked", alias)

    def remove(self, alias: str, by: str) -> int:
        """A device is gone."""
        document = LiveDocument(self.xml)
        document.remove(alias)
        self._xml = document.text
        self.unplugging = tuple(other for other in self.unplugging if other != alias)
        return self.happen("device-removed", alias, by=by, xml=self._xml)

    def refuse_unplug(self, alias: str) -> int:
        """The guest refuses to let go of a device."""
        self.unplugging = tuple(other for other in self.unplugging if other != alias)
        return self.happen("removal-refused", alias, reason="the guest refused to let go of the device")

    def change(self, alias: str, device: str) -> int:
        """Put another description in a device's place."""
        self._need(*UP)
        document = LiveDocument(self.xml)
        document.replace(alias, device)
        self._xml = document.text
        return self.happen("device-changed", alias, xml=self._xml)

    def set_vcpus(self, count: int) -> int:
        """Plug or unplug virtual CPUs."""
        self._need(*UP)
        document = LiveDocument(self.xml)
        document.set_vcpus(count)
        self._xml, self.vcpus = document.text, count
        return self.happen("vcpus-changed", count=count, xml=self._xml)

    def set_memory(self, kibibytes: int) -> int:
        """Set the balloon."""
        self._need(*UP)
        document = LiveDocument(self.xml)
        document.set_memory(kibibytes)
        self._xml, self.memory = document.text, kibibytes
        return self.happen("memory-changed", kibibytes=kibibytes, xml=self._xml)

    def catch_up(self) -> None:
        """Let the guest do what it has put off, as far as it can act."""
        while self.deferred and self.acts:
            self.deferred.pop(0)()

    def answer_parked(self) -> None:
        """Carry out what was asked while the monitor hung."""
        parked, self.parked = self.parked, []
        for request in parked:
            request()

    # The inside.

    def _need(self, *states: State) -> None:
        if self.state not in UP:
            raise Refused(Why.NO_DOMAIN, f"domain {self.name} is not running")
        if self.state not in states:
            raise Refused(Why.WRONG_STATE, f"domain {self.name} is {self.state}")

    def _begin(self, number: int, incarnation: str, tag: str | None, vcpus: int, memory: int) -> None:
        self.id, self.incarnation, self.tag = number, incarnation, tag
        self.vcpus, self.memory = vcpus, memory
        self.awake = False
        self.born = self.host.position
        self._ran = self._runs_since = 0

    def _end(self) -> None:
        self._cancel()
        self.unplugging = ()
        self.state, self.reason = State.OFF, "unknown"
        self.id, self.incarnation, self.tag = -1, None, None
        self._xml = self._seed = None
        self._ran = self._runs_since = 0
        self.host.ended(self)
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()
        self.answer_parked()

    def _cancel(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers, self.deferred = [], []

    def _runs(self) -> None:
        self._runs_since = monotonic_ns()

    def _stands(self) -> None:
        self._ran, self._runs_since = self.ran, 0
