"""The gateway itself, whatever language a client speaks to it: who asks, what for, and what becomes of it.

HTTP is one face of it; libvirt's wire will be another. Nothing here knows of either.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from virtbus.bus.audit import AuditEntry
from virtbus.bus.bucket import Stale
from virtbus.bus.connection import Bus
from virtbus.errors import (
    Ambiguous,
    Forbidden,
    KeyReused,
    NoDomain,
    NoHost,
    NotFound,
    NotSupported,
    Unavailable,
    VirtbusError,
    WrongState,
)
from virtbus.names import new_job_id
from virtbus.operations import Operation
from virtbus.operations.job import CancelJob
from virtbus.records import DEFAULT_PROJECT, DomainRecord, HostRecord, JobRecord, JobState
from virtbus_gateway.auth import Principal, Tokens, authorize
from virtbus_gateway.fleet import Fleet
from virtbus_gateway.inventory import Inventory
from virtbus_gateway.jobs import Jobs, first_of
from virtbus_gateway.metrics import JOBS_ACCEPTED
from virtbus_gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

NUDGE_TIMEOUT = 0.5
"""Seconds given to the worker to hear of a cancellation; it finds it in the record anyway."""
CANCEL_TRIES = 20
"""How often a cancellation is written again when the worker wrote the record meanwhile."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how."""

    principal: Principal
    address: str = ""
    traceparent: str | None = None
    key: str | None = None
    """Idempotency-Key."""
    timeout: float | None = None
    """Seconds: the time limit asked for a job."""

    def job_id(self) -> str:
        """The id of the job that this request makes; without a key, another one at each call."""
        return new_job_id(self.principal.name, self.key)


