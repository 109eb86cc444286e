"""What a verb shows: for machines, for people at a terminal, and for people's pipes.

On a terminal tables are drawn by rich; elsewhere they are plain, aligned and stable. Names come from whoever defined a
domain, so control characters never reach a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def printable(value: object) -> str:
    """Text without control characters; `-` for None, `yes` and `no` for truth."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).translate(_CONTROL)


@dataclass(frozen=True)
class Table:
    """Rows under headings."""

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    right: frozenset[str] = frozenset()
    """Headings of the columns that are numbers."""

    def plain(self) -> str:
        """virsh's look: a line under the headings, columns three blanks apart."""
        cells = [[printable(cell).replace("\n", " ") for cell in row] for row in (self.headings, *self.rows)]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.headings))]
        lines = ["   ".join(self._aligned(row, widths)).rstrip() for row in cells]
        rule = "-" * (sum(widths) + 3 * (len(widths) - 1))
        return "\n".join([lines[0], rule, *lines[1:]]) + "\n"

    def _aligned(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        return [
            cell.rjust(width) if heading in self.right else cell.ljust(width)
            for cell, width, heading in zip(row, widths, self.headings, strict=True)
        ]

    def rich(self) -> Any:
        """The same for a terminal."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in self.headings:
            drawn.add_column(heading, justify="right" if heading in self.right else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*(Text(printable(cell)) for cell in row))
        return drawn


@dataclass(frozen=True)
class View:
    """The outcome of a verb; people see what is there of note, facts, table and text, in this order."""

    machine: Any
    """What --json prints; None where the verb has printed already."""
    note: str = ""
    """Said unless --quiet."""
    facts: Sequence[tuple[str, object]] = ()
    table: Table | None = None
    text: str = ""
    code: int = field(default=0, kw_only=True)
    """The exit code."""


def show(view: View, *, as_json: bool, quiet: bool) -> None:
    """Write it to standard output."""
    if as_json:
        if view.machine is not None:
            print_json(view.machine, indent=2)
        return
    if view.note and not quiet:
        print(printable(view.note))
    if view.facts:
        width = max(len(name) for name, _ in view.facts) + 2
        print("".join(f"{name + ':':<{width}} {printable(value)}\n" for name, value in view.facts), end="")
    if view.table is not None:
        show_table(view.table)
    if view.text:
        print(view.text, end="" if view.text.endswith("\n") else "\n")


def show_table(table: Table) -> None:
    if not sys.stdout.isatty():
        print(table.plain(), end="")
        return
    from rich.console import Console

    Console().print(table.rich())


def print_json(value: Any, indent: int | None = None) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=indent, ensure_ascii=False, default=str), flush=True)
