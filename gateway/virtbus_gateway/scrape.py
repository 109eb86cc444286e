"""One scrape: every served host is asked for its figures at once, and whoever does not answer is shown as down."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import generate_latest
from pydantic import ValidationError

from virtbus.errors import VirtbusError
from virtbus.metrics import DomainRow, HostRow, render
from virtbus.operations.statistics import GetHostStatistics, HostStatistics
from virtbus.records import HostRecord
from virtbus_gateway.auth import Principal
from virtbus_gateway.gateway import Gateway
from virtbus_gateway.metrics import SCRAPES

PATIENCE = 0.6
"""The part of the deadline that each domain is given, so that a host can still answer for the others."""


async def scrape(gateway: Gateway, principal: Principal | None) -> bytes:
    """The text of /metrics: the gateway's own series, then those of hosts and domains that the caller may see."""
    hosts = [
        record
        for record in sorted(gateway.inventory.hosts.values(), key=lambda one: one.name)
        if principal is None or principal.reaches(record.name)
    ]
    measured = await _measure(gateway, hosts)
    rows = [_host_row(gateway, record, measured.get(record.name), principal) for record in hosts]
    return generate_latest() + render(rows)


async def _measure(gateway: Gateway, hosts: list[HostRecord]) -> dict[str, HostStatistics]:
    """The figures of the hosts that answer within the deadline."""
    limit = asyncio.Semaphore(gateway.settings.metrics_hosts)
    until = asyncio.get_running_loop().time() + gateway.settings.metrics_deadline
    found: dict[str, HostStatistics] = {}

    async def ask(host: str) -> None:
        async with limit:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return
            answer = await _ask(gateway, host, left)
            if answer is not None:
                found[host] = answer

    served = [
        host.name for host in hosts if GetHostStatistics.name in host.operations and gateway.fleet.served(host)
    ]
    async with asyncio.TaskGroup() as group:
        for host in served:
            group.create_task(ask(host), name=f"scrape-{host}")
    return found


async def _ask(gateway: Gateway, host: str, left: float) -> HostStatistics | None:
    query = GetHostStatistics(host=host, patience=left * PATIENCE)
    began = time.perf_counter()
    outcome = "failed"
    try:
        async with asyncio.timeout(left):
            reply = await gateway.bus.queries.ask(host, query.name, query.payload(), left)
        answer = HostStatistics.model_validate(reply)
        outcome = "answered"
    except (VirtbusError, TimeoutError, ValidationError):
        # The host's own series says so: libvirt_up 0.
        return None
    finally:
        SCRAPES.labels(outcome).observe(time.perf_counter() - began)
    return answer


def _host_row(
    gateway: Gateway, record: HostRecord, answer: HostStatistics | None, principal: Principal | None
) -> HostRow:
    served = gateway.fleet.served(record)
    answered = served if GetHostStatistics.name not in record.operations else answer is not None
    measured = {} if answer is None else {str(domain.uuid): domain for domain in answer.domains}
    domains: list[DomainRow] = []
    for domain in gateway.inventory.domains_of(record.name):
        if principal is not None and not principal.sees(record.name, domain.project):
            continue
        figures = measured.get(domain.uuid)
        silent = not answered if figures is None else figures.timed_out
        domains.append(
            DomainRow(
                name=domain.name,
                uuid=domain.uuid,
                state=domain.state,
                vcpus=domain.vcpus,
                memory=domain.memory,
                pending=domain.pending,
                timed_out=domain.state.active and silent,
                stats={} if figures is None else figures.stats,
            )
        )
    return HostRow(
        name=record.name,
        family=record.family,
        version=record.version,
        served=served,
        answered=answered,
        silence=gateway.fleet.silence(record),
        domains=domains,
    )
