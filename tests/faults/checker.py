"""Reads a run's history and says which promise was broken, and why. Pure functions; nothing is asked of anybody.

Each check is a row of `CHECKS`; each violation names job, host and domain, what truly happened, and what Virtbus says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from tests.faults.history import ENDS, FOREVER, Asked, Effect, Ended, Fault, History, Told, Wanted

RECOVERY = 15.0
"""Seconds from a kill or SIGCONT to the success of the host's first probe job."""
CLOCK = 0.002
"""Seconds that two readings of this machine's clock may be rounded apart."""
UNKNOWN = frozenset({"OutcomeUnknown"})
"""How a job may end, by the contract, although nothing was wrong with what was asked."""
NOT_REPEATED = frozenset({"domain.send-key", "qemu.monitor-command"})
"""Operations whose effect cannot be looked up: these may end as OutcomeUnknown after a worker's death."""

Place = tuple[str, str]
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Violation:
    """A promise that was broken once."""

    promise: str
    """A name of `PROMISES`."""
    text: str


PROMISES = (
    "lost", "doubled", "unfounded", "misreported", "events_missing", "events_doubled", "early", "order", "disturbed",
    "recovery",
)  # fmt: skip
"""lost: an accepted job without an end, or a success without its effect. doubled: an effect too many. unfounded: a job
that failed although it had to succeed. misreported: an end that is not what happened. events_missing, events_doubled:
the event history differs from what happened. early: told before it happened. order: holes in generations.
disturbed: a machine that was touched by nobody's order. recovery: a probe job that took too long."""


def violations(history: History) -> list[Violation]:
    """Everything that is wrong with a run."""
    return [violation for check in CHECKS for violation in check(history)]


# ---- jobs ----


def check_ends(history: History) -> Iterator[Violation]:
    """Every accepted job has exactly one end, and the end that it must have."""
    told: dict[str, list[str]] = defaultdict(list)
    for event in history.replayed:
        if event.kind == "job" and event.detail in ENDS:
            told[event.cause].append(event.detail)
    for job in history.jobs:
        end = history.ends.get(job.job)
        if end is None:
            yield Violation("lost", f"{_job(job)} was accepted and has no record")
        elif end.state not in ENDS:
            yield Violation("lost", f"{_job(job)} has no end: it is {end.state}, {end.attempts} attempts")
        else:
            yield from _end(job, end, told[job.job])


def _end(job: Asked, end: Ended, told: list[str]) -> Iterator[Violation]:
    if not told:
        yield Violation("events_missing", f"{_job(job)} ended as {end.state}, and no event tells it")
    elif len(told) > 1:
        yield Violation("events_doubled", f"{_job(job)} ended as {end.state}, and its events tell {told}")
    elif told[0] != end.state:
        yield Violation("misreported", f"{_job(job)} ended as {end.state}, but its event says {told[0]}")
    if job.fails:
        if end.error != job.fails:
            yield Violation("misreported", f"{_job(job)} had to fail with {job.fails}, but it {_how(end)}")
    elif end.state != "succeeded" and not job.optional and not _may_be_unknown(job, end):
        yield Violation("unfounded", f"{_job(job)} had to succeed, but it {_how(end)}")


def _may_be_unknown(job: Asked, end: Ended) -> bool:
    return job.operation in NOT_REPEATED and end.error in UNKNOWN and end.attempts > 1


# ---- effects ----


@dataclass
class _Slot:
    """Room for one effect of one job."""

    job: Asked
    wanted: Wanted
    begin: float
    end: float
    required: bool
    effect: Effect | None = None


def check_effects(history: History) -> Iterator[Violation]:
    """Every success had its effect, once, between its acceptance and its end; nothing else happened."""
    slots: dict[tuple[Place, Key], list[_Slot]] = defaultdict(list)
    for job in history.jobs:
        for wanted in job.wants:
            slots[(job.host, job.domain), _key(wanted)].append(_slot(job, wanted, history.ends.get(job.job)))
    ours = {(job.host, job.domain) for job in history.jobs}
    for effect in sorted(history.effects, key=lambda one: one.time):
        place = (effect.host, effect.domain)
        if place not in ours or effect.kind in OF_GUESTS:
            continue
        room = slots.get((place, _key(effect)), [])
        slot = _fitting(effect, room)
        if slot is None:
            yield _surplus(effect, room)
        else:
            slot.effect = effect
    for room in slots.values():
        for slot in room:
            if slot.effect is None and slot.required:
                yield Violation("lost", f"{_job(slot.job)} succeeded, but {_text(slot.wanted)} never happened")


def _slot(job: Asked, wanted: Wanted, end: Ended | None) -> _Slot:
    ended = FOREVER if end is None or job.optional else end.ended
    required = end is not None and not job.optional and (end.state == "succeeded" or bool(job.fails))
    return _Slot(job, wanted, job.submitted, ended, required)


