"""Snapshots of machines, which the host keeps as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtbus.driver import Snapshots, Target, Work
from virtbus.errors import AlreadyExists, HypervisorError, NoSnapshot
from virtbus.operations.snapshot import SnapshotSummary
from virtbus_esx.nodes import Node, every, find, moment, ref, text
from virtbus_esx.soap import Session
from virtbus_esx.tasks import ASK, run
from virtbus_esx.wire import Ref
from virtbus_esx.witness import Known, Witness


@dataclass(frozen=True)
class _Kept:
    """A snapshot, and what the server calls it."""

    ref: Ref
    summary: SnapshotSummary


class EsxSnapshots(Snapshots):
    """The facet; the driver brings the session."""

    session: Session
    witness: Witness

    async def snapshots(self, target: Target, timeout: float) -> list[SnapshotSummary]:
        """See Snapshots."""
        return [kept.summary for kept in await self._all(self.witness.require(target), timeout)]

    async def _all(self, known: Known, timeout: float = ASK) -> list[_Kept]:
        values = await self.session.properties(known.ref, timeout, "snapshot")
        info = values.get("snapshot")
        if info is None:
            return []
        current = ref(find(info, "currentSnapshot"))
        return [kept for root in every(info, "rootSnapshotList") for kept in _tree(root, None, current)]

    async def _one(self, target: Target, known: Known, name: str) -> _Kept:
        for kept in await self._all(known):
            if kept.summary.name == name:
                return kept
        raise NoSnapshot(
            f"the domain has no snapshot '{name}'", host=target.host, domain=target.uuid,
            hint="`snapshot-list` shows them",
        )  # fmt: skip

    async def create_snapshot(
        self, target: Target, name: str, description: str, work: Work, *, disks_only: bool
    ) -> SnapshotSummary:
        """See Snapshots."""
        known = self.witness.require(target)
        for kept in await self._all(known):
            if kept.summary.name == name:
                if work.begun is not None:
                    return kept.summary
                raise AlreadyExists(
                    f"domain moment {name} already exists", host=target.host, domain=target.uuid,
                    hint="give it another name",
                )  # fmt: skip
        await work.before_effect()
        await run(
            self.session, work, "CreateSnapshot_Task", known.ref,
            name=name, description=description, memory=not disks_only, quiesce=False,
        )  # fmt: skip
        return (await self._one(target, known, name)).summary

    async def revert_snapshot(self, target: Target, name: str, work: Work) -> None:
        """See Snapshots."""
        known = self.witness.require(target)
        kept = await self._one(target, known, name)
        known.expected.stopped = known.expected.started = "from-snapshot"
        try:
            await work.before_effect()
            await run(self.session, work, "RevertToSnapshot_Task", kept.ref, host=None, suppressPowerOn=False)
            await self.witness.look(known.ref, cause=work.job)
        finally:
            known.expected.stopped = known.expected.started = None

    async def delete_snapshot(self, target: Target, name: str, work: Work, *, children: bool) -> None:
        """See Snapshots."""
        known = self.witness.require(target)
        try:
            kept = await self._one(target, known, name)
        except NoSnapshot:
            if work.begun is None:
                raise
            return
        await work.before_effect()
        await run(self.session, work, "RemoveSnapshot_Task", kept.ref, removeChildren=children, consolidate=True)


def _tree(node: Node, parent: str | None, current: Ref | None) -> Iterator[_Kept]:
    """A snapshot and those that stand on it."""
    owner = ref(find(node, "snapshot"))
    name = text(node, "name") or ""
    if owner is None:
        raise HypervisorError(f"the snapshot {name} has no reference")
    summary = SnapshotSummary(
        name=name,
        description=text(node, "description") or "",
        parent=parent,
        current=owner == current,
        memory=text(node, "state") == "poweredOn",
        created=moment(text(node, "createTime")),
    )
    yield _Kept(owner, summary)
    for child in every(node, "childSnapshotList"):
        yield from _tree(child, name, current)
