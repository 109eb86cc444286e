"""A command line as people read it: quoted for a shell, an option with its value a line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence


def shell(words: Sequence[str]) -> str:
    """The words for a POSIX shell."""
    return " \\\n    ".join(" ".join(map(shlex.quote, line)) for line in lines(words))


def lines(words: Sequence[str]) -> Iterator[list[str]]:
    """The program; then each option with what follows it up to the next."""
    line: list[str] = []
    for word in words:
        if line and word.startswith("-"):
            yield line
            line = []
        line.append(word)
    yield line