def _fitting(effect: Effect, room: list[_Slot]) -> _Slot | None:
    """The free slot that closes first among those that the effect fits in."""
    free = [
        slot
        for slot in room
        if slot.effect is None and slot.begin - effect.blur - CLOCK <= effect.time <= slot.end + effect.blur + CLOCK
    ]
    return min(free, key=lambda slot: slot.end, default=None)


def _surplus(effect: Effect, room: list[_Slot]) -> Violation:
    late = [slot for slot in room if slot.effect is None and slot.end < effect.time and slot.required]
    if late:
        after = effect.time - late[-1].end
        return Violation("misreported", f"{_job(late[-1].job)} succeeded {after:.3f} s before {_text(effect)} happened")
    if room:
        asked = ", ".join(slot.job.job for slot in room[-3:])
        return Violation("doubled", f"{_where(effect)}: {_text(effect)} happened once more than asked (by {asked})")
    promise = "disturbed" if effect.kind in ("stopped", "crashed", "reset", "suspended") else "doubled"
    return Violation(promise, f"{_where(effect)}: {_text(effect)} happened, and no job asked for it")


# ---- events ----

EVENTS: dict[str, tuple[str, str]] = {
    "started": ("lifecycle", "started"),
    "stopped": ("lifecycle", "stopped"),
    "suspended": ("lifecycle", "suspended"),
    "resumed": ("lifecycle", "resumed"),
    "powered-off": ("lifecycle", "shutdown"),
    "crashed": ("lifecycle", "crashed"),
    "reset": ("reboot", ""),
    "guest-reset": ("reboot", ""),
    "device-added": ("device-added", ""),
    "device-removed": ("device-removed", ""),
    "removal-refused": ("device-removal-failed", ""),
    "device-changed": ("device-updated", ""),
    "vcpus-changed": ("tunable", "vcpus"),
    "memory-changed": ("balloon-change", ""),
    "memory-reported": ("balloon-change", ""),
    "tray-moved": ("tray-change", ""),
}
"""The event of each kind of effect: its kind, and its subject where that is not the effect's."""
DETAILED = frozenset({"stopped", "vcpus-changed", "memory-changed", "memory-reported", "tray-moved"})
"""The effects whose detail the event must carry too."""
OF_GUESTS = frozenset({"tray-moved", "memory-reported", "guest-reset"})
"""What a machine does by itself, or in as many steps as it likes; only the events must agree with it."""
OF_JOBS = frozenset({"defined", "undefined"})
"""Lifecycle events that tell what was asked, not what a hypervisor did."""


def expected_events(effects: Iterable[Effect]) -> list[tuple[Key, Effect]]:
    """The events that a domain's effects must bring about, in order."""
    expected: list[tuple[Key, Effect]] = []
    for effect in effects:
        if effect.kind not in EVENTS:
            continue
        kind, subject = EVENTS[effect.kind]
        expected.append(((kind, subject or effect.subject, effect.detail if effect.kind in DETAILED else ""), effect))
        if effect.kind == "started" and effect.detail == "paused":
            expected.append((("lifecycle", "suspended", ""), effect))
    return expected


def told_key(event: Told) -> Key:
    """An event as `expected_events` names it."""
    detailed = {EVENTS[kind] for kind in DETAILED}
    named = (event.kind, event.subject) in detailed or (event.kind, "") in detailed
    return event.kind, event.subject, event.detail if named else ""


def check_events(history: History) -> Iterator[Violation]:
    """The event history is what happened: none missing, none doubled, in order for each domain, and not before it."""
    effects: dict[Place, list[Effect]] = defaultdict(list)
    for effect in history.effects:
        effects[effect.host, effect.domain].append(effect)
    told: dict[Place, list[Told]] = defaultdict(list)
    for event in history.replayed:
        if event.kind not in ("job", "host") and event.subject not in OF_JOBS:
            told[event.host, event.domain].append(event)
    for place in sorted({(job.host, job.domain) for job in history.jobs}):
        expected, given = expected_events(effects[place]), told[place]
        adrift = {key[0] for key, effect in expected if effect.looked_at}
        for group in (True, False):
            yield from _compare(
                place,
                [(key, effect) for key, effect in expected if (key[0] in adrift) is group],
                [event for event in given if (event.kind in adrift) is group],
            )


def _compare(place: Place, expected: list[tuple[Key, Effect]], told: list[Told]) -> Iterator[Violation]:
    wanted, given = [key for key, _ in expected], [told_key(event) for event in told]
    where = f"host {place[0]}, domain {place[1]}"
    for tag, a, b, c, d in SequenceMatcher(None, wanted, given, autojunk=False).get_opcodes():
        if tag == "equal":
            for (_, effect), event in zip(expected[a:b], told[c:d], strict=True):
                yield from _early(effect, event)
            continue
        for _, effect in expected[a:b]:
            yield Violation("events_missing", f"{where}: {_text(effect)} happened at {effect.time:.3f}, and no event"
                            f" tells it there; Virtbus has {_span(given, c, d)}")  # fmt: skip
        for event in told[c:d]:
            yield Violation("events_doubled", f"{where}: event {event.id} {event.detail} (cause {event.cause or None})"
                            f" tells what did not happen there; truly happened {_span(wanted, a, b)}")  # fmt: skip


