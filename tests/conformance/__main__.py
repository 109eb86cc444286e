"""`make conformance CORPUS=FOLDER`: the score of every family, and whether any fell below its floor.

    python -m tests.conformance FOLDER [--family NAME] [--failures N] [--case PART] [--raise]

FOLDER has manifest.jsonl, a row a case, and the files that the rows name. Floors are in floors.toml; `--raise`
writes them anew where the score is higher. They are never lowered by this program.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

from tests.conformance import adapter, schema
from tests.conformance.corpus import Corpus
from tests.conformance.judge import Verdict, judge

FLOORS = Path(__file__).parent / "floors.toml"
HEAD = """# How many cases of each family pass at least, and how many of those that an echo of the input would not.
# Raised by `make conformance ARGS=--raise`; never lowered.
"""

Row = Counter[str]


def main() -> int:
    """Score, print, compare."""
    ask = argparse.ArgumentParser(prog="make conformance", description="Score the project on a corpus of cases.")
    ask.add_argument("corpus", type=Path, help="a folder with manifest.jsonl")
    ask.add_argument("--family", action="append", help="only these (repeatable)")
    ask.add_argument("--case", help="only cases whose name contains this")
    ask.add_argument("--failures", type=int, default=0, help="print this many of each family")
    ask.add_argument("--raise", dest="raises", action="store_true", help="raise the floors to this score")
    given = ask.parse_args()
    if not (given.corpus / "manifest.jsonl").is_file():
        print(f"{given.corpus} has no manifest.jsonl: say where the corpus is, as in make conformance CORPUS=FOLDER")
        return 2
    corpus = Corpus(given.corpus)
    try:
        rows, failures = score(corpus, given.family, given.case)
    finally:
        corpus.close()
    show(rows, failures, given.failures)
    floors = tomllib.loads(FLOORS.read_text()) if FLOORS.exists() else {}
    if given.raises:
        FLOORS.write_text(HEAD + raised(floors, rows))
    fallen = [] if given.case else below(floors, rows)
    if not (given.case or given.family) and (given.corpus / schema.SCHEMA).is_file():
        fallen += [
            f"{path}: what is written is not by libvirt's schema: {why}" for path, why in schema.strays(given.corpus)
        ]
    for line in fallen:
        print(line)
    return 1 if fallen else 0


def score(
    corpus: Corpus, families: list[str] | None, part: str | None
) -> tuple[dict[str, Row], dict[str, list[tuple[str, str]]]]:
    """The figures of each family, and its failures with the reason of each."""
    rows: dict[str, Row] = defaultdict(Counter)
    failures: dict[str, list[tuple[str, str]]] = defaultdict(list)
    failed: set[str] = set()
    for case in corpus.cases:
        family = case["family"]
        if family not in adapter.FAMILIES or (families and family not in families):
            continue
        if part is not None and part not in case["case"]:
            continue
        row, echo, start = rows[family], corpus.echoes(case), time.perf_counter()
        verdict, why = judge(case, corpus)
        row["microseconds"] += int(1e6 * (time.perf_counter() - start))
        if verdict is Verdict.PASSED and any(step["case"] in failed for step in case.get("before", [])):
            verdict, why = Verdict.FAILED, "a step before it failed"
        if verdict is not Verdict.PASSED:
            failed.add(case["case"])
            failures[family].append((case["case"], why))
        row["cases"] += 1
        row["hard"] += not echo
        row["passed"] += verdict is Verdict.PASSED
        row["hard passed"] += verdict is Verdict.PASSED and not echo
        row["reworded"] += verdict is Verdict.REWORDED
    return rows, failures


def show(rows: dict[str, Row], failures: dict[str, list[tuple[str, str]]], most: int) -> None:
    """The table."""
    total: Row = Counter()
    print(f"{'family':22} {'passed':>7} {'cases':>6} {'share':>7} {'reworded':>9} {'beyond echo':>12} {'ms/case':>8}")
    for family, row in sorted(rows.items()):
        total.update(row)
        _line(family, row)
        for name, why in failures[family][:most]:
            print(f"    {name}: {why[:220]}")
    _line("all", total)


def _line(name: str, row: Row) -> None:
    cases = row["cases"] or 1
    beyond = f"{row['hard passed']}/{row['hard']}"
    print(
        f"{name:22} {row['passed']:7} {row['cases']:6} {100 * row['passed'] / cases:6.1f}% {row['reworded']:9} "
        f"{beyond:>12} {row['microseconds'] / cases / 1000:8.2f}"
    )


def below(floors: dict[str, dict[str, int]], rows: dict[str, Row]) -> list[str]:
    """A line for each figure that is below its floor."""
    figures = {"passed": "passed", "beyond_echo": "hard passed"}
    return [
        f"{family}: {name} is {rows[family][figures[name]]}, the floor is {floor}"
        for family, least in floors.items()
        if family in rows
        for name, floor in least.items()
        if rows[family][figures[name]] < floor
    ]


def raised(floors: dict[str, dict[str, int]], rows: dict[str, Row]) -> str:
    """The floors as TOML, each as high as ever."""
    text = ""
    for family in sorted({*floors, *rows}):
        before, row = floors.get(family, {}), rows.get(family, Counter())
        passed = max(before.get("passed", 0), row["passed"])
        beyond = max(before.get("beyond_echo", 0), row["hard passed"])
        text += f"\n[{family}]\npassed = {passed}\nbeyond_echo = {beyond}\n"
    return text


if __name__ == "__main__":
    sys.exit(main())
