"""The size of a domain, while it runs and in its definition."""

from __future__ import annotations

import pytest

from tests.contract.lab import Lab, Vm, refused
from virtbus.domain import Domain
from virtbus.errors import InvalidArgument, WrongState
from virtbus.eventkinds import EventKind
from virtbus.operations.domain import DestroyDomain, StartDomain
from virtbus.operations.fields import Affect
from virtbus.operations.tuning import SetMemory, SetVcpus

pytestmark = pytest.mark.facets("Lifecycle", "Tuning")
LESS = 224 * 1024


def vcpus(domain: Domain) -> int:
    """The virtual CPUs that a definition has plugged."""
    assert domain.vcpu is not None
    return int(domain.vcpu.current or domain.vcpu.count)


@pytest.mark.parametrize(
    ("affect", "live", "config"), [("current", 2, 1), ("live", 2, 1), ("config", 1, 2), ("both", 2, 2)]
)
async def test_virtual_cpus_are_set_where_it_is_asked(lab: Lab, affect: str, live: int, config: int) -> None:
    if live == 2 and not lab.case.plugs_vcpus:
        pytest.skip(f"{lab.case.name} plugs no virtual CPUs")
    vm = await lab.started(paused=True)
    size = await vm.run(SetVcpus, count=2, affect=Affect(affect))
    assert size.vcpus == 2
    assert vcpus(await vm.document(live=True)) == live
    assert vcpus(await vm.document(live=False)) == config
    assert (await vm.summary()).vcpus == live
    tuned = [event.detail for event in await vm.events() if event.kind is EventKind.TUNABLE]
    assert tuned == ([{"vcpus.current": 2}] if live == 2 else [])


async def test_virtual_cpus_in_the_definition_are_there_at_the_next_start(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await vm.run(SetVcpus, count=2, affect=Affect.CONFIG)
    await vm.run(DestroyDomain)
    await vm.run(StartDomain, paused=True)
    assert (await vm.summary()).vcpus == 2


@pytest.mark.case(plugs_vcpus=True, unplugs_vcpus=True)
async def test_a_guest_that_answers_lets_go_of_a_virtual_cpu(awake: Vm) -> None:
    await awake.run(SetVcpus, count=2)
    await awake.run(SetVcpus, count=1)
    assert (await awake.summary()).vcpus == 1


async def test_a_guest_that_answers_gives_memory_back_and_gets_it_again(awake: Vm) -> None:
    whole = (await awake.summary()).memory
    for size in (LESS, whole):
        before = len(await awake.events())
        await awake.run(SetMemory, size=size)
        await awake.next(lambda event, size=size, before=before: (
            event.kind is EventKind.BALLOON_CHANGE and event.generation > before and event.detail["actual"] == size
        ))  # fmt: skip
        assert (await awake.summary()).memory == size


@pytest.mark.parametrize("affect", ["current", "config"])
async def test_memory_is_set_in_the_definition_of_a_domain_that_is_off(lab: Lab, affect: str) -> None:
    vm = await lab.defined()
    wanted = (await vm.summary()).memory // 2
    await vm.run(SetMemory, size=wanted, affect=Affect(affect))
    document = await vm.document()
    assert document.current_memory is not None
    assert (document.current_memory.kib, (await vm.summary()).memory) == (wanted, wanted)


async def test_more_than_the_maximum_is_refused_and_changes_nothing(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    before = (await vm.summary(), await vm.document(live=True), await vm.document(live=False))
    for affect in (Affect.LIVE, Affect.CONFIG, Affect.BOTH):
        too_large = (SetVcpus(**vm.where, count=3, affect=affect), SetMemory(**vm.where, size=2**30, affect=affect))
        for operation in too_large:
            error = await refused(lab.client.run(operation), InvalidArgument, "INVALID_ARG")
            assert (error.host, error.domain) == (lab.host, str(vm.uuid))
            assert error.hint
    assert (await vm.summary(), await vm.document(live=True), await vm.document(live=False)) == before


async def test_only_the_definition_of_a_domain_that_is_off_has_a_size(lab: Lab) -> None:
    vm = await lab.defined()
    for affect in (Affect.LIVE, Affect.BOTH):
        await refused(vm.run(SetVcpus, count=2, affect=affect), WrongState, "OPERATION_INVALID")
    await vm.run(SetVcpus, count=2)
    assert vcpus(await vm.document()) == 2
