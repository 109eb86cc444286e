"""Every promise of SPECIFICATION.md has a number of its own and something that exists to show it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SPECIFICATION.md").read_text(encoding="utf-8")
PROMISE = re.compile(r"^- \*\*(V-\d+)\*\* (.*?)(?=^- \*\*|^## |^The measured|\Z)", re.MULTILINE | re.DOTALL)
PROMISES = {number: " ".join(text.split()) for number, text in PROMISE.findall(TEXT)}
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
BENCH = re.compile(r'bench rows? "([^"]+)"')
FAULTS = re.compile(r"faults figures? (`\w+`(?:, `\w+`)*)")
HOW = re.compile(r"Shown by |Not shown yet")


@cache
def functions(path: str) -> frozenset[str]:
    """The test functions of a module, also those in classes; none where it does not exist."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def sources(folder: str) -> str:
    """The source of a harness."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).glob("*.py")))


def test_numbers_are_unique_and_grow() -> None:
    numbers = [int(number) for number in re.findall(r"^- \*\*V-(\d+)\*\*", TEXT, re.MULTILINE)]
    assert len(numbers) == len(PROMISES) > 50
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("number", PROMISES)
def test_a_promise_says_what_shows_it(number: str) -> None:
    text = PROMISES[number]
    assert HOW.search(text), text
    if "Shown by" in text:
        assert TEST.search(text) or BENCH.search(text) or FAULTS.search(text), text


@pytest.mark.parametrize("number", PROMISES)
def test_what_shows_a_promise_exists(number: str) -> None:
    text = PROMISES[number]
    for path, name in TEST.findall(text):
        assert name in functions(path), f"{path} has no {name}"
    for row in BENCH.findall(text):
        assert row in sources("tests/bench"), f"make bench has no row '{row}'"
    for figures in FAULTS.findall(text):
        for figure in re.findall(r"\w+", figures):
            assert figure in sources("tests/faults"), f"make faults has no figure '{figure}'"


def test_nothing_else_looks_like_a_test() -> None:
    assert len(re.findall(r"::", TEXT)) - TEXT.count("PATH::NAME") == len(TEST.findall(TEXT))
