"""An observation changes the record once, and means the same events for every family."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from virtbus import observations as seen
from virtbus.domain import Domain
from virtbus.eventkinds import LIFECYCLE_DETAILS, EventKind
from virtbus.records import DomainRecord, PendingRemoval
from virtbus.state import REASONS, DomainState
from virtbus.worker.reconcile import definition_differences, differences
from virtbus.worker.transitions import Change, meaning

DOMAIN = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")


def domain(*disks: str) -> Domain:
    devices = "".join(
        f"<disk type='file'><source file='/{name}'/><target dev='{name}' bus='virtio'/><alias name='{name}'/></disk>"
        for name in disks
    )
    return Domain.parse(
        f"<domain type='test'><name>d</name><uuid>{DOMAIN}</uuid><memory>1024</memory><vcpu current='1'>2</vcpu>"
        f"<devices>{devices}</devices></domain>"
    )


LIVE = domain("vda")


def record(state: DomainState = DomainState.SHUTOFF, **fields: Any) -> DomainRecord:
    reason = REASONS[state][0]
    incarnation = "1" if state.active else None
    base: dict[str, Any] = {"host": "h", "uuid": DOMAIN, "name": "d", "state": state, "reason": reason}
    return DomainRecord(**base | {"incarnation": incarnation} | fields)


def applied(before: DomainRecord, told: seen.Observation) -> tuple[DomainRecord, Change]:
    change = meaning(before, told)
    assert change is not None
    return before.model_copy(update=change.fields), change


OBSERVATIONS: list[tuple[DomainRecord, seen.Observation, DomainState, list[str]]] = [
    (record(), seen.Started(domain=DOMAIN, incarnation="1", id=1, live=LIVE), DomainState.RUNNING, ["started"]),
    (
        record(),
        seen.Started(domain=DOMAIN, incarnation="1", id=1, live=LIVE, paused=True),
        DomainState.PAUSED,
        ["started", "suspended"],
    ),
    (record(DomainState.RUNNING), seen.Stopped(domain=DOMAIN), DomainState.SHUTOFF, ["stopped"]),
    (record(DomainState.RUNNING), seen.Suspended(domain=DOMAIN), DomainState.PAUSED, ["suspended"]),
    (record(DomainState.PAUSED), seen.Resumed(domain=DOMAIN), DomainState.RUNNING, ["resumed"]),
    (record(DomainState.RUNNING), seen.PoweredOff(domain=DOMAIN), DomainState.SHUTDOWN, ["shutdown"]),
    (record(DomainState.RUNNING), seen.Crashed(domain=DOMAIN), DomainState.CRASHED, ["crashed"]),
    (record(DomainState.RUNNING), seen.Slept(domain=DOMAIN), DomainState.PMSUSPENDED, ["pmsuspended"]),
]


@pytest.mark.parametrize(("before", "told", "state", "events"), OBSERVATIONS)
def test_an_observation_of_the_course_is_a_state_and_lifecycle_events(
    before: DomainRecord, told: seen.Observation, state: DomainState, events: list[str]
) -> None:
    after, change = applied(before, told)
    assert after.state is state
    assert after.reason in REASONS[state]
    assert [event.detail["event"] for event in change.events] == events
    assert all(event.detail["detail"] in LIFECYCLE_DETAILS[event.detail["event"]] for event in change.events)


@pytest.mark.parametrize(("before", "told", "state", "events"), OBSERVATIONS)
def test_told_twice_it_changes_nothing(
    before: DomainRecord, told: seen.Observation, state: DomainState, events: list[str]
) -> None:
    after, _ = applied(before, told)
    assert meaning(after, told) is None


def test_what_lies_before_the_recorded_position_is_known_already() -> None:
    running = record(DomainState.RUNNING, position=7)
    assert meaning(running, seen.Rebooted(domain=DOMAIN, position=7)) is None
    assert meaning(running, seen.Rebooted(domain=DOMAIN, position=8)) is not None


def test_a_run_that_came_and_went_is_not_told_again() -> None:
    told = seen.Started(domain=DOMAIN, incarnation="9", id=1, live=LIVE, position=3)
    started, _ = applied(record(), told)
    stopped, _ = applied(started, seen.Stopped(domain=DOMAIN, position=4))
    assert meaning(stopped, told) is None
    again = seen.Started(domain=DOMAIN, incarnation="10", id=2, live=LIVE, position=1)
    assert meaning(stopped, again) is not None


def test_another_incarnation_means_that_the_known_one_ended() -> None:
    told = seen.Started(domain=DOMAIN, incarnation="2", id=2, live=LIVE)
    _, change = applied(record(DomainState.RUNNING), told)
    assert [event.detail["event"] for event in change.events] == ["stopped", "started"]


def test_the_end_of_a_transient_domain_leaves_a_tombstone() -> None:
    after, _ = applied(record(DomainState.RUNNING, persistent=False), seen.Stopped(domain=DOMAIN))
    assert after.deleted


def test_a_late_removal_is_caused_by_the_job_that_asked() -> None:
    mark = PendingRemoval(alias="vda", job="first", jobs=["first", "second"])
    running = record(DomainState.RUNNING, pending=[mark])
    after, change = applied(running, seen.DeviceRemoved(domain=DOMAIN, alias="vda", live=domain()))
    assert [(event.kind, event.cause) for event in change.events] == [(EventKind.DEVICE_REMOVED, "first")]
    assert [(left.outcome, left.jobs) for left in after.pending] == [("removed", ["first", "second"])]


def test_a_refused_removal_is_settled_as_rejected() -> None:
    running = record(DomainState.RUNNING, pending=[PendingRemoval(alias="vda", job="first")])
    after, change = applied(running, seen.RemovalRefused(domain=DOMAIN, alias="vda", reason="busy"))
    assert [event.kind for event in change.events] == [EventKind.DEVICE_REMOVAL_FAILED]
    assert [left.outcome for left in after.pending] == ["rejected"]


def test_the_domains_exit_settles_every_pending_removal() -> None:
    running = record(DomainState.RUNNING, pending=[PendingRemoval(alias="vda", job="first")])
    after, _ = applied(running, seen.Stopped(domain=DOMAIN, detail="destroyed"))
    assert [(left.outcome, left.reason) for left in after.pending] == [("removed", "exit")]


def found(
    state: DomainState, live: Domain | None = LIVE, incarnation: str = "1", reason: str = "user"
) -> seen.Observed:
    return seen.Observed(domain=DOMAIN, name="d", state=state, reason=reason, live=live, incarnation=incarnation, id=1)


@pytest.mark.parametrize(
    ("before", "stored", "inventory", "told"),
    [
        (record(), None, None, []),
        (record(DomainState.RUNNING), LIVE, None, ["Stopped"]),
        (record(), None, found(DomainState.RUNNING), ["Started"]),
        (record(DomainState.RUNNING), LIVE, found(DomainState.RUNNING), []),
        (record(DomainState.RUNNING), LIVE, found(DomainState.PAUSED), ["Suspended"]),
        (record(DomainState.PAUSED), LIVE, found(DomainState.RUNNING), ["Resumed"]),
        (record(DomainState.RUNNING), LIVE, found(DomainState.RUNNING, incarnation="2"), ["Stopped", "Started"]),
        (record(DomainState.RUNNING), LIVE, found(DomainState.RUNNING, domain("vda", "vdb")), ["DeviceAdded"]),
        (record(DomainState.RUNNING), LIVE, found(DomainState.RUNNING, domain()), ["DeviceRemoved"]),
        (record(DomainState.RUNNING), LIVE, found(DomainState.CRASHED), ["Crashed"]),
        (record(DomainState.RUNNING), LIVE, found(DomainState.SHUTDOWN), ["PoweredOff"]),
    ],
)
def test_the_difference_after_an_absence_is_told_as_observations(
    before: DomainRecord, stored: Domain | None, inventory: seen.Observed | None, told: list[str]
) -> None:
    assert [type(one).__name__ for one in differences(before, stored, inventory)] == told


def test_what_a_hypervisor_keeps_is_recorded_as_defined() -> None:
    new = DomainRecord(host="h", uuid=DOMAIN, name="", persistent=False, deleted=True)
    change = meaning(new, seen.Defined(domain=DOMAIN, persistent=LIVE))
    assert change is not None
    assert (change.fields["name"], change.fields["persistent"], change.fields["deleted"]) == ("d", True, False)
    assert [event.detail for event in change.events] == [{"event": "defined", "detail": "added"}]
    assert change.persistent is LIVE


@pytest.mark.parametrize(("name", "detail"), [("d", "updated"), ("other", "renamed")])
def test_a_definition_that_changed_is_told_as_that(name: str, detail: str) -> None:
    change = meaning(record(name=name), seen.Defined(domain=DOMAIN, persistent=LIVE))
    assert change is not None
    assert [event.detail["detail"] for event in change.events] == [detail]


def test_a_definition_that_went_leaves_an_active_domain_transient() -> None:
    told = seen.Undefined(domain=DOMAIN)
    off, active = meaning(record(), told), meaning(record(DomainState.RUNNING), told)
    assert off is not None
    assert active is not None
    assert (off.fields["deleted"], active.fields["deleted"]) == (True, False)
    assert meaning(record(persistent=False), told) is None


def test_a_hypervisor_that_keeps_definitions_goes_before_the_record() -> None:
    found = seen.Observed(domain=DOMAIN, name="d", state=DomainState.SHUTOFF, reason="unknown", persistent=LIVE)
    assert [type(each) for each in definition_differences(record(), found)] == [seen.Defined]
    assert [type(each) for each in definition_differences(record(), None)] == [seen.Undefined]
    assert list(definition_differences(record(persistent=False), None)) == []