class Gateway:
    """Everything that a request needs."""

    def __init__(self, settings: GatewaySettings, bus: Bus) -> None:
        self.settings = settings
        self.bus = bus
        self.tokens = Tokens(settings.token_file)
        self.inventory = Inventory()
        self.jobs = Jobs(bus.jobs)
        self.fleet = Fleet(self.inventory)
        self.closing = asyncio.Event()
        """Set when the gateway stops: whoever waits is answered now."""

    async def run(self) -> None:
        """Follow the record until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.inventory.run(self.bus.hosts, self.bus.domains), name="inventory")
            group.create_task(self.jobs.run(), name="jobs")
            group.create_task(self.fleet.run(self.bus.sessions), name="sessions")

    @property
    def synced(self) -> bool:
        """Whether everything that was there at the start has been seen."""
        return self.inventory.synced.is_set() and self.jobs.synced.is_set()

    # ---- where ----

    async def host(self, name: str) -> HostRecord:
        """A host's record.

        :raises NoHost: there is none of that name.
        """
        record = self.inventory.hosts.get(name)
        if record is None:
            stored = await self.bus.hosts.get(name)
            if stored is None:
                raise NoHost("no host of this name is in the fleet", host=name, hint="GET /v1/hosts lists them")
            record = stored.record
        return record

    async def domain(self, host: str, uuid: UUID) -> DomainRecord:
        """A domain's record, from the bucket's leader.

        :raises NoDomain: the host has none of that UUID.
        """
        stored = await self.bus.domains.get(f"{host}.{uuid}")
        if stored is None or stored.record.deleted:
            raise NoDomain("the host has no domain of this UUID", host=host, domain=uuid)
        return stored.record

    async def host_of(self, principal: Principal, uuid: UUID) -> str:
        """The one host that has a domain.

        :raises NoDomain: none has it.
        :raises Ambiguous: several have it; `evidence["candidates"]` lists the addresses.
        """
        hosts = [host for host in self.inventory.hosts_with(uuid) if principal.reaches(host)]
        if not hosts:
            stored = await self.bus.domains.get(f"*.{uuid}")
            if stored is None or stored.record.deleted:
                raise NoDomain("no host has a domain of this UUID", domain=uuid)
            return stored.record.host
        if len(hosts) > 1:
            raise Ambiguous(
                f"{len(hosts)} hosts have a domain of this UUID",
                domain=uuid,
                hint="use the address with the host in it",
                evidence={"candidates": [f"/v1/hosts/{host}/domains/{uuid}" for host in hosts]},
            )
        return hosts[0]

    async def project_of(self, host: str, uuid: UUID) -> str:
        """The project of a domain.

        :raises NoDomain: the host has none of that UUID.
        """
        seen = self.inventory.domain(host, uuid)
        return seen.project if seen is not None else (await self.domain(host, uuid)).project

    async def supported(self, operation: type[Operation[Any]], host: str) -> HostRecord:
        """The host's record, if its worker serves the operation.

        :raises NoHost: there is no such host.
        :raises NotSupported: its family, or the version of its worker, does not offer it.
        """
        record = await self.host(host)
        served = record.operations.get(operation.name)
        if served is None or served < operation.version:
            what = f"the {record.family} worker does not offer {operation.name}"
            raise NotSupported(
                what if served is None else f"{what} in version {operation.version}, only in version {served}",
                host=host,
                hint=f"it needs the facet {operation.facet}" if operation.facet and served is None else None,
                evidence={"operation": operation.name, "family": record.family, "facets": record.facets},
            )
        return record

    # ---- changes ----

    async def accept(self, caller: Caller, operation: Operation[Any], job_id: str) -> JobRecord:
        """Accept a job: from here on it will be done, whatever dies.

        :param job_id: from `Caller.job_id`.
        :raises NoHost, NoDomain, NotSupported: it cannot be done there.
        :raises Forbidden: the caller may not.
        :raises KeyReused: the Idempotency-Key was used for another request.
        :raises Unavailable: the bus is out of reach; a repeat with the same Idempotency-Key is safe.
        """
        host, domain = operation.where()
        if host is None:
            raise NoHost("a job needs a host")
        digest = _digest(operation)
        self._check_key(caller, job_id, host)
        try:
            project = await self._admit(caller.principal, operation, host, domain)
        except (NotFound, NotSupported):
            # A repeat of what was accepted gets its job, even if what it did took the domain away.
            known = await self._known(caller, job_id, host, digest)
            if known is None:
                raise
            return known
        job = JobRecord(
            id=job_id,
            operation=operation.name,
            version=operation.version,
            host=host,
            domain=domain,
            project=project,
            arguments=operation.payload(),
            principal=caller.principal.name,
            digest=digest,
            timeout=operation.timeout if caller.timeout is None else caller.timeout,
            traceparent=caller.traceparent,
        )
        record, new = await self.bus.queue.accept(job)
        if new:
            JOBS_ACCEPTED.labels(operation.name).inc()
            await self.audit(caller, operation.name, host, domain, job_id)
        return record

    async def _admit(self, principal: Principal, operation: Operation[Any], host: str, domain: UUID | None) -> str:
        """Check that it can be done there and the caller may; returns the project it is for."""
        await self.supported(type(operation), host)
        project = DEFAULT_PROJECT
        if domain is not None:
            try:
                project = await self.project_of(host, domain)
            except NoDomain:
                if type(operation).model_fields["domain"].is_required():
                    raise
        authorize(principal, operation.permission, host, project)
        return project

    def _check_key(self, caller: Caller, job_id: str, host: str) -> None:
        known = self.jobs.host_of(job_id)
        if known is not None and known != host:
            raise KeyReused(f"the Idempotency-Key {caller.key} was used for a job of host {known}", host=host)

    async def _known(self, caller: Caller, job_id: str, host: str, digest: str) -> JobRecord | None:
        if caller.key is None:
            return None
        stored = await self.bus.jobs.get(f"{host}.{job_id}")
        if stored is None:
            return None
        if stored.record.digest != digest:
            raise KeyReused(f"the Idempotency-Key {caller.key} was used for another request", host=host)
        return stored.record

    async def carry_out(
        self, caller: Caller, operation: Operation[Any], wait: float, job_id: str | None = None
    ) -> JobRecord:
        """Accept a job and wait up to `wait` seconds for its end; raises what `accept` does."""
        job_id = job_id or caller.job_id()
        if wait <= 0:
            return await self.accept(caller, operation, job_id)
        async with self.jobs.waiting(job_id) as end:
            record = await self.accept(caller, operation, job_id)
            if record.state.ended:
                return record
            if await first_of(end, self.closing, wait):
                return end.result()
        with suppress(Unavailable):
            return (await self.jobs.find(job_id)).record
        return record

    async def cancel(self, caller: Caller, operation: CancelJob) -> JobRecord:
        """Ask for a job to be cancelled: it is written to the job's record, and its worker told.

        :raises NoJob: there is no such job.
        :raises WrongState: it has ended already, other than by being cancelled.
        """
        for _ in range(CANCEL_TRIES):
            stored = await self.jobs.find(operation.job)
            record = stored.record
            authorize(caller.principal, operation.permission, record.host, record.project)
            if record.state is JobState.CANCELLED:
                return record
            if record.state.ended:
                raise WrongState(
                    f"job {record.id} has ended already: it {record.state}",
                    host=record.host,
                    domain=record.domain,
                    evidence={"job": record.id, "state": str(record.state)},
                )
            if record.cancel_requested is None:
                record = record.model_copy(update={"cancel_requested": caller.principal.name})
                try:
                    await self.bus.jobs.update(f"{record.host}.{record.id}", record, stored.revision)
                except Stale:
                    continue
                await self.audit(caller, operation.name, record.host, record.domain, record.id)
            # Best effort: the worker also watches the record.
            nudge = {"job": record.id, "principal": caller.principal.name}
            with suppress(VirtbusError):
                await self.bus.queries.ask(record.host, operation.name, nudge, NUDGE_TIMEOUT)
            return record
        raise Unavailable(f"the record of job {operation.job} changes too fast to be cancelled", hint="try again")

    async def audit(
        self, caller: Caller, operation: str, host: str | None, domain: UUID | None, job: str | None
    ) -> None:
        """Keep who changed what. The change is accepted already, so a bus that fails now is only logged."""
        log.info(
            "accepted %s by %s from %s: host %s, domain %s, job %s",
            operation, caller.principal.name, caller.address or "-", host, domain, job,
        )  # fmt: skip
        entry = AuditEntry(
            principal=caller.principal.name,
            operation=operation,
            host=host,
            domain=domain,
            job=job,
            address=caller.address,
        )
        try:
            await self.bus.audit.append(entry)
        except VirtbusError as error:
            log.error("the audit entry of job %s was not stored: %s", job, error)

    # ---- reads ----

    async def ask(self, caller: Caller, operation: Operation[Any]) -> BaseModel:
        """Have a host's worker answer a query.

        :raises NoHost, NoDomain, NotSupported, Forbidden: it cannot be asked there.
        :raises Unavailable: nobody serves the host now, or it did not answer in time.
        """
        host, domain = operation.where()
        if host is None:
            raise NoHost("a query needs a host")
        await self._admit(caller.principal, operation, host, domain)
        limit = operation.timeout if caller.timeout is None else min(caller.timeout, operation.timeout)
        payload = operation.payload() if domain is None else {**operation.payload(), "domain": str(domain)}
        try:
            reply = await self.bus.queries.ask(host, operation.name, payload, limit)
        except VirtbusError as error:
            raise error.at(host, domain) from error
        return operation.result.model_validate(reply)

    def visible(self, principal: Principal, host: str, project: str) -> None:
        """Refuse what a token does not reach.

        :raises Forbidden: it does not.
        """
        if not principal.sees(host, project):
            raise Forbidden(f"the token of {principal.name} does not reach the project {project}", host=host)


def _digest(operation: Operation[Any]) -> str:
    """Of all that the request asks for, and where."""
    request = [operation.name, operation.version, *map(str, operation.where()), operation.payload()]
    return sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
