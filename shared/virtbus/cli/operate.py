"""Verbs that are made from their declarations: arguments to fields, the operation done, its result shown."""

from __future__ import annotations

from typing import Any

from virtbus.cli.render import done, shown
from virtbus.cli.session import Session
from virtbus.cli.view import View
from virtbus.operations import Kind


async def operate(session: Session) -> View:
    """Do what the verb's operation declares."""
    operation: Any = await session.operation()
    if operation.kind is Kind.JOB:
        job = await session.change(operation)
        return View(job.record.model_dump(mode="json"), note=done(session, job.outcome()))
    result = await session.ask(operation)
    return shown(result)
