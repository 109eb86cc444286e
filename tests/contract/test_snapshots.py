"""Points in a domain's life that it can be taken back to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.lab import Lab, Vm, refused
from virtbus.errors import AlreadyExists, NoSnapshot
from virtbus.operations.domain import DestroyDomain, StartDomain
from virtbus.operations.snapshot import (
    CreateSnapshot,
    DeleteSnapshot,
    ListSnapshots,
    RevertSnapshot,
    SnapshotSummary,
)
from virtbus.state import DomainState

pytestmark = pytest.mark.facets("Snapshots")


@pytest.fixture
async def vm(lab: Lab) -> AsyncIterator[Vm]:
    """A domain that is off; its snapshots are gone afterwards."""
    vm = await lab.defined()
    yield vm
    for kept in reversed(await snapshots(vm)):
        await vm.run(DeleteSnapshot, snapshot=kept.name)


async def snapshots(vm: Vm) -> list[SnapshotSummary]:
    """What there is."""
    return list((await vm.run(ListSnapshots)).snapshots)


async def family(vm: Vm) -> list[tuple[str, str | None, bool]]:
    """Each snapshot's name, its parent, and whether the domain stands on it."""
    return [(each.name, each.parent, each.current) for each in await snapshots(vm)]


async def test_a_snapshot_is_listed_with_what_was_said_of_it(vm: Vm) -> None:
    made = await vm.run(CreateSnapshot, snapshot="first", description="before the upgrade")
    assert (made.name, made.description, made.parent, made.current) == ("first", "before the upgrade", None, True)
    assert made.created is not None
    assert await snapshots(vm) == [made]
    assert await vm.state() is DomainState.SHUTOFF


async def test_a_snapshot_without_a_name_gets_one(vm: Vm) -> None:
    made = await vm.run(CreateSnapshot)
    assert made.name
    assert [each.name for each in await snapshots(vm)] == [made.name]


async def test_each_stands_on_the_one_before_and_a_revert_changes_on_which(vm: Vm) -> None:
    await vm.run(CreateSnapshot, snapshot="a")
    await vm.run(CreateSnapshot, snapshot="b")
    assert await family(vm) == [("a", None, False), ("b", "a", True)]
    await vm.run(RevertSnapshot, snapshot="a")
    await vm.run(CreateSnapshot, snapshot="c")
    assert await family(vm) == [("a", None, False), ("b", "a", False), ("c", "a", True)]


async def test_deleting_one_leaves_its_children_to_its_parent(vm: Vm) -> None:
    for name in "abc":
        await vm.run(CreateSnapshot, snapshot=name)
    await vm.run(DeleteSnapshot, snapshot="b")
    assert await family(vm) == [("a", None, False), ("c", "a", True)]


async def test_deleting_with_children_leaves_nothing_of_them(vm: Vm) -> None:
    for name in "abc":
        await vm.run(CreateSnapshot, snapshot=name)
    await vm.run(DeleteSnapshot, snapshot="b", children=True)
    assert await family(vm) == [("a", None, True)]


async def test_a_name_is_given_once_and_what_is_not_there_is_said_to_be_missing(vm: Vm) -> None:
    await vm.run(CreateSnapshot, snapshot="a")
    await refused(vm.run(CreateSnapshot, snapshot="a"), AlreadyExists, "DOM_EXIST")
    for operation in (RevertSnapshot, DeleteSnapshot):
        await refused(vm.run(operation, snapshot="z"), NoSnapshot, "NO_DOMAIN_SNAPSHOT")
    assert len(await snapshots(vm)) == 1


@pytest.mark.facets("Lifecycle")
async def test_a_domain_that_was_taken_back_starts(vm: Vm) -> None:
    await vm.run(CreateSnapshot, snapshot="a")
    await vm.run(RevertSnapshot, snapshot="a")
    await vm.run(StartDomain, paused=True)
    assert await vm.state() is DomainState.PAUSED
    await vm.run(DestroyDomain)
