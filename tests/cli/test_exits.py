"""Exit codes, interruption, services and completion."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.conftest import Virtbus
from tests.client.gateway import BUSY, HELD, FakeGateway
from virtbus.cli import completion, services
from virtbus.errors import WrongState
from virtbus.records import JobState


@pytest.fixture
def web(gateway: FakeGateway) -> UUID:
    return gateway.add_domain("web1", state="running")


NO_JOB = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["list"], 0),
        (["start"], 2),
        (["no-such-verb"], 2),
        (["list", "--state", "happy"], 2),
        (["list", "--timeout", "-1"], 2),
        (["setvcpus", "web1", "0"], 2),
        (["setvcpus", "web1", "2", "--live", "--current"], 2),
        (["define", "missing.xml"], 2),
        (["change-media", "web1", "sda"], 2),
        (["event", "--kind", "nonsense"], 2),
        (["top", "--interval", "0"], 2),
        (["qemu-monitor-command", "web1", "{broken"], 2),
        ([], 2),
        (["start", "nobody"], 3),
        (["hostinfo", "nohost"], 3),
        (["change-media", "web1", "sdz", "--eject"], 3),
        (["job", "show", NO_JOB], 3),
        (["start", "web1", "--no-wait"], 4),
        (["event", "--timeout", "0.05"], 4),
    ],
    ids=str,
)
def test_an_exit_code_says_what_happened(virtbus: Virtbus, web: UUID, words: list[str], code: int) -> None:
    assert virtbus(*words).code == code


def test_a_refusal_is_1(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    gateway.outcomes["domain.start"] = WrongState("it runs already")
    assert virtbus("start", "web1").code == 1


def test_a_wrong_token_is_1(virtbus: Virtbus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTBUS_TOKEN", "wrong")
    run = virtbus("hosts")
    assert run.code == 1
    assert "virtbus token create" in run.err


def test_no_wait_prints_the_id_and_job_wait_goes_on(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    gateway.outcomes["domain.start"] = HELD
    job = virtbus("start", "web1", "--no-wait").out.strip()
    assert list(gateway.jobs) == [job]
    late = virtbus("job", "wait", job, "--timeout", "0.05")
    assert (late.code, "still running" in late.err) == (4, True)
    assert virtbus("job", "wait", job, "--no-wait").code == 4
    gateway.end(job, state=JobState.EXPIRED)
    assert virtbus("job", "wait", job).code == 1
    assert virtbus("job", "show", job).code == 0


def test_a_gateway_that_is_not_there_is_5(
    gateway: FakeGateway, virtbus: Virtbus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtbus.cli.session.PATIENCE", 0.05)
    gateway.faults.extend([BUSY] * 10)
    assert virtbus("hosts").code == 5
    gateway.stop()
    run = virtbus("hosts")
    assert (run.code, gateway.url in run.err) == (5, True)
    monkeypatch.delenv("VIRTBUS_URL")
    assert virtbus("hosts").code == 5


def test_several_hosts_must_be_told_apart(
    gateway: FakeGateway, virtbus: Virtbus, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.hosts["beta"] = gateway.hosts["alpha"].model_copy(update={"name": "beta"})
    run = virtbus("capabilities")
    assert (run.code, "HOST: alpha, beta" in run.err) == (1, True)
    monkeypatch.setenv("VIRTBUS_HOST", "beta")
    assert virtbus("capabilities").code == 0


def test_an_interrupt_leaves_the_job_and_says_how_to_go_on(gateway: FakeGateway, web: UUID, environment: None) -> None:
    gateway.outcomes["domain.start"] = HELD
    process = subprocess.Popen(
        [sys.executable, "-m", "virtbus.cli.main", "start", "web1"], stderr=subprocess.PIPE, text=True
    )
    assert gateway.asked_for_a_job.wait(20)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    (job,) = gateway.jobs
    assert process.returncode == 130
    assert f"virtbus job wait {job}" in said
    assert f"virtbus job cancel {job}" in said
    assert gateway.jobs[job].state is JobState.RUNNING


def test_a_reader_that_leaves_is_no_crash(web: UUID, environment: None) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "virtbus.cli.main", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(20), said) == (130, b"")


def test_a_service_is_found_by_its_entry_point(virtbus: Virtbus, monkeypatch: pytest.MonkeyPatch) -> None:
    SERVED.clear()
    found = EntryPoint("up", "tests.cli.test_exits:serve", services.GROUP)
    monkeypatch.setattr(services, "entry_points", lambda group, name: (found,) if name == "up" else ())
    assert virtbus("up", "--state-dir", "x", "--json").code == 7
    assert virtbus("--json", "up", "y").code == 7
    assert SERVED == [["--state-dir", "x", "--json"], ["y"]]
    missing = virtbus("gateway")
    assert (missing.code, "virtbus[gateway]" in missing.err) == (1, True)


SERVED: list[list[str]] = []


def serve(words: Sequence[str]) -> int:
    """A service's command: it keeps the words that it is given."""
    SERVED.append(list(words))
    return 7


def complete(line: str) -> list[str]:
    """What the shell would offer."""
    offers = Path("offers")
    words = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    subprocess.run(
        [sys.executable, "-m", "virtbus.cli.main"], check=True, timeout=30,
        env=os.environ | words | {"_ARGCOMPLETE_STDOUT_FILENAME": str(offers)},
    )  # fmt: skip
    return offers.read_text().split()


def test_verbs_and_names_are_completed(gateway: FakeGateway, web: UUID, environment: None) -> None:
    gateway.add_domain("wild2")
    assert complete("virtbus detach-") == ["detach-device", "detach-device-alias"]
    assert complete("virtbus job s") == ["show"]
    assert complete("virtbus start w") == ["web1", "wild2"]
    assert complete("virtbus start alpha/we") == ["alpha/web1"]
    assert complete("virtbus hostinfo ") == ["alpha"]
    assert "device-removed" in complete("virtbus event --kind device-r")


def test_completion_gives_up_on_a_silent_gateway(monkeypatch: pytest.MonkeyPatch, environment: None) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("VIRTBUS_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setattr(completion, "PATIENCE", 0.05)
    with listener:
        assert completion.domains("") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_script_is_printed(virtbus: Virtbus, shell: str) -> None:
    run = virtbus("completion", shell)
    assert run.code == 0
    assert "virtbus" in run.out


def test_no_thread_is_left_behind(virtbus: Virtbus, web: UUID) -> None:
    before = threading.active_count()
    virtbus("list")
    assert threading.active_count() == before
