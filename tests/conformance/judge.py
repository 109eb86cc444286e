"""One case: what the project makes of it, and whether that is right."""

from __future__ import annotations

import signal
import traceback
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests.conformance import adapter
from tests.conformance.comparison import same
from tests.conformance.corpus import RIGHT, Case, Corpus, answer, outputs

SECONDS = 10


class Verdict(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    REWORDED = "refused in other words"
    FAILED = "failed"


class Judgement(NamedTuple):
    """A verdict and why."""

    verdict: Verdict
    why: str = ""


def judge(case: Case, corpus: Corpus) -> Judgement:
    """Ask the project, and compare."""
    refusal: str | None = None
    produced: dict[str, str] = {}
    with corpus.view(case) as root:
        signal.signal(signal.SIGALRM, _too_slow)
        signal.alarm(SECONDS)
        try:
            produced = adapter.run(corpus.question(case), root)
        except adapter.Refused as refused:
            produced, refusal = refused.partial, str(refused).replace(f"{root}/tests/", "ABS_SRCDIR/").strip()
        except Exception as error:  # noqa: BLE001 -- a crash is a failed case, never a failed run
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            return Judgement(Verdict.FAILED, f"crashed: {type(error).__name__}: {error} ({place})")
        finally:
            signal.alarm(0)
    right = case["expect"] in RIGHT
    if right and refusal is not None:
        return Judgement(Verdict.FAILED, f"refused: {refusal}")
    if not right and refusal is None:
        return Judgement(Verdict.FAILED, f"accepted what must be refused: {case.get('error') or ''}")
    if problem := _problem(case, corpus, produced):
        return Judgement(Verdict.FAILED, problem)
    wording = (case.get("error") or "").strip()
    if refusal is not None and wording and refusal != wording:
        return Judgement(Verdict.REWORDED, f"{refusal!r} for {wording!r}")
    return Judgement(Verdict.PASSED)


def _problem(case: Case, corpus: Corpus, produced: dict[str, str]) -> str | None:
    """What is wrong with the outputs."""
    wanted = outputs(case)
    for path in wanted:
        if path not in produced:
            return f"no output for {path}"
        try:
            if not same(path, produced[path], corpus.expected(path)):
                return f"differs: {path}"
        except ValueError as error:
            return f"unreadable: {path}: {error}"
    right = case["expect"] in RIGHT
    word = answer(case)
    if (
        right
        and not wanted
        and word is not None
        and "".join(str(produced.get("answer")).split()) != "".join(word.split())
    ):
        return f"answered {produced.get('answer')!r}, expected {word!r}"
    if case["family"] == "qemuhotplug" and right:
        monitor = (case.get("options") or {}).get("monitor", [])
        issued = [step["command"] for step in monitor if step.get("command")]
        if issued and (produced.get("monitor") or "").split() != issued:
            return f"QMP commands {(produced.get('monitor') or '').split()}, expected {issued}"
    return None


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"no answer in {SECONDS} s")
