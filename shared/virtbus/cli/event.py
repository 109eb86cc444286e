"""`event`: wait for one, follow all, or look through those that are kept."""

from __future__ import annotations

import asyncio

from virtbus.cli.failure import RUNNING, UsageError
from virtbus.cli.session import Session
from virtbus.cli.view import View, print_json, printable
from virtbus.client import EventStream
from virtbus.eventkinds import EventKind
from virtbus.records import Event

QUIET = 1.0
"""Seconds without an event after which those that are kept have all been shown."""


async def event(session: Session) -> View:
    """`event`: the first that comes; with --replay or --cursor, what is kept; with --follow, all until interrupted.

    --timeout ends it in any case: exit code 4 where no event came.
    """
    arguments = session.arguments
    unknown = [kind for kind in arguments.kind or () if kind not in list(EventKind)]
    if unknown:
        raise UsageError(f"no such kind of event: {', '.join(unknown)}; there are {', '.join(EventKind)}")
    place = {"host": arguments.host}
    if arguments.domain:
        domain = await session.client.domain(arguments.domain)
        place = {"host": domain.host, "domain": str(domain.uuid)}
    stream = session.client.events(arguments.cursor, kinds=arguments.kind or (), replay=arguments.replay, **place)
    try:
        async with stream, asyncio.timeout(session.timeout):
            shown = await _show(session, stream)
    except TimeoutError:
        shown = session.arguments.follow
    if stream.cursor and not session.quiet and not session.as_json and not arguments.follow:
        print(f"go on with: --cursor {stream.cursor}")
    return View(None, code=0 if shown else RUNNING)


async def _show(session: Session, stream: EventStream) -> bool:
    """Print events as the flags ask; whether there was one."""
    kept = session.arguments.replay or session.arguments.cursor is not None
    shown = False
    while True:
        try:
            async with asyncio.timeout(QUIET if kept and not session.arguments.follow else None):
                found = await anext(stream)
        except TimeoutError:
            return True
        shown = True
        if session.as_json:
            print_json(found.model_dump(mode="json") | {"id": found.id, "cursor": stream.cursor})
        else:
            print(line_of(found), flush=True)
        if not kept and not session.arguments.follow:
            return shown


def line_of(found: Event) -> str:
    """An event in a line: time, place, kind, details."""
    if found.kind is EventKind.GAP:
        return "-- a gap: events were lost here, since the cursor was too old or another stream's"
    details = " ".join(f"{name}={value}" for name, value in found.detail.items())
    place = f"{found.host}/{found.name or found.domain}" if found.domain else found.host
    words = [f"{found.time.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3], place, str(found.kind), found.subject, details]
    if found.cause:
        words.append(f"(job {found.cause})")
    if found.reconciled:
        words.append("(noticed afterwards)")
    return printable(" ".join(word for word in words if word))
