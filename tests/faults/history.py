"""What was recorded in a run: jobs, effects, events, faults. Plain values, so that the checker is pure.

Times are seconds of the wall clock; everything runs on one machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FOREVER = math.inf
ENDS = ("succeeded", "failed", "cancelled", "expired")
"""The states of a job that are ends."""


@dataclass(frozen=True)
class Wanted:
    """An effect that a job is to have exactly once."""

    kind: str
    subject: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Asked:
    """A job that was accepted: the client holds its 202."""

    job: str
    host: str
    domain: str
    operation: str
    submitted: float
    """When the request was sent first."""
    accepted: float
    """When its 202 arrived."""
    wants: tuple[Wanted, ...] = ()
    optional: bool = False
    """Whether the effects may also be left out or come after the job's end: something else was asked to interfere."""
    fails: str = ""
    """The kind of error that it must end with; nothing where it must succeed."""


@dataclass(frozen=True)
class Ended:
    """A job's record, as it is read at the end of the run."""

    job: str
    state: str
    error: str = ""
    """The error's kind."""
    message: str = ""
    ended: float = FOREVER
    attempts: int = 0


@dataclass(frozen=True)
class Effect:
    """Something that truly happened to a domain, told by the hypervisor's own log or monitor."""

    host: str
    domain: str
    kind: str
    subject: str = ""
    detail: str = ""
    time: float = 0.0
    """When it happened; where only its result could be looked at, when it was asked for."""
    blur: float = 0.0
    """Seconds that it may have been earlier."""
    looked_at: bool = False
    """Whether only its result was seen: then its place among the other effects of its domain is not known."""


@dataclass(frozen=True)
class Told:
    """An event of Virtbus."""

    host: str
    domain: str
    generation: int
    kind: str
    subject: str = ""
    detail: str = ""
    cause: str = ""
    time: float = 0.0
    """When Virtbus says that it happened."""
    heard: float = FOREVER
    """When it reached a client that followed live."""

    @property
    def id(self) -> str:
        return f"{self.host}/{self.domain or '_'}/{self.generation}/{self.kind}/{self.subject}"


@dataclass(frozen=True)
class Fault:
    """A process that was killed or frozen."""

    target: str
    action: str
    """kill or freeze."""
    at: float
    until: float
    """When it was let go on; the same as `at` for a kill."""
    pid: int = 0
    recovery: dict[str, float] = field(default_factory=dict)
    """By host: seconds from `until` to the end of the first probe job."""


@dataclass
class History:
    """A whole run."""

    jobs: list[Asked] = field(default_factory=list)
    ends: dict[str, Ended] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    """In order for each domain."""
    replayed: list[Told] = field(default_factory=list)
    """The whole log, read at the end from its beginning."""
    followed: list[Told] = field(default_factory=list)
    """The same, followed from the beginning over every break."""
    faults: list[Fault] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)
    """Each a sentence: a machine's process that is not what it was."""
