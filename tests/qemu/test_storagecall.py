"""Calls on storage: what they return and raise comes through, and one that hangs holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtbus.errors import HypervisorSilent
from virtbus_qemu import storagecall


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    end = threading.Event()
    yield end
    end.set()


async def test_what_a_call_returns_and_raises_comes_through() -> None:
    assert await storagecall.answer(lambda: 42, timeout=10) == 42
    with pytest.raises(FileNotFoundError):
        await storagecall.answer(Path("/nowhere/at/all").read_bytes, timeout=10)


async def test_one_that_hangs_is_given_up(hang: threading.Event) -> None:
    with pytest.raises(HypervisorSilent, match="did not answer within"):
        await storagecall.answer(hang.wait, timeout=0.05)
    assert await storagecall.answer(lambda: 42, timeout=10) == 42


async def test_not_more_than_so_many_hang(hang: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storagecall, "_places", threading.BoundedSemaphore(1))
    with pytest.raises(HypervisorSilent):
        await storagecall.answer(hang.wait, timeout=0.05)
    with pytest.raises(HypervisorSilent, match="wait for storage already"):
        await storagecall.answer(lambda: 42, timeout=10)
