"""Operations on processes inside a guest."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from virtbus.operations.declaration import DomainOperation, Kind

MAX_OUTPUT = 256 * 1024
"""Bytes of standard output and of standard error that are kept."""


class Completed(BaseModel):
    """A process that ended."""

    status: int
    """Its exit status; 128 and a signal's number where a signal ended it."""
    output: str
    errors: str
    truncated: bool = False
    """Whether it wrote more than is kept."""


class RunProcess(DomainOperation[Completed]):
    """Run a program in the guest and wait for its end."""

    name = "domain.exec"
    kind = Kind.JOB
    facet = "Processes"
    permission = "domain:exec"
    http = "POST /v1/hosts/{host}/domains/{domain}/exec"
    wire = "domain_qemu_agent_command"
    verb = "exec"

    command: Annotated[list[Annotated[str, StringConstraints(max_length=65536)]], Field(min_length=1, max_length=1024)]
    """The program and its arguments; no shell reads them."""
    environment: dict[str, str] = {}
    input: str = ""
    """What it reads from standard input."""
