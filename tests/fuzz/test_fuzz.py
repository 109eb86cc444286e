"""A small run of the fuzz target, and that it finds what it looks for."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz import course
from tests.fuzz.__main__ import seeds
from tests.fuzz.mutation import mutated
from virtbus.domain import Domain
from virtbus.errors import XmlError

ROOT = Path(__file__).parents[2]
LIMIT = 100.0
GOOD = b"<domain type='kvm'><name>a</name><memory>1</memory></domain>"
BAD = b"<domain type='kvm'><name>a</name><memry>1</memry></domain>"


async def run(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fuzz", *words, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_two_thousand_broken_documents_are_read_or_refused(tmp_path: Path) -> None:
    code, output = await run("--count", "2000", "--seed", "3", "--saved", str(tmp_path))
    assert code == 0, output
    assert list(tmp_path.iterdir()) == []
    assert "2000 broken documents" in output


async def test_a_document_that_was_saved_can_be_read_alone(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_bytes(GOOD)
    bad.write_bytes(BAD)
    code, output = await run("--replay", str(good), str(bad))
    assert code == 0
    assert output.splitlines() == [f"{good}: accepted", f"{bad}: refused"]


async def test_a_folder_that_is_not_there_is_told() -> None:
    code, output = await run("--corpus", "/nonexistent")
    assert code == 2
    assert "/nonexistent" in output


def test_the_same_number_is_the_same_document() -> None:
    documents = seeds([])
    assert len(documents) > 50
    assert [mutated(documents, 1, number) for number in range(20)] == [
        mutated(documents, 1, number) for number in range(20)
    ]
    assert mutated(documents, 1, 0) != mutated(documents, 2, 0)


def verdict(text: bytes = GOOD) -> tuple[bool, str]:
    with course.limits():
        accepted, reason = course.verdict(text)
    return accepted, reason or ""


def test_what_is_read_or_refused_as_it_should_be_is_no_failure() -> None:
    assert verdict(GOOD) == (True, "")
    assert verdict(BAD) == (False, "")


def test_an_error_that_is_not_ours_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(domain: Domain, *, renew: bool) -> None:
        raise KeyError(domain.name)

    monkeypatch.setattr(course, "complete", broken)
    assert "KeyError: 'a'" in verdict()[1]


def test_a_refusal_of_what_was_written_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: Domain, *arguments: object, **options: object) -> str:
        raise XmlError("no")

    monkeypatch.setattr(Domain, "format", forgetful)
    assert "XmlError: no" in verdict()[1]


def test_a_document_that_comes_back_as_another_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = iter(["<domain type='kvm'><name>a</name></domain>", "<domain type='kvm'><name>b</name></domain>"])
    monkeypatch.setattr(Domain, "format", lambda *arguments, **options: next(texts))
    assert "Strayed" in verdict()[1]


def test_a_hang_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(domain: Domain, *, renew: bool) -> None:
        while True:
            pass

    monkeypatch.setattr(course, "CPU_LIMIT", 0.05)
    monkeypatch.setattr(course, "complete", endless)
    began = time.process_time()
    assert verdict()[1].startswith("hang")
    assert time.process_time() - began < 5


def test_taking_all_memory_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(domain: Domain, *, renew: bool) -> None:
        bytes(course.MEMORY_LIMIT * 2)

    monkeypatch.setattr(course, "complete", greedy)
    assert "MemoryError" in verdict()[1]
