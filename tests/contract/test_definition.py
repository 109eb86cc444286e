"""A domain's definition: made, changed, forgotten."""

from __future__ import annotations

import pytest

from tests.contract.lab import Lab, refused
from virtbus.errors import AlreadyExists, NoDomain, WrongState
from virtbus.operations.domain import (
    DestroyDomain,
    GetDomain,
    SetAutostart,
    SetLabels,
    UndefineDomain,
)
from virtbus.state import DomainState


async def test_a_defined_domain_is_off_and_listed(lab: Lab) -> None:
    vm = lab.vm()
    status = await vm.define()
    assert (status.uuid, status.name, status.state, status.id) == (vm.uuid, vm.name, DomainState.SHUTOFF, None)
    assert vm.uuid in {domain.uuid async for domain in lab.client.domains(host=lab.host)}
    assert (await vm.document()).name == vm.name
    assert await vm.told() == ["lifecycle defined added"]


async def test_redefining_changes_the_definition(lab: Lab) -> None:
    vm = await lab.defined()
    await vm.define(vm.xml.replace("<vcpu current='1'>2</vcpu>", "<vcpu>2</vcpu>"))
    assert (await vm.summary()).vcpus == 2
    assert await vm.told() == ["lifecycle defined added", "lifecycle defined updated"]


async def test_redefining_may_rename_a_domain_that_is_off(lab: Lab) -> None:
    vm = await lab.defined()
    old, vm.name = vm.name, f"renamed-{vm.name}"
    await vm.define()
    other = lab.vm()
    other.name = old
    await other.define()
    assert (await vm.summary()).name == vm.name


async def test_what_is_undefined_is_gone(lab: Lab) -> None:
    vm = await lab.defined()
    await vm.run(UndefineDomain)
    error = await refused(vm.run(GetDomain), NoDomain, "NO_DOMAIN")
    assert (error.host, error.domain) == (lab.host, str(vm.uuid))
    assert await vm.told() == ["lifecycle defined added", "lifecycle undefined removed"]


@pytest.mark.facets("Lifecycle")
async def test_undefining_an_active_domain_makes_it_transient(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await vm.run(UndefineDomain)
    summary = await vm.summary()
    assert (summary.state, summary.persistent) == (DomainState.PAUSED, False)
    await refused(vm.run(UndefineDomain), WrongState, "OPERATION_INVALID")
    await vm.run(DestroyDomain)
    await refused(vm.run(GetDomain), NoDomain, "NO_DOMAIN")


@pytest.mark.facets("Lifecycle")
async def test_defining_a_transient_domain_makes_it_persistent(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await vm.run(UndefineDomain)
    await vm.define()
    assert (await vm.summary()).persistent
    await vm.run(DestroyDomain)
    assert await vm.state() is DomainState.SHUTOFF


@pytest.mark.facets("Lifecycle")
async def test_redefining_an_active_domain_leaves_it_as_it_runs(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await vm.define(vm.xml.replace("<vcpu current='1'>2</vcpu>", "<vcpu>3</vcpu>"))
    live, config = await vm.document(live=True), await vm.document(live=False)
    assert live.vcpu is not None
    assert config.vcpu is not None
    assert (live.vcpu.count, config.vcpu.count) == (2, 3)
    assert (await vm.summary()).vcpus == 1


@pytest.mark.facets("Lifecycle")
async def test_an_active_domain_keeps_its_name(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    await refused(vm.define(vm.xml.replace(vm.name, "other")), WrongState, "OPERATION_INVALID")
    assert (await vm.document(live=False)).name == vm.name


async def test_a_name_belongs_to_one_domain_of_a_host(lab: Lab) -> None:
    first = await lab.defined()
    second = lab.vm()
    second.name = first.name
    error = await refused(second.define(), AlreadyExists, "DOM_EXIST")
    assert error.evidence["uuid"] == str(first.uuid)
    await refused(second.run(GetDomain), NoDomain, "NO_DOMAIN")
    await first.run(UndefineDomain)
    await second.define()


async def test_a_new_life_of_a_uuid_goes_on_counting(lab: Lab) -> None:
    vm = await lab.defined()
    await vm.run(UndefineDomain)
    await vm.define()
    assert [event.generation for event in await vm.events()] == [1, 2, 3]
    assert (await vm.told())[-1] == "lifecycle defined added"


async def test_autostart_is_remembered_and_ends_with_the_definition(lab: Lab) -> None:
    vm = await lab.defined()
    await vm.run(SetAutostart)
    assert (await vm.summary()).autostart
    await vm.run(SetAutostart, enabled=False)
    assert not (await vm.summary()).autostart
    await vm.run(SetAutostart)
    await vm.run(UndefineDomain)
    await vm.define()
    assert not (await vm.summary()).autostart


async def test_labels_travel_in_the_document(lab: Lab) -> None:
    vm = await lab.defined()
    labels = {"team": "blue", "tier": "2"}
    await vm.run(SetLabels, labels=labels)
    assert (await vm.summary()).labels == labels
    document = await vm.document()
    assert document.labels == labels
    found = {domain.uuid async for domain in lab.client.domains(host=lab.host, label=["team=blue"])}
    assert found == {vm.uuid}
    await vm.define(document.format())
    assert (await vm.summary()).labels == labels


async def test_a_list_shows_what_the_same_client_just_did(lab: Lab) -> None:
    vm = await lab.defined()
    assert vm.name in {domain.name async for domain in lab.client.domains(host=lab.host, name=vm.name)}
