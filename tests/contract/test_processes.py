"""Programs inside a guest."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.drivers import LIMIT
from tests.contract.lab import Lab, Vm, refused
from virtbus.client.job import Job
from virtbus.errors import Cancelled, Expired, WrongState
from virtbus.operations.domain import SuspendDomain
from virtbus.operations.process import MAX_OUTPUT, Completed, RunProcess
from virtbus.records import JobState

pytestmark = pytest.mark.facets("Lifecycle", "Processes")
SLEEP = ["sh", "-c", "echo $$ > /tmp/sleeper; sleep 600 & wait"]


async def test_a_program_is_given_its_words_variables_and_input_and_its_answer_comes_back(awake: Vm) -> None:
    done = await awake.run(
        RunProcess, command=["sh", "-c", 'echo "$0 $GREETING"; cat; echo oops >&2; exit 3', "a b"],
        environment={"GREETING": "hello you"}, input="one\ntwo\n",
    )  # fmt: skip
    assert (done.status, done.output, done.errors) == (3, "a b hello you\none\ntwo\n", "oops\n")
    assert not done.truncated


async def test_output_beyond_the_limit_is_dropped_and_the_program_ends_all_the_same(awake: Vm) -> None:
    done = await awake.run(RunProcess, command=["sh", "-c", f"seq {MAX_OUTPUT}; echo end >&2"])
    assert done.status == 0
    assert len(done.output) == MAX_OUTPUT
    assert done.output.startswith("1\n2\n3\n")
    assert (done.truncated, done.errors) == (True, "end\n")


async def test_a_program_that_is_not_there_fails_by_its_status(awake: Vm) -> None:
    done = await awake.run(RunProcess, command=["no-such-program"])
    assert done.status
    assert done.output == ""


async def sleepers(vm: Vm) -> str:
    """What of the guest's sleeping program still runs; empty where nothing does."""
    seen = await vm.run(RunProcess, command=["sh", "-c", "kill -0 $(cat /tmp/sleeper) 2>/dev/null && echo there"])
    return seen.output


async def running(job: Job[Completed]) -> None:
    """Wait until a job has begun; no event tells of that."""
    async with asyncio.timeout(LIMIT):
        while (await job.refresh()).state is not JobState.RUNNING:
            await asyncio.sleep(0.01)


async def test_a_cancelled_program_is_ended_too(awake: Vm) -> None:
    job = await awake.submit(RunProcess, command=SLEEP)
    await running(job)
    await job.cancel()
    await refused(job.wait(), Cancelled, "OPERATION_ABORTED")
    assert await sleepers(awake) == ""


async def test_a_program_that_takes_too_long_is_ended_too(awake: Vm) -> None:
    job = await awake.submit(RunProcess, command=SLEEP, timeout=2)
    await refused(job.wait(), Expired, "OPERATION_TIMEOUT")
    assert await sleepers(awake) == ""


async def test_programs_of_one_guest_do_not_hold_up_another(lab: Lab, awake: Vm) -> None:
    other = await lab.started()
    job = await awake.submit(RunProcess, command=SLEEP)
    async with asyncio.timeout(LIMIT):
        assert (await other.run(RunProcess, command=["sh", "-c", "echo $PPID"])).status == 0
    await job.cancel()
    await refused(job.wait(), Cancelled, "OPERATION_ABORTED")


async def test_nothing_runs_in_a_guest_that_is_off_or_paused(lab: Lab) -> None:
    vm = await lab.defined()
    await refused(vm.run(RunProcess, command=["true"]), WrongState, "OPERATION_INVALID")
    await vm.start()
    await vm.run(SuspendDomain)
    await refused(vm.run(RunProcess, command=["true"]), WrongState, "OPERATION_INVALID")
