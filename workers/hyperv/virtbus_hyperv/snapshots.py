"""Snapshots (checkpoints), which Hyper-V keeps as settings of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtbus.driver import Snapshots, Target, Work
from virtbus.errors import AlreadyExists, ConfigUnsupported, HypervisorError, NoSnapshot, VirtbusError
from virtbus.operations.snapshot import SnapshotSummary
from virtbus_hyperv.classes import SETTINGS, SNAPSHOT, Power, Requested
from virtbus_hyperv.known import Known
from virtbus_hyperv.machines import system_reference
from virtbus_hyperv.management import request_seconds
from virtbus_hyperv.notes import Notes
from virtbus_hyperv.session import Session
from virtbus_hyperv.wsman.instance import Embedded, Instance
from virtbus_hyperv.wsman.message import Argument
from virtbus_hyperv.wsman.reference import Reference, parse_path

FULL = 2
"""SnapshotType: disks, and the memory of a machine that runs."""


@dataclass(frozen=True)
class Tree:
    """A machine's snapshots, and the one that it stands on."""

    snapshots: tuple[Instance, ...]
    current: str | None
    """An InstanceID."""

    def named(self, name: str) -> Instance | None:
        """The snapshot of that name; Hyper-V allows several, of which the oldest is meant."""
        found = sorted((each for each in self.snapshots if each.text("ElementName") == name), key=_created)
        return found[0] if found else None

    def ordered(self) -> list[Instance]:
        """Parents before children."""
        left = sorted(self.snapshots, key=_created)
        done: list[Instance] = []
        while left:
            ids = {each.text("InstanceID") for each in left}
            ready = [each for each in left if _parent(each) not in ids] or left
            done += ready
            left = [each for each in left if each not in ready]
        return done


class HypervSnapshots(Snapshots):
    """The facet; the driver brings the session."""

    session: Session

    async def snapshots(self, target: Target, timeout: float) -> list[SnapshotSummary]:
        """See Snapshots."""
        tree = await self._tree(self.session.known(target), timeout)
        return [_summary(each, tree) for each in tree.ordered()]

    async def _tree(self, known: Known, timeout: float) -> Tree:
        query = f"SELECT * FROM {SETTINGS} WHERE VirtualSystemIdentifier = '{known.guid}'"
        found = await self.session.machines.query(query, timeout)
        snapshots = tuple(each for each in found if each.text("VirtualSystemType") == SNAPSHOT)
        realized = next((each for each in found if each.text("VirtualSystemType") != SNAPSHOT), None)
        return Tree(snapshots, None if realized is None else _parent(realized) or None)

    async def create_snapshot(
        self, target: Target, name: str, description: str, work: Work, *, disks_only: bool
    ) -> SnapshotSummary:
        """See Snapshots."""
        known = self.session.known(target)
        if disks_only and known.active:
            raise ConfigUnsupported(
                "a Hyper-V snapshot of a running machine has its memory too", host=target.host, domain=target.uuid,
                hint="leave out disks_only, or shut the domain down first",
            )  # fmt: skip
        tree = await self._tree(known, request_seconds(work))
        earlier = set((work.begun or {}).get("there", ())) if work.begun is not None else None
        there = tree.named(name)
        if there is not None and earlier is None:
            raise AlreadyExists(f"there is a snapshot '{name}' already", host=target.host, domain=target.uuid)
        if there is not None:
            return _summary(there, tree)
        made = _new(tree, earlier)
        if made is None:
            ids = sorted(each.text("InstanceID") for each in tree.snapshots)
            await work.before_effect(there=ids)
            arguments: dict[str, Argument] = {"AffectedSystem": system_reference(known.guid), "SnapshotType": FULL}
            await self.session.management.snapshot("CreateSnapshot", arguments, work)
            made = _new(await self._tree(known, request_seconds(work)), set(ids))
        if made is None:
            raise HypervisorError("the host says that it made a snapshot, and has none", host=target.host)
        await self._name(made, name, description, work)
        tree = await self._tree(known, request_seconds(work))
        found = tree.named(name)
        assert found is not None
        return _summary(found, tree)

    async def _name(self, snapshot: Instance, name: str, description: str, work: Work) -> None:
        settings: dict[str, Any] = {"InstanceID": snapshot.text("InstanceID"), "ElementName": name}
        notes = Notes.read(snapshot.texts("Notes"))
        notes.text = description
        settings["Notes"] = notes.write() or [""]
        await self.session.management.manage(
            "ModifySystemSettings", {"SystemSettings": Embedded(SETTINGS, settings)}, work
        )

    async def revert_snapshot(self, target: Target, name: str, work: Work) -> None:
        """See Snapshots."""
        session, known = self.session, self.session.known(target)
        snapshot = await self._named(target, known, name, work)
        await work.before_effect()
        system = system_reference(known.guid)
        if known.active:
            session.witness.expect_stop(known, "from-snapshot", work.job)
            await session.management.run(system, "RequestStateChange", {"RequestedState": Requested.OFF.value}, work)
            await session.look(known, work)
        async with session.witness.hold(known.guid):
            await session.management.snapshot("ApplySnapshot", {"Snapshot": _reference(snapshot)}, work)
            # A machine whose memory is in the snapshot is saved now.
            found = await session.machines.one(known.guid, request_seconds(work))
        if found is not None and found.power is Power.SAVED:
            session.witness.expect_start(known, "from-snapshot", work.job)
            try:
                await session.management.run(
                    system, "RequestStateChange", {"RequestedState": Requested.RUNNING.value}, work
                )
            except VirtbusError:
                known.starting = None
                raise
        await session.look(known, work)

    async def delete_snapshot(self, target: Target, name: str, work: Work, *, children: bool) -> None:
        """See Snapshots."""
        known = self.session.known(target)
        try:
            snapshot = await self._named(target, known, name, work)
        except NoSnapshot:
            if work.begun is not None:
                return
            raise
        await work.before_effect()
        method, argument = ("DestroySnapshotTree", "SnapshotSettingData") if children \
            else ("DestroySnapshot", "AffectedSnapshot")  # fmt: skip
        await self.session.management.snapshot(method, {argument: _reference(snapshot)}, work)

    async def _named(self, target: Target, known: Known, name: str, work: Work) -> Instance:
        found = (await self._tree(known, request_seconds(work))).named(name)
        if found is None:
            raise NoSnapshot(f"there is no snapshot '{name}'", host=target.host, domain=target.uuid)
        return found


def _reference(snapshot: Instance) -> Reference:
    return Reference(SETTINGS, (("InstanceID", snapshot.text("InstanceID")),))


def _created(snapshot: Instance) -> str:
    return snapshot.text("CreationTime")


def _parent(settings: Instance) -> str:
    path = settings.text("Parent")
    return parse_path(path).key("InstanceID") if path else ""


def _new(tree: Tree, before: set[str] | None) -> Instance | None:
    """The one that was made since; None where none was, or nobody noted what was there."""
    if before is None:
        return None
    made = [each for each in tree.ordered() if each.text("InstanceID") not in before]
    return made[-1] if made else None


def _summary(snapshot: Instance, tree: Tree) -> SnapshotSummary:
    names = {each.text("InstanceID"): each.text("ElementName") for each in tree.snapshots}
    return SnapshotSummary(
        name=snapshot.text("ElementName"),
        description=Notes.read(snapshot.texts("Notes")).text,
        parent=names.get(_parent(snapshot)),
        current=snapshot.text("InstanceID") == tree.current,
        memory=snapshot.truth("IsSaved"),
        created=snapshot.moment("CreationTime"),
    )
