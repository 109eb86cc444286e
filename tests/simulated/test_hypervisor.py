"""The hypervisor as a process: its socket, its lock, its log, and its life apart from its clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.simulated.parts import SECONDS, TEST_UUID, URI, Attempt, Process, Worker, alive, until
from virtbus.driver import HostSettings
from virtbus.errors import HypervisorError, HypervisorSilent, InvalidArgument, Unavailable
from virtbus_simulated.client import Client
from virtbus_simulated.driver import SimulatedDriver
from virtbus_simulated.hypervisor.parameters import Parameters, parse_uri


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "virtbus_simulated", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.fixture
async def client(hypervisor: Process) -> AsyncIterator[Client]:
    client = await Client.connect(hypervisor.socket, hypervisor.host, timeout=SECONDS)
    await client.ask("open", timeout=SECONDS)
    yield client
    await client.close()


def test_a_second_process_does_not_take_the_socket(shared: Process) -> None:
    second = run("--socket", str(shared.socket))
    assert second.returncode == 3
    assert "another process serves" in second.stderr
    assert shared.socket.is_socket()


def test_wrong_parameters_are_named(tmp_path: Path) -> None:
    outcome = run("--socket", str(tmp_path / "s"), "--uri", "simulated:///default?domainz=3")
    assert outcome.returncode == 2
    assert "'domainz'" in outcome.stderr


def test_a_socket_that_cannot_be_made_is_an_error_also_in_the_background(tmp_path: Path) -> None:
    outcome = run("--detach", "--socket", str(tmp_path / "nowhere" / "s"))
    assert outcome.returncode == 1
    assert "nowhere" in outcome.stderr


def test_the_ready_file_tells_where_and_who(shared: Process) -> None:
    assert shared.ready["socket"] == str(shared.socket)
    assert shared.ready["pid"] == shared.pid
    assert len(shared.ready["boot"]) == 32


def test_it_stops_cleanly_and_leaves_no_socket(tmp_path: Path) -> None:
    process = Process(tmp_path)
    assert process.stop() == 0
    assert not process.socket.exists()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu:///system", "no URI of a simulated host"),
        ("simulated://far/default", "no URI of a simulated host"),
        ("simulated:///other", "no URI of a simulated host"),
        ("simulated:///default?domains=-1", "domains=-1"),
        ("simulated:///default?history=0", "history=0"),
        ("simulated:///default?fail=sulking", "sulking"),
    ],
)
def test_a_uri_that_means_nothing_is_refused(uri: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        parse_uri(uri)


def test_a_uri_sets_numbers_and_failures() -> None:
    parameters = parse_uri("simulated:///default?domains=7&unplug_ms=9&fail=deaf-guest,lost-event")
    assert parameters == Parameters(domains=7, unplug_ms=9, fail=parameters.fail)
    assert sorted(parameters.fail) == ["deaf-guest", "lost-event"]


@pytest.mark.parametrize(
    ("request_name", "arguments"),
    [
        ("fly", {}),
        ("suspend", {}),
        ("suspend", {"domain": "test"}),
        ("plug", {"domain": str(TEST_UUID), "alias": "a", "xml": "<disk"}),
        ("plug", {"domain": str(TEST_UUID), "alias": "a", "xml": "<disk><alias name='b'/></disk>"}),
        ("vcpus", {"domain": str(TEST_UUID), "count": "many"}),
        ("start", {"domain": str(TEST_UUID)}),
        ("start", {"domain": "00000000-0000-0000-0000-000000000001", "name": "n", "xml": "<network/>"}),
        ("control", {"fail": ["sulking"]}),
        ("control", {"domain": str(TEST_UUID), "play": "chess"}),
    ],
)
async def test_nonsense_is_refused_and_changes_nothing(
    client: Client, hypervisor: Process, request_name: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(InvalidArgument):
        await client.ask(request_name, timeout=SECONDS, **arguments)  # type: ignore[arg-type]
    assert hypervisor.effects() == []


@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b'{"request":"open"}\n'])
def test_what_is_no_request_ends_the_connection(shared: Process, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(SECONDS)
        raw.connect(str(shared.socket))
        raw.sendall(line)
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(1) == b""


async def test_effects_need_an_open_host(hypervisor: Process, client: Client) -> None:
    with pytest.raises(Unavailable, match="not opened"):
        await hypervisor.ask("suspend", domain=str(TEST_UUID))
    assert hypervisor.effects() == []


async def test_answers_come_in_any_order(client: Client, hypervisor: Process) -> None:
    await hypervisor.control(TEST_UUID, fail=["hung-monitor"])
    slow = asyncio.create_task(client.ask("suspend", timeout=SECONDS, domain=str(TEST_UUID)))
    assert (await client.ask("status", timeout=SECONDS))["domains"] == 1
    assert not slow.done()
    await hypervisor.control(TEST_UUID, fail=[])
    assert (await slow)["position"] > 0


async def test_the_log_has_every_effect_once_with_what_a_checker_needs(client: Client, hypervisor: Process) -> None:
    replies = [await client.ask(name, timeout=SECONDS, domain=str(TEST_UUID)) for name in ("suspend", "resume")]
    lines = [line for line in hypervisor.lines() if line["host"] == hypervisor.host]
    assert [line["position"] for line in lines] == [reply["position"] for reply in replies]
    assert [line["effect"] for line in lines] == ["suspended", "resumed"]
    assert {line["domain"] for line in lines} == {str(TEST_UUID)}
    assert {line["boot"] for line in lines} == {hypervisor.ready["boot"]}
    assert lines[0]["incarnation"] == lines[1]["incarnation"]
    sequences = [line["sequence"] for line in hypervisor.lines()]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_what_a_frozen_hypervisor_is_asked_ends_in_time(tmp_path: Path) -> None:
    process = Process(tmp_path)
    try:
        client = await Client.connect(process.socket, "h1", timeout=SECONDS)
        await client.ask("open", timeout=SECONDS)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(HypervisorSilent):
            await client.ask("status", timeout=0.1)
        os.kill(process.pid, signal.SIGCONT)
        assert (await client.ask("status", timeout=SECONDS))["domains"] == 1
        await client.close()
    finally:
        process.stop()


WORKER = """
import asyncio, sys
from pathlib import Path
from tests.simulated.parts import Worker
from virtbus.driver import HostSettings

