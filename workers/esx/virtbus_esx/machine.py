"""A virtual machine as it is at one moment, and what must have happened between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

from virtbus.domain import Device, Domain
from virtbus.eventkinds import EventKind
from virtbus.observations import (
    Defined,
    DeviceAdded,
    DeviceRemoved,
    LiveChanged,
    Observation,
    PoweredOff,
    Resumed,
    Started,
    Stopped,
    Suspended,
    Undefined,
)
from virtbus.state import DomainState
from virtbus_esx.config.reading import Configured, read_config
from virtbus_esx.config.writing import plugged_vcpus
from virtbus_esx.nodes import Properties, content, moment, ref
from virtbus_esx.wire import Ref

STATES = {
    "poweredOff": DomainState.SHUTOFF,
    "poweredOn": DomainState.RUNNING,
    "suspended": DomainState.PAUSED,
}
"""libvirt's states of VMware's (a suspended machine is in a file, and counts as paused)."""


@dataclass(frozen=True)
class Machine:
    """One look at a machine."""

    ref: Ref
    configured: Configured
    state: DomainState
    host: Ref | None
    boot: datetime | None
    """When it was powered on; not changed by suspending and resuming, nor by a reset."""
    tools: bool
    """Whether VMware Tools run in its guest."""
    path: str
    """Its .vmx file."""
    version: str
    """Of its configuration: differs after each change."""
    reachable: bool = True

    @property
    def uuid(self) -> UUID:
        assert self.configured.domain.uuid is not None
        return self.configured.domain.uuid

    @property
    def name(self) -> str:
        return self.configured.domain.name

    @property
    def reason(self) -> str:
        """libvirt's word for why it is in its state, as far as that is known."""
        return {DomainState.PAUSED: "user", DomainState.RUNNING: "booted"}.get(self.state, "unknown")

    @property
    def active(self) -> bool:
        return self.state.active

    @cached_property
    def persistent(self) -> Domain | None:
        return self.configured.persistent

    @property
    def live(self) -> Domain | None:
        return self.configured.domain if self.active else None

    @property
    def id(self) -> int:
        """libvirt's number: that of the managed object."""
        digits = "".join(filter(str.isdecimal, self.ref.id))
        return int(digits or 1) % 2**31

    @property
    def incarnation(self) -> str | None:
        """What names this run."""
        if not self.active:
            return None
        return f"{self.ref.id}@{'' if self.boot is None else self.boot.isoformat()}"

    @property
    def position(self) -> int:
        """Where in the host's history this run begins."""
        return 0 if self.boot is None else micros(self.boot)


def micros(at: datetime) -> int:
    """A moment in microseconds: how far a machine's history is recorded."""
    return int(at.timestamp() * 1_000_000)


def read_machine(owner: Ref, values: Properties) -> Machine | None:
    """The machine that its properties describe; None where it is not whole yet, or not any more."""
    needed = ("config.uuid", "config.hardware", "runtime.powerState", "name")
    if any(name not in values for name in needed):
        return None
    return Machine(
        ref=owner,
        configured=read_config(values),
        state=STATES[content(values, "runtime.powerState") or "poweredOff"],
        host=ref(values.get("runtime.host")),
        boot=moment(content(values, "runtime.bootTime")),
        tools=content(values, "guest.toolsRunningStatus") == "guestToolsRunning",
        path=content(values, "config.files.vmPathName") or "",
        version=content(values, "config.changeVersion") or "",
        reachable=content(values, "runtime.connectionState") in (None, "connected"),
    )


@dataclass
class Expected:
    """What a job of ours brings about, so that it is told as what it is."""

    stopped: str | None = None
    """Detail of the next Stopped."""
    started: str | None = None
    """Detail of the next Started."""
    cause: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)


def differences(old: Machine | None, new: Machine | None, why: str, expected: Expected) -> Iterator[Observation]:
    """What is to be observed.

    :param why: how the run ended, if it did and nothing was expected.
    """
    if new is None:
        if old is not None:
            yield from _gone(old, expected)
        return
    kept = new.persistent
    before = None if old is None else old.persistent
    if kept is not None and (before is None or before != kept):
        yield Defined(domain=new.uuid, persistent=kept)
    yield from _run(old, new, why, expected)
    if kept is None and before is not None:
        yield Undefined(domain=new.uuid)


def _gone(old: Machine, expected: Expected) -> Iterator[Observation]:
    if old.active:
        yield Stopped(domain=old.uuid, detail=expected.stopped or "destroyed", cause=expected.cause)
    if old.persistent is not None:
        yield Undefined(domain=old.uuid, cause=expected.cause)


def _run(old: Machine | None, new: Machine, why: str, expected: Expected) -> Iterator[Observation]:
    uuid, cause = new.uuid, expected.cause
    same = old is not None and old.active and old.incarnation == new.incarnation
    if old is not None and old.active and not same:
        detail, expected.stopped = expected.stopped or why, None
        if detail == "shutdown":
            yield PoweredOff(domain=uuid, detail="guest", cause=cause)
        yield Stopped(domain=uuid, detail=detail, cause=cause)
    if new.live is None or new.incarnation is None:
        return
    if not same or old is None:
        detail, expected.started = expected.started or "booted", None
        yield Started(
            domain=uuid, incarnation=new.incarnation, id=new.id, live=new.live, detail=detail, cause=cause,
            paused=new.state is DomainState.PAUSED, position=new.position,
        )  # fmt: skip
        return
    yield from _devices(old.configured.domain, new.live, cause)
    if old.state is not new.state:
        kind = Resumed if new.state is DomainState.RUNNING else Suspended
        yield kind(domain=uuid, cause=cause)


def _devices(old: Domain, live: Domain, cause: str | None) -> Iterator[Observation]:
    if old == live:
        return
    uuid = live.uuid
    assert uuid is not None
    before, after = _by_alias(old), _by_alias(live)
    for alias in before.keys() - after.keys():
        yield DeviceRemoved(domain=uuid, alias=alias, live=live, cause=cause)
    for alias in after.keys() - before.keys():
        yield DeviceAdded(domain=uuid, alias=alias, live=live, cause=cause)
    told = before.keys() != after.keys()
    for alias in before.keys() & after.keys():
        if before[alias] != after[alias]:
            told = True
            yield LiveChanged(
                domain=uuid, live=live, kind=EventKind.DEVICE_UPDATED, subject=alias, detail={"alias": alias},
                cause=cause,
            )  # fmt: skip
    for kind, subject, detail in _sizes(old, live):
        told = True
        yield LiveChanged(domain=uuid, live=live, kind=kind, subject=subject, detail=detail, cause=cause)
    if not told:
        yield LiveChanged(domain=uuid, live=live, cause=cause)


def _sizes(old: Domain, live: Domain) -> Iterator[tuple[EventKind, str, dict[str, int]]]:
    if plugged_vcpus(old) != plugged_vcpus(live):
        yield EventKind.TUNABLE, "vcpus", {"vcpus.current": plugged_vcpus(live)}
    if old.current_memory != live.current_memory and live.current_memory is not None:
        yield EventKind.BALLOON_CHANGE, "", {"actual": live.current_memory.kib}


def _by_alias(domain: Domain) -> dict[str, Device]:
    return {device.alias: device for device in domain.devices.every() if device.alias is not None}
