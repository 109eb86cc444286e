"""The page of errors, made from their tree: `python docs/errors.py` writes docs/errors.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import virtbus.errors
from virtbus.errors import VirtbusError

FILE = Path(__file__).with_suffix(".md")
HEAD = """# Errors

The table is made from `shared/virtbus/errors.py` by `python docs/errors.py`.

Every failure is one typed error with libvirt's code. It says what was asked, of which host and domain, what the
hypervisor answered (`evidence`), and what the reader can do (`hint`). The same error is

- over HTTP: a problem document (RFC 9457), `application/problem+json`, of type `urn:virtbus:error:KIND`, with `code`,
  `code_name`, `domain_code`, `host`, `domain`, `hint` and `evidence` as members of its own;
- in a job's record: `error`, with the same fields. A job that fails after it was accepted is a good answer of HTTP (200
  or 202) with the error inside;
- in Python: the class of that name in `virtbus.errors`, raised by the SDK;
- in the CLI: one line, `error: MESSAGE (HINT)`, and an exit code: 1 refused or failed, 2 wrong usage, 3 no such
  host, domain, device or job, 4 still running, 5 out of reach, 130 interrupted.

Which to try again: `Unavailable` (503), as it is, with the same `Idempotency-Key`: what was accepted is not accepted a
second time. `OutcomeUnknown` is not to be repeated blindly: look at the domain first.

| kind | HTTP | libvirt's code | when |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(_rows(VirtbusError)) + "\n"


def _rows(of: type[VirtbusError]) -> Iterator[str]:
    """The errors below one, in the order of the tree."""
    for error in of.__subclasses__():
        if error.__module__ != virtbus.errors.__name__:
            continue
        when = " ".join((error.__doc__ or "").split("\n\n")[0].split())
        when = when.partition("; `evidence")[0].rstrip(".") + "."
        yield f"| `{error.__name__}` | {error.status} | `VIR_ERR_{error.code.name}` ({int(error.code)}) | {when} |"
        yield from _rows(error)


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
