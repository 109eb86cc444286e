"""The corpus as the project may see it: a copy without the answer of the case that is asked."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from tests.conformance.comparison import relaid, same

Case = dict[str, Any]

RIGHT = {
    "ok", "0", "YES", "NO",
    "VIR_CPU_COMPARE_IDENTICAL", "VIR_CPU_COMPARE_SUPERSET", "VIR_CPU_COMPARE_INCOMPATIBLE",
}  # fmt: skip
"""What a case expects where its input is not to be refused."""

ANSWERS = {"memlock", "fwlist", "interfaces"}
"""Options of a case that hold its answer."""


class Corpus:
    """A folder of cases. `close` removes the copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "manifest.jsonl").open() as rows:
            self.cases: list[Case] = [json.loads(row) for row in rows]
        self.copy = Path(tempfile.mkdtemp(prefix="conformance-"))
        used = {path for case in self.cases for path in inputs(case)}
        hidden = {path for case in self.cases for path in case["expected"]} - used
        for source in folder.rglob("*"):
            relative = str(source.relative_to(folder))
            if source.is_file() and relative not in hidden and source.name != "manifest.jsonl":
                target = self.copy / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        self._shapes = self._usual_outputs()

    def close(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.copy, ignore_errors=True)

    def expected(self, path: str) -> str:
        """What an output is to be."""
        return (self.folder / path).read_text(errors="replace")

    def echoes(self, case: Case) -> bool:
        """Whether handing the input back would pass."""
        wanted = outputs(case)
        if case["expect"] != "ok" or not wanted or not case["input"]:
            return False
        try:
            text = self.expected(case["input"][0])
            return all(same(path, text, self.expected(path)) for path in wanted)
        except (OSError, ValueError):
            return False

    @contextmanager
    def view(self, case: Case) -> Iterator[Path]:
        """The copy without this case's answers; an input that is its own answer is in another layout."""
        own, kept = set(inputs(case)), {}
        hidden = [path for path in case["expected"] if path not in own]
        if case["family"] == "qemucapabilities":
            hidden.append(case.get("caps_file") or "")
        for path in filter(None, hidden):
            file = self.copy / path
            if file.is_file():
                kept[file] = file.read_bytes()
                file.unlink()
        if self.echoes(case) and (other := relaid(self.expected(case["input"][0]))) is not None:
            file = self.copy / case["input"][0]
            kept[file] = file.read_bytes()
            file.write_text(other)
        try:
            yield self.copy
        finally:
            for file, content in kept.items():
                file.write_bytes(content)

    def question(self, case: Case) -> Case:
        """The case without what gives its answer away; one that is to be refused looks like the others."""
        asked = {key: value for key, value in case.items() if key not in ("error", "expect", "split")}
        asked["case"] = case["case"].replace("!fail", "")
        wanted = outputs(case)
        if case["expect"] not in RIGHT:
            folder, suffixes = self._shapes.get(_kind(case), ("", ()))
            there = {PurePath(path).suffix for path in wanted}
            wanted += [f"{folder}/{case['stem']}{suffix}" for suffix in suffixes if suffix not in there]
        asked["expected"] = sorted(wanted)
        options = case.get("options")
        if isinstance(options, dict):
            asked["options"] = {key: value for key, value in options.items() if key not in ANSWERS}
            if isinstance(options.get("flags"), list):
                asked["options"]["flags"] = [flag for flag in options["flags"] if "_EXPECT_" not in flag]
        asked["before"] = [
            {key: value for key, value in step.items() if key != "expect"} for step in case.get("before", [])
        ]
        return asked

    def _usual_outputs(self) -> dict[tuple[str, str], tuple[str, tuple[str, ...]]]:
        seen: dict[tuple[str, str], Counter[tuple[str, tuple[str, ...]]]] = defaultdict(Counter)
        for case in self.cases:
            if case["expect"] == "ok" and case["expected"]:
                folder = str(PurePath(case["expected"][0]).parent)
                seen[_kind(case)][folder, tuple(PurePath(path).suffix for path in case["expected"])] += 1
        return {kind: shapes.most_common(1)[0][0] for kind, shapes in seen.items()}


def _kind(case: Case) -> tuple[str, str]:
    return case["family"], case["kind"].partition("(")[0]


def inputs(case: Case) -> list[str]:
    """Every file that a case reads."""
    found = list(case["input"]) + [path for step in case.get("before", []) for path in step["input"]]
    return found + [case[key] for key in ("caps_file", "replies_file") if case.get(key)]


def outputs(case: Case) -> list[str]:
    """Every file that a case writes, messages aside."""
    return [path for path in case["expected"] if not path.endswith(".err")]


def answer(case: Case) -> str | None:
    """The word or number that a case expects instead of a file; None where it expects none."""
    options = case.get("options") or {}
    if case["family"] == "cpu":
        return None if case["expect"] == "ok" else str(case["expect"])
    if "memlock" in options:
        return str(options["memlock"]).replace("VIR_DOMAIN_MEMORY_PARAM_UNLIMITED", str(2**53 - 1))
    if "fwlist" in options:
        return "".join(re.findall(r'"([^"]*)"', options["fwlist"])).rstrip(":")
    return options["xml"] if case["family"] == "qemublock-inline" else None
