"""A domain's life: started, stopped, paused, and what its events tell of it."""

from __future__ import annotations

import pytest

from tests.contract.drivers import Guest, Misfortune
from tests.contract.lab import Lab, Vm, ended, once, refused
from virtbus.errors import Expired, NoDomain, WrongState
from virtbus.eventkinds import EventKind
from virtbus.operations.domain import (
    CreateDomain,
    DestroyDomain,
    GetDomain,
    RebootDomain,
    ResetDomain,
    ResumeDomain,
    ShutdownDomain,
    StartDomain,
    SuspendDomain,
)
from virtbus.records import JobState
from virtbus.state import DomainState

pytestmark = pytest.mark.facets("Lifecycle")

LIFE = [
    "lifecycle defined added",
    "lifecycle started booted",
    "lifecycle suspended paused",
    "lifecycle resumed unpaused",
    "lifecycle stopped destroyed",
]


async def test_a_life_is_told_in_order_each_with_its_cause(lab: Lab) -> None:
    vm = lab.vm()
    await vm.define()
    jobs = {}
    for operation in (StartDomain, SuspendDomain, ResumeDomain, DestroyDomain):
        job = await vm.submit(operation)
        await job.wait()
        jobs[operation.name] = job.id
    events = await vm.events()
    assert await vm.told() == LIFE
    assert [event.cause for event in events[1:]] == list(jobs.values())
    assert not any(event.reconciled for event in events)
    assert {(event.host, event.domain, event.name) for event in events} == {(lab.host, vm.uuid, vm.name)}


async def test_a_running_domain_has_a_number_and_one_that_is_off_has_none(lab: Lab) -> None:
    vm = await lab.started()
    summary = await vm.summary()
    assert summary.state is DomainState.RUNNING
    assert summary.id is not None
    status = await vm.run(DestroyDomain)
    assert (status.state, status.id) == (DomainState.SHUTOFF, None)
    assert (await vm.summary()).reason == "destroyed"


async def test_a_domain_started_paused_runs_when_it_is_resumed(lab: Lab) -> None:
    vm = await lab.started(paused=True)
    assert await vm.state() is DomainState.PAUSED
    status = await vm.run(ResumeDomain)
    assert status.state is DomainState.RUNNING
    assert await vm.told() == LIFE[:4]


async def test_a_transient_domain_vanishes_when_it_stops(lab: Lab) -> None:
    vm = lab.vm()
    status = await lab.client.run(CreateDomain(host=lab.host, xml=vm.xml, paused=True))
    assert (status.uuid, status.state) == (vm.uuid, DomainState.PAUSED)
    assert not (await vm.summary()).persistent
    await refused(vm.run(StartDomain), WrongState, "OPERATION_INVALID")
    await vm.run(DestroyDomain)
    await refused(vm.run(GetDomain), NoDomain, "NO_DOMAIN")
    assert await vm.told() == [LIFE[1], LIFE[2], LIFE[4]]


WRONG = [(SuspendDomain, "off"), (ResumeDomain, "off"), (ShutdownDomain, "off"), (RebootDomain, "off"),
         (ResetDomain, "off"), (DestroyDomain, "off"), (StartDomain, "paused"), (SuspendDomain, "paused"),
         (ResumeDomain, "running"), (StartDomain, "running")]  # fmt: skip


@pytest.mark.parametrize("state", ["off", "paused", "running"])
async def test_what_does_not_fit_the_state_is_refused_and_changes_nothing(lab: Lab, state: str) -> None:
    vm = await lab.defined()
    if state != "off":
        await vm.start(paused=state == "paused")
    before = (await vm.summary(), await vm.told())
    for operation, when in WRONG:
        if when == state:
            error = await refused(vm.run(operation), WrongState, "OPERATION_INVALID")
            assert (error.host, error.domain) == (lab.host, str(vm.uuid))
            assert error.hint
    assert (await vm.summary(), await vm.told()) == before