def _span(keys: list[Key], begin: int, end: int) -> str:
    around = keys[max(0, begin - 2) : end + 2]
    return "nothing" if not around else ", ".join(" ".join(part for part in key if part) for key in around)


def _early(effect: Effect, event: Told) -> Iterator[Violation]:
    for what, time in (("is dated", event.time), ("was heard", event.heard)):
        if time < effect.time - effect.blur - CLOCK:
            yield Violation("early", f"{_where(effect)}: event {event.id} {what} {effect.time - time:.3f} s before"
                            f" {_text(effect)} happened")  # fmt: skip


_DEFINITIONS = {"domain.define": "defined", "domain.undefine": "undefined"}


def check_definitions(history: History) -> Iterator[Violation]:
    """Each definition that was changed is told once, with the job as its cause."""
    told = Counter((event.cause, event.subject) for event in history.replayed if event.subject in OF_JOBS)
    for job in history.jobs:
        word, end = _DEFINITIONS.get(job.operation), history.ends.get(job.job)
        if word is None or end is None or end.state not in ENDS:
            continue
        number, wanted = told[job.job, word], int(end.state == "succeeded")
        if number < wanted:
            yield Violation("events_missing", f"{_job(job)} succeeded, and no event '{word}' tells it")
        if number > wanted:
            yield Violation("events_doubled", f"{_job(job)} {_how(end)}, and {number} events '{word}' are there")


def check_log(history: History) -> Iterator[Violation]:
    """No event is there twice, generations have no holes, and who followed live heard the same."""
    for id_, number in Counter(event.id for event in history.replayed).items():
        if number > 1:
            yield Violation("events_doubled", f"event {id_} is in the log {number} times")
    last: dict[Place, int] = {}
    for event in history.replayed:
        if event.kind in ("job", "host"):
            continue
        place = (event.host, event.domain)
        if event.generation != last.get(place, 0) + 1:
            yield Violation("order", f"event {event.id} follows generation {last.get(place, 0)}")
        last[place] = event.generation
    yield from _followed(history)


def _followed(history: History) -> Iterator[Violation]:
    replayed, followed = [event.id for event in history.replayed], [event.id for event in history.followed]
    if replayed == followed:
        return
    missing, surplus = Counter(replayed) - Counter(followed), Counter(followed) - Counter(replayed)
    for id_ in missing:
        yield Violation("events_missing", f"event {id_} is in the log, and who followed live did not get it")
    for id_ in surplus:
        yield Violation("events_doubled", f"who followed live got event {id_} once more than it is in the log")
    if not missing and not surplus:
        yield Violation("order", "who followed live got the events in another order than they are in the log")


# ---- machines and recovery ----


def check_machines(history: History) -> Iterator[Violation]:
    """No machine was touched by nobody's order."""
    for text in history.disturbed:
        yield Violation("disturbed", text)


def check_recovery(history: History) -> Iterator[Violation]:
    """The first probe job of each host concerned succeeded soon after each fault."""
    for fault in history.faults:
        for host, seconds in fault.recovery.items():
            if seconds > RECOVERY:
                yield Violation("recovery", f"host {host}: the first probe job after {fault.action} of {fault.target}"
                                f" at {fault.at:.3f} succeeded after {seconds:.1f} s")  # fmt: skip


def hits(history: History) -> list[tuple[Fault, list[Asked]]]:
    """Each fault with the jobs that were under way when it struck: accepted before, ended after."""
    found = []
    for fault in history.faults:
        host = fault.target.removeprefix("worker_") if fault.target.startswith("worker_") else None
        running = [
            job
            for job in history.jobs
            if host in (None, job.host)
            and job.accepted < fault.at
            and (job.job not in history.ends or history.ends[job.job].ended > fault.at)
        ]
        found.append((fault, running))
    return found


CHECKS: tuple[Callable[[History], Iterator[Violation]], ...] = (
    check_ends, check_effects, check_events, check_definitions, check_log, check_machines, check_recovery,
)  # fmt: skip


# ---- words ----


def _key(what: Wanted | Effect) -> Key:
    return what.kind, what.subject, what.detail


def _text(what: Wanted | Effect) -> str:
    return " ".join(f"'{part}'" for part in _key(what) if part)


def _where(effect: Effect) -> str:
    return f"host {effect.host}, domain {effect.domain}"


def _job(job: Asked) -> str:
    return f"job {job.job} ({job.operation}, host {job.host}, domain {job.domain})"


def _how(end: Ended) -> str:
    said = f" with {end.error}: {end.message}" if end.error else ""
    return f"ended as {end.state}{said} ({end.attempts} attempts)"
