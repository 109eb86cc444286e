"""Comparing processors: what virsh prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from virtbus.cli.session import Session
from virtbus.cli.view import View
from virtbus.errors import InvalidArgument
from virtbus.operations.offer import BaselineCpu

_SENTENCES = {
    "incompatible": "CPU described in {file} is incompatible with the CPU provided by hypervisor on the host",
    "identical": "CPU described in {file} is identical to the CPU provided by hypervisor on the host",
    "superset": "The CPU provided by hypervisor on the host is a superset of CPU described in {file}",
}


async def compare(session: Session) -> View:
    """Say how the processor in a file stands to the host's."""
    operation: Any = await session.operation()
    result = await session.ask(operation)
    sentence = _SENTENCES[result.result].format(file=session.arguments.file)
    return View(result.model_dump(mode="json"), text=f"{sentence}\n")


async def baseline(session: Session) -> View:
    """Print the processor that the files' have in common."""
    given = session.arguments
    operation = BaselineCpu(
        host=given.host, cpus=[_read(name) for name in given.files], expand=given.features, migratable=given.migratable
    )
    result = await session.ask(operation)
    return View(result.model_dump(mode="json"), text=result.content)


def _read(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{name} cannot be read: {error}") from error
