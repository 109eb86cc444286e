"""Break documents and see that each is read or refused as it should be.

    python -m tests.fuzz [--count N] [--seed N] [--corpus FOLDER] [--saved FOLDER] [--qemu]
    python -m tests.fuzz --replay FILE...

The documents are the project's own examples, and those of a corpus where one is given. Each runs within limits of time
and memory, in a child process, so that not even a crash of the interpreter ends the run. What fails is saved; the exit
code is 1 then.
"""

from __future__ import annotations

import argparse
import faulthandler
import mmap
import os
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.course import limits, verdict
from tests.fuzz.mutation import mutated
from virtbus.errors import VirtbusError
from virtbus.xml import parse_document
from virtbus.xmltool.document import ROOTS

ROOT = Path(__file__).parents[2]
PORTION = 5000
"""Documents of one child; a fresh one begins with little memory."""
PROGRESS = struct.Struct("qqq")
"""What a child tells: the number it is at, how many were accepted, how many failed."""
LARGEST_SEED = 64 * 1024
"""Bytes; larger documents of a corpus say nothing more and take long."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="make fuzz", description="Read broken documents by the thousand.")
    result.add_argument("--count", type=int, default=20_000, help="how many documents (default: 20000)")
    result.add_argument("--seed", type=int, default=0, help="which of all the ways to break them (default: 0)")
    result.add_argument("--corpus", type=Path, action="append", default=[], metavar="FOLDER",
                        help="a folder with XML files to break besides the project's own")  # fmt: skip
    result.add_argument("--saved", type=Path, default=ROOT / ".cache" / "fuzz", metavar="FOLDER",
                        help="where what fails is written (default: .cache/fuzz)")  # fmt: skip
    result.add_argument("--qemu", action="store_true",
                        help="let the QEMU worker complete the domains too, and make their command lines")  # fmt: skip
    result.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="only read these files")
    return result


def seeds(folders: Sequence[Path]) -> list[bytes]:
    """The documents that are broken, each once, in an order of their own; only such as some model may read."""
    found: dict[bytes, None] = {}
    for folder in (ROOT / "tests", *folders):
        for path in sorted(folder.rglob("*.xml")):
            if path.stat().st_size <= LARGEST_SEED and _is_known(text := path.read_bytes()):
                found[text] = None
    return list(found)


def _is_known(text: bytes) -> bool:
    try:
        return parse_document(text).tag in ROOTS
    except VirtbusError:
        return False


class Run:
    """One run: what it has seen, and what failed."""

    def __init__(self, documents: Sequence[bytes], seed: int, saved: Path, *, qemu: bool = False) -> None:
        self.documents = documents
        self.seed = seed
        self.saved = saved
        self.qemu = qemu
        self.accepted = 0
        self.failed = 0
        self._shared = mmap.mmap(-1, PROGRESS.size)

    def fail(self, number: int, reason: str) -> None:
        """Save the document of that number with the reason."""
        self.saved.mkdir(parents=True, exist_ok=True)
        path = self.saved / f"{self.seed}-{number}.xml"
        path.write_bytes(mutated(self.documents, self.seed, number))
        path.with_suffix(".txt").write_text(reason)
        self.failed += 1
        print(f"{path}: {reason.strip().splitlines()[-1]:.200}", file=sys.stderr, flush=True)

    def portion(self, begin: int, end: int) -> None:
        """Read the documents of these numbers in a child; after a crash of it go on in another."""
        while begin < end:
            PROGRESS.pack_into(self._shared, 0, begin, 0, 0)
            child = os.fork()
            if child == 0:
                self._child(begin, end)
            _, status = os.waitpid(child, 0)
            at, accepted, failed = PROGRESS.unpack_from(self._shared)
            self.accepted += accepted
            self.failed += failed
            if status == 0:
                return
            self.fail(at, f"the process died: {os.waitstatus_to_exitcode(status)}")
            begin = at + 1

    def _child(self, begin: int, end: int) -> None:
        accepted = self.failed = 0
        with limits():
            for number in range(begin, end):
                PROGRESS.pack_into(self._shared, 0, number, accepted, self.failed)
                good, reason = verdict(mutated(self.documents, self.seed, number), qemu=self.qemu)
                accepted += good
                if reason is not None:
                    self.fail(number, reason)
        PROGRESS.pack_into(self._shared, 0, end, accepted, self.failed)
        sys.stdout.flush()
        os._exit(0)


def replay(paths: Sequence[Path], *, qemu: bool = False) -> int:
    """Read these files and say what is wrong; returns the exit code."""
    code = 0
    with limits():
        for path in paths:
            accepted, reason = verdict(path.read_bytes(), qemu=qemu)
            print(f"{path}: {reason or ('accepted' if accepted else 'refused')}")
            code = code or int(reason is not None)
    return code


def main(argv: Sequence[str]) -> int:
    """Run; returns the exit code."""
    arguments = parser().parse_args(argv)
    faulthandler.enable()
    if arguments.replay:
        return replay(arguments.replay, qemu=arguments.qemu)
    missing = [str(folder) for folder in arguments.corpus if not folder.is_dir()]
    if missing:
        print(f"no such folder: {', '.join(missing)}", file=sys.stderr)
        return 2
    documents = seeds(arguments.corpus)
    run = Run(documents, arguments.seed, arguments.saved, qemu=arguments.qemu)
    began = time.monotonic()
    for begin in range(0, arguments.count, PORTION):
        run.portion(begin, min(begin + PORTION, arguments.count))
    print(
        f"{arguments.count} broken documents from {len(documents)}, seed {arguments.seed}:"
        f" {run.accepted} accepted, {arguments.count - run.accepted - run.failed} refused, {run.failed} failed"
        f" in {time.monotonic() - began:.0f} s"
    )
    if run.failed:
        print(f"saved in {arguments.saved}", file=sys.stderr)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