async def test_a_guest_that_answers_reboots_and_shuts_down(awake: Vm) -> None:
    before = len(await awake.events())
    await awake.run(RebootDomain)
    assert await awake.state() is DomainState.RUNNING
    await awake.booted(2)
    status = await awake.run(ShutdownDomain)
    assert (status.state, status.reason) == (DomainState.SHUTOFF, "shutdown")
    told = (await awake.told())[before:]
    assert [line.partition(" guest")[0].partition(" finished")[0] for line in once(told)] == [
        "reboot",
        "lifecycle shutdown",
        "lifecycle stopped shutdown",
    ]


@pytest.mark.parametrize("operation", [ShutdownDomain, RebootDomain])
async def test_a_guest_that_does_not_answer_lets_the_job_expire_and_runs_on(
    lab: Lab, operation: type[ShutdownDomain]
) -> None:
    vm = await lab.started(Guest.DEAF)
    job = await vm.submit(operation, timeout=1)
    error = await refused(job.wait(), Expired, "OPERATION_TIMEOUT")
    assert (error.host, error.domain, error.status) == (lab.host, str(vm.uuid), 504)
    assert job.record.state is JobState.EXPIRED
    assert await vm.state() is DomainState.RUNNING
    assert await vm.told() == LIFE[:2]


async def test_a_reset_is_told_and_the_domain_runs_on(lab: Lab) -> None:
    vm = await lab.started()
    status = await vm.run(ResetDomain)
    assert status.state is DomainState.RUNNING
    assert once(await vm.told()) == [*LIFE[:2], "reboot"]


async def test_destroy_and_reset_get_through_while_a_job_waits_for_the_guest(lab: Lab) -> None:
    vm = await lab.started(Guest.DEAF)
    first = await vm.submit(ShutdownDomain)
    await vm.next(lambda event: event.detail.get("event") == "started")
    await vm.run(ResetDomain)
    await vm.run(DestroyDomain)
    # What it was to bring about has come about, whoever did it.
    assert (await first.wait()).state is DomainState.SHUTOFF
    assert once(await vm.told()) == [*LIFE[:2], "reboot", LIFE[4]]


async def test_a_domain_that_hangs_is_destroyed_within_its_limit(lab: Lab) -> None:
    vm = await lab.started()
    await vm.befall(Misfortune.HANGS)
    status = await vm.run(DestroyDomain, timeout=10)
    assert status.state is DomainState.SHUTOFF
    assert await vm.told() == [*LIFE[:2], LIFE[4]]


async def test_a_domain_that_hangs_holds_up_no_other(lab: Lab) -> None:
    stuck, other = await lab.started(), await lab.started()
    await stuck.befall(Misfortune.HANGS)
    waiting = await stuck.submit(SuspendDomain)
    assert (await other.run(SuspendDomain, timeout=5)).state is DomainState.PAUSED
    assert not (await waiting.refresh()).state.ended


async def test_a_domain_whose_process_dies_is_told_as_stopped(lab: Lab) -> None:
    vm = await lab.started()
    await vm.befall(Misfortune.DIES)
    event = await vm.next(lambda event: event.detail.get("event") == "stopped")
    assert event.detail["detail"] in ("failed", "crashed")
    assert event.cause is None
    assert await vm.state() is DomainState.SHUTOFF
    await vm.run(StartDomain, paused=True)


async def test_the_end_of_every_job_is_told(lab: Lab) -> None:
    vm = await lab.defined()
    good = await vm.submit(StartDomain, paused=True)
    bad = await vm.submit(StartDomain)
    await vm.next(ended(good, JobState.SUCCEEDED))
    event = await vm.next(ended(bad, JobState.FAILED))
    assert event.kind is EventKind.JOB
    assert event.detail["operation"] == "domain.start"
    assert event.detail["error"]["code_name"] == "VIR_ERR_OPERATION_INVALID"