async def main():
    run = Path(sys.argv[1])
    worker = await Worker(HostSettings(name="h1", uri="simulated:///default", run=run, state=run), {}).start()
    target = await worker.boot("vm")
    print(target.uuid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_it_outlives_the_worker_that_started_it(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    started = child.stdout.readline().strip()
    child.kill()
    child.communicate(timeout=SECONDS)
    worker = await Worker(HostSettings(name="h1", uri=URI, run=tmp_path, state=tmp_path), {}).start()
    pid = (await worker.driver.session.open())["pid"]
    try:
        assert {str(one.domain) for one in worker.inventory} == {str(TEST_UUID), started}
        assert os.getsid(pid) != os.getsid(0)
        assert [json.loads(line)["effect"] for line in (tmp_path / "effects.jsonl").read_text().splitlines()] == [
            "started"
        ]
    finally:
        await worker.stop()
        os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid))


async def test_a_hypervisor_that_cannot_start_is_told_with_its_words(tmp_path: Path) -> None:
    settings = HostSettings(
        name="h1", uri=URI, run=tmp_path, state=tmp_path, options={"log": str(tmp_path / "nowhere" / "log")}
    )
    driver = SimulatedDriver(settings, lambda _: None)
    with pytest.raises(HypervisorError, match="nowhere"):
        await driver.connect()


async def test_a_driver_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="sweep"):
        SimulatedDriver(
            HostSettings(name="h1", uri=URI, run=tmp_path, state=tmp_path, options={"sweep": "soon"}), lambda _: None
        )
    long = tmp_path / ("x" * 120)
    for settings in (
        HostSettings(name="h1", uri="simulated:///other", run=tmp_path, state=tmp_path),
        HostSettings(name="h1", uri=URI, run=long, state=tmp_path),
    ):
        with pytest.raises(InvalidArgument):
            await SimulatedDriver(settings, lambda _: None).connect()


def test_the_driver_has_every_facet_but_the_monitor() -> None:
    assert SimulatedDriver.facets() == {"Lifecycle", "Devices", "Tuning", "Statistics", "Console"}


async def test_a_driver_connects_anew_after_its_hypervisor_has_booted(tmp_path: Path) -> None:
    process = Process(tmp_path)
    try:
        settings = HostSettings(
            name="h1", uri=URI, run=tmp_path, state=tmp_path, options={"socket": str(process.socket)}
        )
        worker = await Worker(settings, {}).start()
        target = await worker.boot()
        process.stop()
        assert worker.watching is not None
        await asyncio.wait_for(worker.watching, SECONDS)
        process.boot()
        again = await worker.start()
        assert {one.domain for one in again.inventory} == {TEST_UUID}
        await again.driver.suspend(again.target(TEST_UUID, "test"), Attempt())
        assert target.uuid not in {one.domain for one in again.inventory}
        assert (again.seen[-1].position or 0) > (again.seen[0].position or 0)
        await again.stop()
    finally:
        process.stop()
