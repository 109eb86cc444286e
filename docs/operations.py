"""The page of operations, made from their declarations: `python docs/operations.py` writes docs/operations.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from virtbus.operations import OPERATIONS, Kind, Operation

FILE = Path(__file__).with_suffix(".md")
KINDS = {
    Kind.JOB: "a change: a job, 202",
    Kind.QUERY: "a read that the host's worker answers",
    Kind.RECORD: "a read that the gateway answers from the record",
    Kind.GATEWAY: "a change that the gateway makes by itself",
}
HEAD = """# Operations

Made from the declarations in `shared/virtbus/operations/` by `python docs/operations.py`.

Every operation is declared once; HTTP, SDK, CLI and the bus follow. Under `/v1/hosts/{host}/domains/{domain}` an
address may be shortened to `/v1/domains/{domain}`. A job is answered with 202 and its record; `Prefer: wait=N` waits up
to N seconds for its end, `Prefer: timeout=N` sets its time limit, `Idempotency-Key` makes a repeat safe. Arguments that
are not in the path go into the query string, or into a JSON body of what is no read; a document may be the body itself,
as application/xml. `/openapi.json` of a gateway has the schemas.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_kinds(), *_objects(), ""])


def _kinds() -> Iterator[str]:
    yield "| kind | |\n|---|---|"
    yield from (f"| {kind} | {what} |" for kind, what in KINDS.items())


def _objects() -> Iterator[str]:
    ordered = sorted(OPERATIONS.values(), key=lambda operation: operation.name)
    for name, operations in groupby(ordered, key=lambda operation: operation.name.partition(".")[0]):
        yield f"\n## {name.capitalize() if name != 'qemu' else 'QEMU'}\n"
        yield "| operation | what it does | HTTP | arguments | kind | permission | facet | limit |"
        yield "|---|---|---|---|---|---|---|---|"
        yield from (_row(operation) for operation in operations)


def _row(operation: type[Operation[Any]]) -> str:
    path = operation.http
    arguments = [
        f"`{field.alias or name}`" + ("" if field.is_required() else "?")
        for name, field in operation.model_fields.items()
        if f"{{{name}}}" not in path
    ]
    kind = f"{operation.kind}, overtakes" if operation.overtakes else str(operation.kind)
    limit = f"{operation.timeout:g} s" if operation.kind in (Kind.JOB, Kind.QUERY) else ""
    cells = (
        f"`{operation.name}`", operation.summary(), f"`{path}`", " ".join(arguments), kind,
        f"`{operation.permission}`", operation.facet or "", limit,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
