"""The benchmark's own machinery: it measures, and its document has the shape that is promised."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.figure import Row, Target

LIMIT = 60.0
ROWS = {
    "start",
    "destroy",
    "list beside a frozen domain (p99)",
    "metrics beside a frozen domain (p99)",
    "jobs beside a frozen domain (p99)",
    "destroy of a frozen domain",
}
FIELDS = {
    "name": str, "ours": float, "theirs": float | None, "unit": str, "ratio": float | None, "target": str | None,
    "n": int, "ok": bool | None, "quartiles": dict,
}  # fmt: skip


async def run(output: Path, *words: str) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench", "--scale", "tiny", "--without-rival", "--output", str(output), *words,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    async with asyncio.timeout(LIMIT):
        code = await process.wait()
    return code, json.loads(output.read_text())


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
async def test_measures_ours_alone_and_writes_the_document(tmp_path: Path) -> None:
    code, document = await run(tmp_path / "bench.json", "--only", "lifecycle", "frozen")
    assert code == 0, document["troubles"]
    rows = {row["name"]: row for row in document["rows"]}
    assert set(rows) == ROWS
    for row in rows.values():
        for name, kind in FIELDS.items():
            assert isinstance(row[name], kind), (row["name"], name)
        assert row["ours"] > 0
    assert rows["start"]["theirs"] is None
    assert rows["start"]["ok"] is None
    assert rows["list beside a frozen domain (p99)"]["ratio"] > 0


def test_a_row_compares_medians_with_the_promise() -> None:
    row = Row("x", "ms", [1.0, 3.0, 100.0], [10.0, 10.0, 10.0], Target(0.3))
    assert row.ratio == pytest.approx(0.3)
    assert row.ok
    assert row.document()["quartiles"] == {"ours": [2.0, 3.0, 51.5], "theirs": [10.0, 10.0, 10.0]}


def test_more_is_better_for_a_rate() -> None:
    assert not Row("x", "1/s", [5.0], [2.0], Target(3, "more")).ok


def test_a_figure_without_a_rival_is_held_against_its_own_bound() -> None:
    assert not Row("x", "ms", [1.0] * 98 + [20.0] * 2, target=Target(10, of="ours"), of="p99").ok


def test_the_best_is_held_against_the_bound_where_others_only_add() -> None:
    row = Row("x", "ms", [120.0, 90.0, 300.0], target=Target(100, of="ours"), of="best")
    assert row.ok
    assert row.document()["ours"] == 90.0


def test_what_fails_besides_misses_the_promise() -> None:
    assert not Row("x", "ms", [1.0], [10.0], Target(0.5), fails=["an answer was old"]).ok


def test_without_a_rival_nothing_is_kept_or_missed() -> None:
    assert Row("x", "ms", [1.0], target=Target(0.5)).ok is None
