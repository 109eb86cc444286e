"""A run: jobs on every host while processes are killed and frozen, then the whole history, read by the checker."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.faults import simulated
from tests.faults.book import Book
from tests.faults.checker import Violation, hits, violations
from tests.faults.history import ENDS, History, Told, Wanted
from tests.faults.injector import Injector, Plan, Probe, plans
from tests.faults.machines import Machines
from tests.faults.simulated import Actor
from tests.faults.stack import Stack, running
from virtbus.operations.domain import DefineDomain, StartDomain
from virtbus.operations.tuning import SetVcpus


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    seed: int = 1
    jobs: int = 500
    qemu_jobs: int = 50
    faults: int = 40
    simulated_hosts: int = 2
    domains: int = 6
    """On each simulated host."""
    pause: float = 1.2
    """Seconds between two jobs of a domain, at most."""
    longest: float = 20.0
    """Seconds of the longest freeze."""
    patience: float = 90.0
    """Seconds after which an actor goes on without a job's end; the checker looks for it once more."""
    quiet: float = 3.0
    """Seconds without an event after which the log is taken as read."""
    supervisor: Sequence[str] = ("virtbus",)
    plans: tuple[Plan, ...] | None = None
    """The faults, where they are not drawn."""


@dataclass
class Outcome:
    """What a run showed."""

    scale: Scale
    history: History
    violations: list[Violation]
    seconds: float
    jobs: Counter[str] = field(default_factory=Counter)
    """Accepted jobs by host."""
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(violation.promise for violation in self.violations)

    @property
    def operations(self) -> set[str]:
        return {job.operation for job in self.history.jobs}

    @property
    def hit(self) -> int:
        """Faults that struck while a job was under way."""
        return sum(bool(running) for _, running in hits(self.history))

    @property
    def recovery_max(self) -> float:
        return max((seconds for fault in self.history.faults for seconds in fault.recovery.values()), default=0.0)


async def run(scale: Scale, say: Callable[[str], None]) -> Outcome:
    """Do it all, and check it."""
    began = time.monotonic()
    hosts = {f"sim{number}": simulated.URI for number in range(1, scale.simulated_hosts + 1)}
    if scale.qemu_jobs:
        hosts["kvm1"] = "qemu:///system"
    async with running(hosts, scale.supervisor) as stack, stack.client() as client:
        book = Book(client, scale.seed, scale.patience)
        say(f"virtbus is up in {stack.folder}, seed {scale.seed}")
        async with Machines(stack, book, scale.seed, say) as machines:
            following = asyncio.ensure_future(book.follow())
            try:
                await _perform(scale, stack, book, machines, say)
                await _close(scale, book, machines, following, stack, say)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
    history = book.history
    jobs = Counter(job.host for job in history.jobs)
    return Outcome(scale, history, violations(history), time.monotonic() - began, jobs, book.failed)


async def _perform(scale: Scale, stack: Stack, book: Book, machines: Machines, say: Callable[[str], None]) -> None:
    """Jobs until all faults have struck and enough jobs were accepted."""
    stop = asyncio.Event()
    simulated_hosts = [host for host in stack.hosts if host != "kvm1"]
    actors = [actor for host in simulated_hosts for actor in _actors(scale, book, host)]
    probes: dict[str, Probe] = {}
    for host in simulated_hosts:
        probes[host] = await _probe(book, host, scale.seed)
    if scale.qemu_jobs:
        probes["kvm1"] = await machines.probe()
    injector = Injector(stack, probes, say)
    planned = scale.plans if scale.plans is not None else plans(scale.seed, scale.faults, stack.targets, scale.longest)
    async with asyncio.TaskGroup() as group:
        for actor in actors:
            group.create_task(actor.act(stop))
        if scale.qemu_jobs:
            machines.start(group, stop)
        group.create_task(_progress(book, stop, say))
        await injector.run(planned)
        while not _enough(book, scale):
            await asyncio.sleep(0.2)
        stop.set()
        book.history.faults = injector.faults
        say("the last jobs come to their ends")


def _actors(scale: Scale, book: Book, host: str) -> list[Actor]:
    names = [f"d{number}" for number in range(scale.domains)]
    manners = {1: ".slow-guest", 2: ".refused-unplug", 3: ".lost-event"}
    return [
        Actor(book, host, name + manners.get(number, ""), scale.seed, scale.pause, refuses=number == 2)
        for number, name in enumerate(names)
    ]


async def _probe(book: Book, host: str, seed: int) -> Probe:
    """A running domain of its own whose size is changed."""
    actor = Actor(book, host, "probe", seed, 0)
    await book.run(DefineDomain(host=host, xml=actor.xml), domain=str(actor.uuid))
    await book.run(StartDomain(**actor.where), Wanted("started"))

    async def probe() -> None:
        while True:
            count = (actor.number() % 63) + 1
            done = await book.run(SetVcpus(**actor.where, count=count), Wanted("vcpus-changed", "", str(count)))
            if done.error is None:
                return

    return probe


def _enough(book: Book, scale: Scale) -> bool:
    jobs = Counter(job.host == "kvm1" for job in book.history.jobs)
    return jobs[True] >= scale.qemu_jobs and jobs[False] >= scale.jobs


async def _progress(book: Book, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    while not stop.is_set():
        jobs = Counter(job.host for job in book.history.jobs)
        say(f"{len(book.history.jobs)} jobs accepted {dict(jobs)}, {len(book.history.followed)} events heard")
        try:
            async with asyncio.timeout(15):
                await stop.wait()
        except TimeoutError:
            continue


async def _close(
    scale: Scale, book: Book, machines: Machines, following: asyncio.Future[None], stack: Stack,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Everything is read that is to be compared."""
    wanted = {job.job for job in book.history.jobs}

    def complete(log: list[Told]) -> bool:
        return wanted <= {event.cause for event in log if event.kind == "job" and event.detail in ENDS}

    book.history.replayed = await book.read_log(complete, scale.quiet)
    until = time.monotonic() + 10
    while len(book.history.followed) < len(book.history.replayed) and time.monotonic() < until and not following.done():
        await asyncio.sleep(0.1)
    await book.read_ends()
    for host in stack.hosts:
        if host != "kvm1":
            book.history.effects += simulated.effects(stack.run(host) / "effects.jsonl")
    await machines.check()
    say(f"{len(book.history.replayed)} events and {len(book.history.effects)} effects are compared")
