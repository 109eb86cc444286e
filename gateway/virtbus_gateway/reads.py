"""Reads that the gateway answers from the record: a handler for each such operation."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from virtbus.errors import NoDomain, WrongState
from virtbus.operations import Operation
from virtbus.operations.device import DeviceList, DeviceSummary, ListDevices
from virtbus.operations.domain import DomainSummary, DomainXml, GetDomain, GetDomainXml, ListDomains
from virtbus.operations.host import GetHost, HostList, HostSummary, ListHosts
from virtbus.operations.job import GetJob, ListJobs
from virtbus.records import DomainRecord, JobRecord
from virtbus_gateway.auth import Principal, authorize
from virtbus_gateway.gateway import Gateway
from virtbus_gateway.inventory import summarize

if TYPE_CHECKING:
    # Loaded at first use: a gateway that is only listed from need not hold the vocabulary in memory.
    from virtbus.domain import Domain, Form

Read = Callable[[Gateway, Principal, Any], Awaitable[BaseModel | bytes]]


async def _list_hosts(gateway: Gateway, principal: Principal, query: ListHosts) -> HostList:
    records = sorted(gateway.inventory.hosts.values(), key=lambda record: record.name)
    return HostList(hosts=[gateway.fleet.summary(record) for record in records if principal.reaches(record.name)])


async def _get_host(gateway: Gateway, principal: Principal, query: GetHost) -> HostSummary:
    return gateway.fleet.summary(await gateway.host(query.host))


async def _list_domains(gateway: Gateway, principal: Principal, query: ListDomains) -> bytes:
    await gateway.inventory.shows(query.min_revision)
    return gateway.inventory.page(query, principal.sees).json()


async def _domain(gateway: Gateway, principal: Principal, query: Operation[Any]) -> DomainRecord:
    """The record of the domain that is asked about, if the caller may see it."""
    host, uuid = query.where()
    assert host is not None
    assert uuid is not None
    await gateway.host(host)
    record = await gateway.domain(host, uuid)
    authorize(principal, query.permission, host, record.project)
    return record


async def _get_domain(gateway: Gateway, principal: Principal, query: GetDomain) -> DomainSummary:
    return summarize(await _domain(gateway, principal, query))


async def _get_xml(gateway: Gateway, principal: Principal, query: GetDomainXml) -> DomainXml:
    # Written anew from the model, since the stored document has the passwords.
    domain, form = await _definition(gateway, await _domain(gateway, principal, query), query.live)
    return DomainXml(content=domain.format(form))


async def _get_document(gateway: Gateway, principal: Principal, query: GetDomainXml) -> bytes:
    domain, form = await _definition(gateway, await _domain(gateway, principal, query), query.live)
    return json.dumps(domain.to_json(form), separators=(",", ":")).encode()


async def _definition(gateway: Gateway, record: DomainRecord, live: bool | None) -> tuple[Domain, Form]:
    """The domain's definition: the live one of an active domain unless the other is asked for.

    :raises WrongState: it has none of the kind that is asked for.
    """
    from virtbus.domain import Domain, Form

    stored = await gateway.bus.definitions.get(f"{record.host}.{record.uuid}")
    if stored is None:
        raise NoDomain("the domain's definition is not in the record", host=record.host, domain=record.uuid)
    definition = stored.record
    wants_live = record.state.active if live is None else live
    xml = definition.live if wants_live else definition.persistent
    if xml is None and live is None:
        wants_live = not wants_live
        xml = definition.live if wants_live else definition.persistent
    if xml is None:
        what = "is not running, so it has no live definition" if wants_live else "is transient: it has only a live one"
        raise WrongState(f"the domain {what}", host=record.host, domain=record.uuid, hint="leave `live` out")
    return Domain.parse(xml), Form.LIVE if wants_live else Form.INACTIVE


async def _list_devices(gateway: Gateway, principal: Principal, query: ListDevices) -> DeviceList:
    record = await _domain(gateway, principal, query)
    domain, form = await _definition(gateway, record, query.live)
    pending = {mark.alias for mark in record.pending}
    found = [
        DeviceSummary(
            alias=device.alias,
            kind=device.element_tag or "",
            xml=device.format(form),
            model=device.to_json(form),
            pending=device.alias in pending,
        )
        for device in domain.devices.every()
        if query.device_kind is None or device.element_tag == query.device_kind
    ]
    return DeviceList(devices=found)


async def _list_jobs(gateway: Gateway, principal: Principal, query: ListJobs) -> bytes:
    page = await gateway.jobs.page(query, principal.sees)
    return page.model_dump_json(exclude={"jobs": {"__all__": {"arguments", "digest", "begun"}}}).encode()


async def _get_job(gateway: Gateway, principal: Principal, query: GetJob) -> JobRecord:
    record = (await gateway.jobs.find(query.job)).record
    authorize(principal, query.permission, record.host, record.project)
    if record.state.ended or query.wait <= 0:
        return record
    return await gateway.jobs.ended(query.job, query.wait, gateway.closing)


READS: dict[str, Read] = {
    ListHosts.name: _list_hosts,
    GetHost.name: _get_host,
    ListDomains.name: _list_domains,
    GetDomain.name: _get_domain,
    GetDomainXml.name: _get_xml,
    ListDevices.name: _list_devices,
    ListJobs.name: _list_jobs,
    GetJob.name: _get_job,
}
"""What answers each operation of kind `record`."""

DOCUMENT_AS_JSON: dict[str, Callable[[Gateway, Principal, Any], Awaitable[bytes]]] = {GetDomainXml.name: _get_document}
"""Documents that are also shown as JSON of the same model, where that is what the client accepts."""
