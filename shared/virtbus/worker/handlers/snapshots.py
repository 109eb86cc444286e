"""Snapshots: the hypervisor keeps them, the driver knows how."""

from __future__ import annotations

from datetime import UTC
from typing import cast

from virtbus.driver import Snapshots
from virtbus.operations.declaration import Empty
from virtbus.operations.snapshot import CreateSnapshot, DeleteSnapshot, RevertSnapshot, SnapshotSummary
from virtbus.worker.handlers.case import Case, Handler


async def create(case: Case) -> SnapshotSummary:
    """Take a snapshot."""
    operation = cast(CreateSnapshot, case.operation)
    driver = case.facet(Snapshots)
    case.require_domain()
    # A repeated attempt must come to the same name, so it is made from when the job was asked for.
    name = operation.snapshot or case.work.record.accepted.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    made = await driver.create_snapshot(
        await case.desk.target(), name, operation.description, case.work, disks_only=operation.disks_only
    )
    await case.desk.recorded()
    return made


async def revert(case: Case) -> Empty:
    """Take a domain back to a snapshot."""
    operation = cast(RevertSnapshot, case.operation)
    driver = case.facet(Snapshots)
    case.require_domain()
    await driver.revert_snapshot(await case.desk.target(), operation.snapshot, case.work)
    await case.desk.recorded()
    return Empty()


async def delete(case: Case) -> Empty:
    """Delete a snapshot."""
    operation = cast(DeleteSnapshot, case.operation)
    driver = case.facet(Snapshots)
    case.require_domain()
    await driver.delete_snapshot(
        await case.desk.target(), operation.snapshot, case.work, children=operation.children
    )
    return Empty()


HANDLERS: dict[str, Handler] = {"snapshot.create": create, "snapshot.revert": revert, "snapshot.delete": delete}
