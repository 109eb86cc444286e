"""One run of a verb: its words, its client, and the ways from words to operations that every verb shares."""

from __future__ import annotations

import argparse
import os
import sys
from codecs import BOM_UTF8
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from virtbus.cli.arguments import AFFECT, DOMAIN, Argument
from virtbus.cli.failure import Left, UsageError
from virtbus.cli.progress import spinner
from virtbus.cli.verbs import Verb
from virtbus.client import Client, Job, Unreachable
from virtbus.client.config import NotConfigured, load
from virtbus.client.request import encoding_of
from virtbus.errors import Ambiguous, NoHost
from virtbus.operations import OPERATIONS, Affect, Operation
from virtbus.operations.domain import DomainSummary

ResultT = TypeVar("ResultT", bound=BaseModel)

PATIENCE = 5.0
"""Seconds that a gateway out of reach is tried again: somebody sits there."""
HOLD = 0.5
"""Seconds that the gateway may keep back the answer to a change, so that a quick one takes one round trip."""


class Session:
    """A verb with its arguments, as its code gets it."""

    def __init__(self, verb: Verb, arguments: argparse.Namespace) -> None:
        self.verb = verb
        self.arguments = arguments
        self.as_json: bool = arguments.json
        self.quiet: bool = arguments.quiet
        self.timeout: float | None = arguments.timeout
        self.job: Job[Any] | None = None
        """The job that is being waited for."""

    @cached_property
    def client(self) -> Client:
        """The client, made when it is first needed.

        :raises Unreachable: no gateway is configured.
        """
        try:
            found = load(self.arguments.url, token_file=self.arguments.token_file)
        except NotConfigured as error:
            raise Unreachable(str(error)) from error
        return Client(found.url, found.token, patience=PATIENCE)

    async def close(self) -> None:
        if "client" in vars(self):
            await self.client.close()

    async def domain(self) -> DomainSummary:
        """The domain that the DOMAIN argument means."""
        return await self.client.domain(self.arguments.domain)

    async def host(self) -> str:
        """The host that is named, or the only one there is.

        :raises NoHost: there is none.
        :raises Ambiguous: there are several, and none is named.
        """
        named: str | None = self.arguments.host or os.environ.get("VIRTBUS_HOST")
        if named:
            return named
        names = [host.record.name for host in await self.client.hosts()]
        if len(names) == 1:
            return names[0]
        if not names:
            raise NoHost("the fleet has no host", hint="start a worker: virtbus worker FAMILY --host NAME")
        where = "HOST" if any(argument.names == ("host",) for argument in self.verb.arguments) else "--host"
        raise Ambiguous(
            "the fleet has several hosts", hint=f"say which with {where}: {', '.join(names)}",
            evidence={"candidates": names},
        )  # fmt: skip

    async def operation(self, **fields: Any) -> Operation[Any]:
        """The verb's operation, with the fields that its arguments fill and those given here."""
        assert self.verb.operation is not None
        declared = OPERATIONS[self.verb.operation]
        place: dict[str, Any] = {}
        if DOMAIN in self.verb.arguments:
            domain = await self.domain()
            place = {"host": domain.host, "domain": domain.uuid}
        elif "host" in declared.model_fields and declared.model_fields["host"].is_required():
            place = {"host": await self.host()}
        return build(declared, place | self.fields(known=fields) | fields)

    def fields(self, known: Collection[str] = ()) -> dict[str, Any]:
        """The operation's fields that the arguments fill; what was not given is left to the operation's default.

        :param known: fields that are filled otherwise.
        """
        found: dict[str, Any] = {}
        for argument in self.verb.arguments:
            value = getattr(self.arguments, argument.destination, None)
            if argument.field is None or argument.field in known or not _given(argument, value):
                continue
            found[argument.field] = read_document(str(value)) if argument.field == "xml" else value
        if set(AFFECT) <= set(self.verb.arguments) and (affect := self._affect()) is not None:
            found["affect"] = affect
        return found

    def _affect(self) -> Affect | None:
        live, config, current = self.arguments.live, self.arguments.config, self.arguments.current
        if current and (live or config):
            raise UsageError("--current goes with neither --live nor --config")
        if live or config:
            return Affect.BOTH if live and config else Affect.LIVE if live else Affect.CONFIG
        return Affect.CURRENT if current else None

    async def change(self, operation: Operation[ResultT]) -> Job[ResultT]:
        """Have a change done: the job, ended well.

        :raises Left: --no-wait was given.
        :raises VirtbusError: it was refused, or failed.
        """
        job = await self.client.submit(operation, timeout=self.timeout, hold=0.0 if self.arguments.no_wait else HOLD)
        self.job = job
        if self.arguments.no_wait:
            raise Left(job.record)
        with spinner(self.verb.name, quiet=self.quiet) as progress:
            await job.wait(progress=progress)
        return job

    async def ask(self, operation: Operation[ResultT]) -> ResultT:
        """The answer to a question."""
        return await self.client.run(operation, timeout=self.timeout)


def build(declared: type[Operation[Any]], fields: dict[str, Any]) -> Operation[Any]:
    """An operation with these fields.

    :raises UsageError: the declaration does not allow one.
    """
    try:
        return declared.model_validate(fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError(wrong) from error


def read_document(path: str) -> str:
    """A file's text, in the encoding that its XML declaration names; `-` is standard input.

    :raises UsageError: it cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    encoding = encoding_of(content.removeprefix(BOM_UTF8))
    try:
        return content.removeprefix(BOM_UTF8).decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise UsageError(f"{path} is not {encoding}: {error}") from error


def _given(argument: Argument, value: object) -> bool:
    if argument.action == "store_true":
        return value is True
    if argument.action == "store_false":
        return value is False
    return value is not None
