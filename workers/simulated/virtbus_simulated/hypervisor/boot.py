"""The start of a domain: at once, after a while, or in vain."""

from __future__ import annotations

import asyncio
from typing import Any

from virtbus_simulated.hypervisor.failure import Failure
from virtbus_simulated.hypervisor.machine import Machine
from virtbus_simulated.hypervisor.refusal import Refused, Why

_REASONS = {
    Failure.START_FAILS: "the simulated host refuses to start the domain",
    Failure.DIES_IN_START: "the domain's process ended while it started",
}

Outcome = asyncio.Future[dict[str, Any]]


def boot(machine: Machine, *, paused: bool) -> Outcome:
    """Bring a prepared domain up. It goes on when the client that asked for it is gone.

    :returns: the position and the incarnation once it is up; Refused if it will never be.
    """
    loop = asyncio.get_running_loop()
    outcome: Outcome = loop.create_future()

    def fail(why: Why, message: str) -> None:
        if not outcome.done():
            outcome.set_exception(Refused(why, message))

    def finish() -> None:
        machine.on_end = None
        machine.timers = []
        reason = next((text for failure, text in _REASONS.items() if machine.fails(failure)), None)
        if reason is not None:
            machine.start_failed(reason)
            fail(Why.START_FAILED, reason)
            return
        position = machine.started(paused=paused)
        if not outcome.done():
            outcome.set_result({"position": position, "incarnation": machine.incarnation})

    machine.on_end = lambda: fail(Why.GONE, "the domain was killed while it started")
    seconds = machine.host.parameters.seconds("start_ms", slow=machine.fails(Failure.SLOW_START))
    if seconds and not machine.fails(Failure.START_FAILS):
        machine.timers.append(loop.call_later(seconds, finish))
    else:
        finish()
    return outcome
