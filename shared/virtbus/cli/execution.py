"""Carrying out a verb: its code found, run in an event loop, its outcome shown, its failure reported."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import cast

from virtbus.cli.failure import INTERRUPTED, Left, UsageError, report, report_interrupt, report_left, report_usage
from virtbus.cli.session import Session
from virtbus.cli.verbs import Verb
from virtbus.cli.view import View, show
from virtbus.errors import VirtbusError

Code = Callable[[Session], Awaitable[View]]


def execute(verb: Verb, arguments: argparse.Namespace) -> int:
    """Carry out a verb; returns the exit code."""
    session = Session(verb, arguments)
    try:
        view = asyncio.run(_perform(session))
        show(view, as_json=session.as_json, quiet=session.quiet)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return report_interrupt(session.job.record if session.job else None)
    except Left as left:
        return report_left(left.record, as_json=session.as_json)
    except UsageError as error:
        return report_usage(error)
    except VirtbusError as error:
        return report(error, as_json=session.as_json)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; Python must not complain again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    return view.code


async def _perform(session: Session) -> View:
    module, _, name = session.verb.code.partition(":")
    code = cast(Code, getattr(import_module(f"virtbus.cli.{module}"), name))
    try:
        return await code(session)
    finally:
        await session.close()
