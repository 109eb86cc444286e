"""Tasks of the server: waited for, told as progress, cancelled where their job is."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from virtbus.driver import Work
from virtbus.errors import Cancelled, Expired, HypervisorError, Overtaken, VirtbusError
from virtbus_esx.faults import Fault, task_fault
from virtbus_esx.nodes import Node, content, moment
from virtbus_esx.soap import INSTANCE, Session, returned
from virtbus_esx.wire import Ref

ASK = 20.0
GIVE_UP = 5.0
STEPS = (0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Seconds between looks at a task; the last one from then on."""

_INFO = ("info.state", "info.progress", "info.error", "info.result")
"""Never the whole of it: parts of a task's info cannot be read while it runs (snapshots, files)."""


async def run(session: Session, work: Work, method: str, this: Ref, **arguments: Any) -> Node | None:
    """Have something done that the server makes a task of, and give the task's result.

    :raises VirtbusError: what the fault means.
    :raises Cancelled, Expired, Overtaken: the job was given up; the task is cancelled as far as it can be.
    """
    limit = min(ASK, work.remaining() + 1.0)
    task = returned(await work.until(session.call(method, this, limit, **arguments)))
    try:
        return await work.until(finished(session, task, method, work))
    except (Cancelled, Expired, Overtaken):
        await give_up(session, task)
        raise


async def finished(session: Session, task: Ref, what: str, work: Work | None = None) -> Node | None:
    """Wait until a task is over.

    :raises VirtbusError: it failed.
    """
    looks = 0
    while True:
        values = await session.properties(task, ASK, *_INFO)
        state = content(values, "info.state")
        if state == "success":
            return values.get("info.result")
        if state == "error":
            error = values.get("info.error")
            fault = Fault("RuntimeFault", "", {}) if error is None else task_fault(error)
            raise fault.error(what)
        if state is None:
            raise HypervisorError(f"the server has forgotten the task of {what}", evidence={"sent": what})
        if work is not None and looks > len(STEPS):
            done = values.get("info.progress")
            await work.progress(what, None if done is None else int(done.text or 0), 100, "percent")
        await asyncio.sleep(STEPS[min(looks, len(STEPS) - 1)])
        looks += 1


async def give_up(session: Session, task: Ref) -> None:
    """Cancel a task; one that cannot be is let go on."""
    try:
        await session.call("CancelTask", task, GIVE_UP)
    except VirtbusError:
        return


async def server_time(session: Session) -> datetime:
    """The server's clock."""
    answer = await session.call("CurrentTime", INSTANCE, ASK)
    found = moment(answer.findtext("{urn:vim25}returnval"))
    if found is None:
        raise HypervisorError("the server does not say what time it is")
    return found
