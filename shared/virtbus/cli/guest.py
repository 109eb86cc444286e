"""`virtbus exec`: a program in a guest, its output here."""

from __future__ import annotations

from typing import Any

from virtbus.cli.session import Session
from virtbus.cli.view import View
from virtbus.operations.process import Completed


async def run(session: Session) -> View:
    """Run it, and show what it wrote and how it ended."""
    operation: Any = await session.operation()
    job = await session.change(operation)
    completed = Completed.model_validate(job.outcome().model_dump())
    text = completed.output + completed.errors
    if completed.truncated:
        text += "\n(the output was longer)\n"
    if completed.status:
        text += f"(exit status {completed.status})\n"
    return View(job.record.model_dump(mode="json"), note=text.rstrip("\n"))
