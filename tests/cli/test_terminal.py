"""What people see on a terminal: drawn tables, a spinner with the job's phase, and a live table that q ends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.client.gateway import HELD, FakeGateway
from virtbus.records import JobState


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "virtbus.cli.main", *words], stdin=theirs, stdout=theirs, stderr=theirs,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"},
        )  # fmt: skip
        os.close(theirs)
        self.seen = ""

    def read_until(self, word: str) -> None:
        """Read until a word has been shown; the test's own time limit bounds it."""
        while word not in self.seen:
            self.seen += os.read(self._ours, 4096).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Read the rest and return the exit code."""
        try:
            while chunk := os.read(self._ours, 4096):
                self.seen += chunk.decode(errors="replace")
        except OSError:
            pass  # Linux says so that the other side is closed.
        return self._process.wait(20)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(20)
        os.close(self._ours)


@pytest.fixture
def web(gateway: FakeGateway, environment: None) -> UUID:
    return gateway.add_domain("web1", state="running")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_top_watches_until_q(web: UUID, terminals: list[Terminal]) -> None:
    terminal = Terminal("top", "--interval", "0.05")
    terminals.append(terminal)
    terminal.read_until("web1")
    terminal.read_until("q quits")
    terminal.type("xq")
    assert terminal.end() == 0


def test_a_table_is_drawn(web: UUID, terminals: list[Terminal]) -> None:
    terminal = Terminal("list")
    terminals.append(terminal)
    assert terminal.end() == 0
    assert "web1" in terminal.seen
    assert "\u2500" in terminal.seen, "rich draws the line under the headings"


def test_a_spinner_shows_the_jobs_phase(gateway: FakeGateway, web: UUID, terminals: list[Terminal]) -> None:
    gateway.outcomes["domain.start"] = HELD
    terminal = Terminal("start", "web1")
    terminals.append(terminal)
    terminal.read_until("start: waiting for the guest")
    (job,) = gateway.jobs
    gateway.end(job, state=JobState.SUCCEEDED, result={"uuid": web, "name": "web1", "state": "running", "reason": "x"})
    assert terminal.end() == 0
    assert "Domain 'web1' started" in terminal.seen
