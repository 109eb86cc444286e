"""Keyboard, programs in the guest and the hypervisor's own language: effects that cannot be looked up afterwards."""

from __future__ import annotations

from typing import cast

from virtbus.driver import Console, Monitor, Processes
from virtbus.errors import OutcomeUnknown
from virtbus.operations.console import SendKeys
from virtbus.operations.declaration import Empty
from virtbus.operations.process import Completed, RunProcess
from virtbus.operations.qemu import MonitorCommand, MonitorReply
from virtbus.worker.handlers.case import Case, Handler


async def send_keys(case: Case) -> Empty:
    """Press keys."""
    operation = cast(SendKeys, case.operation)
    driver = case.facet(Console)
    case.require_active()
    _refuse_second(case)
    await driver.send_keys(await case.desk.target(), operation.keys, operation.hold, case.work)
    return Empty()


async def monitor_command(case: Case) -> MonitorReply:
    """Ask the hypervisor's monitor."""
    operation = cast(MonitorCommand, case.operation)
    driver = case.facet(Monitor)
    case.require_active()
    _refuse_second(case)
    target = await case.desk.target()
    reply = await driver.monitor_command(
        target, operation.command, operation.arguments, case.work, human=operation.human
    )
    await case.desk.recorded()
    return MonitorReply(reply=reply)


async def run_process(case: Case) -> Completed:
    """Run a program in the guest."""
    operation = cast(RunProcess, case.operation)
    driver = case.facet(Processes)
    case.require_active()
    _refuse_second(case)
    target = await case.desk.target()
    return await driver.run_process(
        target, operation.command, operation.environment, operation.input, case.work
    )


def _refuse_second(case: Case) -> None:
    """:raises OutcomeUnknown: an earlier attempt had begun; the hypervisor does not tell how it went."""
    if case.work.begun is not None:
        raise OutcomeUnknown(
            f"the worker died during {case.operation.name}; whether it was done cannot be told, so it is not repeated",
            hint="look at the domain, and ask again if it was not done",
        )


HANDLERS: dict[str, Handler] = {
    "domain.send-key": send_keys,
    "domain.exec": run_process,
    "qemu.monitor-command": monitor_command,
}
