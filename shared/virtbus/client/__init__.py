"""The SDK: every declared operation over HTTP, with retries, waiting and events that resume.

    async with Client() as client:
        domain = await client.domain("web1")
        job = await client.submit(StartDomain(host=domain.host, domain=domain.uuid))
        print(await job.wait())

`virtbus.client.sync` has the same names for programs without an event loop. What is imported from here is loaded at
first use: the CLI reads `virtbus.client.config` for its help and completion and needs nothing heavy for that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtbus.client.client import Client
    from virtbus.client.config import ClientConfig, default_state_dir
    from virtbus.client.events import EventStream
    from virtbus.client.job import Job, StillRunning
    from virtbus.client.transport import Unreachable

__all__ = ["Client", "ClientConfig", "EventStream", "Job", "StillRunning", "Unreachable", "default_state_dir"]

_PLACES = {
    "Client": "client",
    "ClientConfig": "config",
    "default_state_dir": "config",
    "EventStream": "events",
    "Job": "job",
    "StillRunning": "job",
    "Unreachable": "transport",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
