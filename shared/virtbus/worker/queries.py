"""What a worker answers at once: measurements, pictures, capabilities, and the nudge of a cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from virtbus.bus.queries import Answer
from virtbus.driver import Console, Driver, HostFacts, Networks, Offers, Snapshots, Statistics, Storage, Target
from virtbus.errors import NoDomain, NotSupported, WrongState
from virtbus.operations.console import Screenshot, TakeScreenshot
from virtbus.operations.host import HostCapabilities
from virtbus.operations.network import ListNetworks, NetworkList
from virtbus.operations.offer import (
    BaselineCpu,
    CompareCpu,
    CpuComparison,
    GetDomainCapabilities,
    OfferDocument,
)
from virtbus.operations.snapshot import ListSnapshots, SnapshotList
from virtbus.operations.statistics import (
    DomainStatistics,
    GetDomainStatistics,
    GetHostStatistics,
    Group,
    HostStatistics,
)
from virtbus.operations.storage import ListPools, ListVolumes, PoolList, VolumeList
from virtbus.worker.desk import Desk


class Served(Protocol):
    """What the answers need of the host that is served."""

    host: str
    driver: Driver
    desks: dict[UUID, Desk]

    def cancel(self, job: str, principal: str) -> bool:
        """Have a job give up."""


def answers(served: Served, facts: HostFacts) -> Mapping[str, Answer]:
    """The answer to each query, by the operation's name."""

    async def capabilities(_: dict[str, Any]) -> dict[str, Any]:
        return HostCapabilities(content=facts.capabilities).model_dump(mode="json")

    async def domain_statistics(arguments: dict[str, Any]) -> dict[str, Any]:
        query = GetDomainStatistics.model_validate({"host": served.host} | arguments)
        desk = _desk(served, query.domain)
        found = await _measure(served, [await desk.target()], query.group, query.timeout - 0.5)
        return found[0].model_dump(mode="json")

    async def host_statistics(arguments: dict[str, Any]) -> dict[str, Any]:
        query = GetHostStatistics.model_validate({"host": served.host} | arguments)
        targets = [
            await desk.target() for desk in list(served.desks.values()) if desk.exists and desk.record.state.active
        ]
        found = await _measure(served, targets, query.group, query.patience)
        return HostStatistics(domains=found).model_dump(mode="json")

    async def screenshot(arguments: dict[str, Any]) -> dict[str, Any]:
        query = TakeScreenshot.model_validate({"host": served.host} | arguments)
        desk = _desk(served, query.domain)
        if not isinstance(served.driver, Console):
            raise _unsupported(served, "domain.screenshot")
        if not desk.record.state.active:
            raise WrongState("the domain is not running", host=served.host, domain=query.domain, hint="start it first")
        content = await served.driver.screenshot(await desk.target(), query.screen, query.timeout - 0.5)
        return Screenshot(content=content).model_dump(mode="python")

    async def snapshots(arguments: dict[str, Any]) -> dict[str, Any]:
        query = ListSnapshots.model_validate({"host": served.host} | arguments)
        desk = _desk(served, query.domain)
        if not isinstance(served.driver, Snapshots):
            raise _unsupported(served, "snapshot.list")
        found = await served.driver.snapshots(await desk.target(), query.timeout - 0.5)
        return SnapshotList(snapshots=found).model_dump(mode="json")

    async def pools(arguments: dict[str, Any]) -> dict[str, Any]:
        query = ListPools.model_validate({"host": served.host} | arguments)
        if not isinstance(served.driver, Storage):
            raise _unsupported(served, "storage.pools")
        return PoolList(pools=await served.driver.pools(query.timeout - 0.5)).model_dump(mode="json")

    async def volumes(arguments: dict[str, Any]) -> dict[str, Any]:
        query = ListVolumes.model_validate({"host": served.host} | arguments)
        if not isinstance(served.driver, Storage):
            raise _unsupported(served, "storage.volumes")
        found = await served.driver.volumes(query.pool, query.timeout - 0.5)
        return VolumeList(volumes=found).model_dump(mode="json")

    async def networks(arguments: dict[str, Any]) -> dict[str, Any]:
        query = ListNetworks.model_validate({"host": served.host} | arguments)
        if not isinstance(served.driver, Networks):
            raise _unsupported(served, "network.list")
        return NetworkList(networks=await served.driver.networks(query.timeout - 0.5)).model_dump(mode="json")

    def offers(operation: str) -> Offers:
        if not isinstance(served.driver, Offers):
            raise _unsupported(served, operation)
        return served.driver

    async def domain_capabilities(arguments: dict[str, Any]) -> dict[str, Any]:
        query = GetDomainCapabilities.model_validate({"host": served.host} | arguments)
        content = await offers(query.name).domain_capabilities(query.machine, query.virttype)
        return OfferDocument(content=content).model_dump(mode="json")

    async def compare_cpu(arguments: dict[str, Any]) -> dict[str, Any]:
        query = CompareCpu.model_validate({"host": served.host} | arguments)
        return CpuComparison(result=await offers(query.name).compare_cpu(query.xml)).model_dump(mode="json")

    async def baseline_cpu(arguments: dict[str, Any]) -> dict[str, Any]:
        query = BaselineCpu.model_validate({"host": served.host} | arguments)
        content = await offers(query.name).baseline_cpu(
            query.cpus, expanded=query.expand, migratable=query.migratable
        )
        return OfferDocument(content=content).model_dump(mode="json")

    async def cancel(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"found": served.cancel(str(arguments.get("job")), str(arguments.get("principal", "somebody")))}

    return {
        "host.capabilities": capabilities,
        "domain.stats": domain_statistics,
        "host.stats": host_statistics,
        "domain.screenshot": screenshot,
        "snapshot.list": snapshots,
        "storage.pools": pools,
        "storage.volumes": volumes,
        "network.list": networks,
        "host.domain-capabilities": domain_capabilities,
        "host.compare-cpu": compare_cpu,
        "host.baseline-cpu": baseline_cpu,
        "job.cancel": cancel,
    }


async def _measure(served: Served, targets: Sequence[Target], groups: Sequence[Group], patience: float
                   ) -> list[DomainStatistics]:  # fmt: skip
    if not isinstance(served.driver, Statistics):
        raise _unsupported(served, "host.stats")
    wanted = frozenset(groups or Group)
    return [found async for found in served.driver.statistics(targets, wanted, patience)]


def _desk(served: Served, domain: UUID) -> Desk:
    desk = served.desks.get(domain)
    if desk is None or not desk.exists:
        raise NoDomain(f"no domain with matching uuid '{domain}'", host=served.host, domain=domain)
    return desk


def _unsupported(served: Served, operation: str) -> NotSupported:
    return NotSupported(
        f"the {served.driver.family} driver does not support {operation}", host=served.host,
        hint="`virtbus hostinfo` shows what a host's driver supports",
    )  # fmt: skip
