"""Broken variants of the runtime, to check the checker: each drops one of the rules that keep the promises.

    python -m tests.faults.broken VARIANT up ...        `virtbus up` whose workers are broken
    python -m tests.faults.broken VARIANT worker ...    such a worker

A variant also widens the moment in which it does harm, so that few faults are enough to meet it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock
from uuid import UUID

from virtbus.bus.queue import Delivery
from virtbus.cli.main import main as virtbus
from virtbus.driver import Work
from virtbus.observations import Resumed, Suspended
from virtbus.single.child import Child
from virtbus.single.up import Single
from virtbus.worker.desk import Desk
from virtbus.worker.executor import Executor
from virtbus.worker.lane import Lane
from virtbus.worker.work import JobWork
from virtbus_simulated.session import Session

WIDE = 0.4
"""Seconds."""


def replace(owner: type, name: str, new: Callable[..., Any]) -> None:
    """Put a method in another's place, for as long as the process lives."""
    mock.patch.object(owner, name, new).start()


def event_before_effect() -> None:
    """What a job is about to do is recorded and published before it is done."""
    change = Session.change
    told = {"suspend": Suspended, "resume": Resumed}

    async def early(self: Session, uuid: UUID, request: str, work: Work, **arguments: Any) -> int:
        if request in told:
            self.ledger._observe(told[request](domain=uuid, cause=work.job))
            await asyncio.sleep(0.05)
        return await change(self, uuid, request, work, **arguments)

    replace(Session, "change", early)


def dropped_outbox() -> None:
    """Who takes the host does not publish what its predecessor left behind."""
    publish = Desk._publish

    async def late(self: Desk) -> None:
        await asyncio.sleep(WIDE)
        await publish(self)

    async def dropped(self: Desk) -> None:
        self._published = self.record.generation

    replace(Desk, "_publish", late)
    replace(Desk, "publish_left", dropped)


def ack_before_effect() -> None:
    """A job's message leaves the queue before the job is done."""
    run = Executor.run

    async def hasty(self: Executor, desk: Desk | None, lane: Lane, delivery: Delivery, overtaking: bool) -> None:
        await self.bus.queue.done(delivery)
        await run(self, desk, lane, delivery, overtaking)

    async def nothing(self: Executor, delivery: Delivery) -> None:
        """The message is gone already."""

    replace(Executor, "run", hasty)
    replace(Executor, "_acknowledge", nothing)


def repeat_after_redelivery() -> None:
    """A job that is delivered again is done again, without a look at what was done."""
    begin, succeed = JobWork.__init__, JobWork.succeed

    def forgetful(self: JobWork, *words: Any, **named: Any) -> None:
        begin(self, *words, **named)
        self.begun = None

    async def slow(self: JobWork, *words: Any) -> None:
        await asyncio.sleep(WIDE)
        await succeed(self, *words)

    replace(JobWork, "__init__", forgetful)
    replace(JobWork, "succeed", slow)


VARIANTS: dict[str, Callable[[], None]] = {
    "event-before-effect": event_before_effect,
    "dropped-outbox": dropped_outbox,
    "ack-before-effect": ack_before_effect,
    "repeat-after-redelivery": repeat_after_redelivery,
}


def broken_workers(variant: str) -> None:
    """Have single-machine mode start this variant in the place of each worker."""
    worker = Single._worker

    def instead(self: Single, name: str, uri: str) -> Child:
        child = worker(self, name, uri)
        argv = child.argv
        child.argv = lambda: [sys.executable, "-m", "tests.faults.broken", variant, *argv()[3:]]
        return child

    replace(Single, "_worker", instead)


def main(argv: Sequence[str]) -> int:
    """Run the variant; returns the exit code."""
    variant, *words = argv
    if words[0] == "up":
        broken_workers(variant)
    else:
        VARIANTS[variant]()
    return virtbus(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
