"""The program run in this process against a fake gateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client.gateway import TOKEN, FakeGateway
from virtbus.cli.main import main


@dataclass
class Run:
    """What one run of the program left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Virtbus = Callable[..., Run]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def environment(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fake gateway is configured, and nothing else is found."""
    monkeypatch.setenv("VIRTBUS_URL", gateway.url)
    monkeypatch.setenv("VIRTBUS_TOKEN", TOKEN)
    monkeypatch.setenv("VIRTBUS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def virtbus(environment: None, capsys: pytest.CaptureFixture[str]) -> Virtbus:
    """Run the program with these words."""

    def run(*words: str) -> Run:
        code = main(words)
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run
