"""Methods of the host's services: what returns at once, and what is a job that is followed to its end.

A job is polled with a deadline, its progress is told, and where ours is given up it is asked to end too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from virtbus.driver import Work
from virtbus.errors import (
    Cancelled,
    ConfigUnsupported,
    Expired,
    HypervisorError,
    HypervisorSilent,
    NoSpace,
    NotFound,
    Overtaken,
    Unavailable,
    VirtbusError,
    WrongState,
)
from virtbus_hyperv.classes import JOB, MANAGEMENT, SNAPSHOTS, Code, JobState
from virtbus_hyperv.wsman.client import WsMan
from virtbus_hyperv.wsman.instance import Instance
from virtbus_hyperv.wsman.message import Argument
from virtbus_hyperv.wsman.reference import Reference

FIRST_LOOK = 0.02
LAST_LOOK = 1.0
"""Seconds between looks at a job: short at first, then longer."""
CANCEL_SECONDS = 5.0
REQUEST_SECONDS = 30.0
"""The longest that one request may take; a job may take longer."""
TERMINATE = 4
"""RequestedState of a job that is to end."""

_CODES: dict[int, tuple[type[VirtbusError], str]] = {
    Code.DENIED: (HypervisorError, "access is denied"),
    Code.NOT_SUPPORTED: (ConfigUnsupported, "the host does not support it"),
    Code.TIMEOUT: (HypervisorSilent, "it took the host too long"),
    Code.INVALID_PARAMETER: (ConfigUnsupported, "the host takes the parameters for invalid"),
    Code.IN_USE: (WrongState, "something is in use"),
    Code.INVALID_STATE: (WrongState, "the machine is not in a state for it"),
    Code.NOT_AVAILABLE: (Unavailable, "the machine is not available"),
    Code.OUT_OF_MEMORY: (NoSpace, "the host is out of memory"),
}
"""ReturnValue, and ErrorCode of a job: the error and the words for it."""


class Limit(Protocol):
    """How long something may take."""

    def remaining(self) -> float:
        """Seconds."""


class Seconds:
    """A limit of its own, for what no job asked."""

    def __init__(self, seconds: float) -> None:
        self._until = asyncio.get_running_loop().time() + seconds

    def remaining(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())


class Management:
    """A host's services."""

    def __init__(self, client: WsMan, host: str) -> None:
        """:param host: its name, for errors."""
        self.client = client
        self._host = host
        self._services: dict[str, Reference] = {}

    async def service(self, kind: str, timeout: float) -> Reference:
        """The one instance of a service's class."""
        found = self._services.get(kind)
        if found is None:
            references = await self.client.references(f"SELECT * FROM {kind}", timeout)
            if not references:
                raise HypervisorError(f"the host has no {kind}", host=self._host, hint="is Hyper-V installed there?")
            found = self._services[kind] = references[0]
        return found

    async def call(self, kind: str, method: str, arguments: Mapping[str, Argument], work: Work) -> Instance:
        """A method of a service, to its end; see `run`."""
        target = await work.until(self.service(kind, _request(work)))
        return await self.run(target, method, arguments, work)

    async def manage(self, method: str, arguments: Mapping[str, Argument], work: Work) -> Instance:
        """A method of the management service, to its end."""
        return await self.call(MANAGEMENT, method, arguments, work)

    async def snapshot(self, method: str, arguments: Mapping[str, Argument], work: Work) -> Instance:
        """A method of the snapshot service, to its end."""
        return await self.call(SNAPSHOTS, method, arguments, work)

    async def run(self, target: Reference, method: str, arguments: Mapping[str, Argument], work: Work) -> Instance:
        """A method, to its end; returns its results.

        :raises Cancelled, Expired, Overtaken: the job was given up; the host's job was asked to end.
        :raises VirtbusError: the host refused; its words are in the evidence.
        """
        result, job = await work.until(self.begin(target, method, arguments, _request(work)))
        if job is not None:
            try:
                await work.until(self.follow(job, method, work))
            except (Cancelled, Expired, Overtaken):
                await self._cancel(job)
                raise
        return result

    async def begin(
        self, target: Reference, method: str, arguments: Mapping[str, Argument], timeout: float
    ) -> tuple[Instance, Reference | None]:
        """Call a method; returns its results, and the job that it began if it did."""
        result = await self.client.invoke(target, method, arguments, timeout)
        code = result.number("ReturnValue", Code.UNKNOWN)
        if code == Code.STARTED:
            job = result.reference("Job")
            if job is None:
                raise HypervisorError(f"{method} began a job and does not say which", host=self._host)
            return result, job
        if code != Code.DONE:
            raise self._error(method, code, "")
        return result, None

    async def follow(self, job: Reference, method: str, work: Work | None = None) -> None:
        """Wait for a job's end. The time limit is the caller's.

        :raises VirtbusError: it failed.
        """
        pause, told = FIRST_LOOK, 0
        while True:
            try:
                found = await self.client.get(job, REQUEST_SECONDS if work is None else _request(work))
            except NotFound:
                # The host forgets jobs minutes after their end: what they were to do is looked at by who asked.
                raise HypervisorError(f"the host forgot the job of {method}", host=self._host) from None
            state = found.number("JobState")
            if state >= JobState.COMPLETED:
                break
            done = found.number("PercentComplete")
            if work is not None and done > told:
                told = done
                await work.progress(method, done, 100, "%")
            await asyncio.sleep(pause)
            pause = min(LAST_LOOK, pause * 1.5)
        if state != JobState.COMPLETED:
            raise self._error(method, found.number("ErrorCode", Code.FAILED), found.text("ErrorDescription"))

    async def _cancel(self, job: Reference) -> None:
        """Ask a job to end; not every one can be."""
        with suppress(VirtbusError):
            await self.client.invoke(job, "RequestStateChange", {"RequestedState": TERMINATE}, CANCEL_SECONDS)

    def _error(self, method: str, code: int, words: str) -> VirtbusError:
        kind, meaning = _CODES.get(code, (HypervisorError, f"error {code}"))
        said = words or meaning
        return kind(
            f"Hyper-V refused {method}: {said}", host=self._host,
            evidence={"sent": method, "answer": said, "code": code},
        )  # fmt: skip


def _request(limit: Limit) -> float:
    """Seconds for one request."""
    return max(0.1, min(REQUEST_SECONDS, limit.remaining()))


def request_seconds(work: Limit) -> float:
    """Seconds for one request of a job."""
    return _request(work)


__all__ = ["JOB", "Management", "Seconds", "request_seconds"]
