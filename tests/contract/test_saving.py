"""A running domain into a file of its host, and out of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.contract.drivers import Guest
from tests.contract.lab import Lab, refused
from virtbus.errors import WrongState
from virtbus.operations.domain import StartDomain
from virtbus.operations.saving import RestoreDomain, SaveDomain
from virtbus.state import DomainState

pytestmark = pytest.mark.facets("Lifecycle", "Saving")


def place() -> str:
    """A file of the host that nobody has."""
    return f"/var/tmp/{uuid4().hex}.save"


async def test_a_saved_domain_is_off_and_runs_on_when_it_is_restored(lab: Lab) -> None:
    vm, file = await lab.started(Guest.AWAKE), place()
    status = await vm.run(SaveDomain, file=file)
    assert (status.state, status.reason) == (DomainState.SHUTOFF, "saved")
    status = await vm.run(RestoreDomain, file=file)
    assert status.state is DomainState.RUNNING
    assert (await vm.told())[-2:] == ["lifecycle stopped saved", "lifecycle started restored"]


async def test_a_domain_is_restored_paused_where_that_is_asked(lab: Lab) -> None:
    vm, file = await lab.started(Guest.AWAKE), place()
    await vm.run(SaveDomain, file=file)
    assert (await vm.run(RestoreDomain, file=file, paused=True)).state is DomainState.PAUSED


async def test_only_what_runs_is_saved_and_only_what_is_off_restored(lab: Lab) -> None:
    vm = await lab.defined()
    await refused(vm.run(SaveDomain, file=place()), WrongState, "OPERATION_INVALID")
    await vm.run(StartDomain, paused=True)
    await refused(vm.run(RestoreDomain, file=place()), WrongState, "OPERATION_INVALID")
    assert await vm.state() is DomainState.PAUSED
