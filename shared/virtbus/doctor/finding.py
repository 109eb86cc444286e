"""What a check is told, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from virtbus.bus.settings import BusSettings


class Verdict(StrEnum):
    """How something is."""

    GOOD = "good"
    WEAK = "weak"
    """It works, but slower, less safely, or without something that a domain may ask for."""
    BAD = "bad"
    """A service does not work here until it is mended."""


@dataclass(frozen=True)
class Finding:
    """What a check found out about one thing."""

    topic: str
    """What was looked at, in a word or two."""
    verdict: Verdict
    said: str
    """What there is."""
    mend: str = ""
    """What to do about it; empty where it is good."""


class Place(BaseModel):
    """The machine and the service on it, as the service's own settings describe them: the keys of `virtbus gateway`'s
    and `virtbus worker`'s files, of which each has a part."""

    model_config = ConfigDict(extra="ignore")

    name: str | None = None
    """Of the bus user; None for the usual one of the role."""
    hosts: list[str] = []
    """NAME=URI of a worker; a machine that has none is a gateway's."""
    run_dir: Path = Path("/run/virtbus")
    state_dir: Path = Path("/var/lib/virtbus")
    options: dict[str, str] = {}
    """Of the hypervisor family."""
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    bus: BusSettings = BusSettings()

    @property
    def host_names(self) -> list[str]:
        """The names of the hosts that the service serves."""
        return [host.partition("=")[0] for host in self.hosts]

    @property
    def families(self) -> set[str]:
        """The hypervisor families of those hosts, as far as their URIs tell."""
        uris = [host.partition("=")[2] for host in self.hosts]
        return {uri.partition(":")[0].partition("+")[0] for uri in uris if uri}

    @property
    def user(self) -> str:
        """The name of the service on the bus."""
        return self.name or (f"worker_{self.host_names[0]}" if self.hosts else "gateway")


Check = Callable[[Place], Awaitable[Sequence[Finding]]]
"""Looks at one thing. It raises nothing that it can tell instead, and ends by itself within seconds."""


def on_disk(look: Callable[[Place], Sequence[Finding]]) -> Check:
    """A check that reads files: in a thread, since one of them may lie on storage that does not answer."""

    @wraps(look)
    async def check(place: Place) -> Sequence[Finding]:
        return await asyncio.to_thread(look, place)

    return check


@dataclass(frozen=True)
class Family:
    """What a hypervisor family has looked at."""

    checks: Sequence[Check]
    present: Callable[[Place], bool]
    """Whether the hypervisor seems to be meant to be here, where nobody says so."""
