"""Calls that look at files, which may lie on storage that does not answer.

    await answer(lambda: check_images(domain, target), timeout=20)

Each is made in a thread of its own: the event loop goes on, and a thread that hangs in the kernel keeps neither others
waiting nor the worker from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from virtbus.errors import HypervisorSilent

T = TypeVar("T")

MOST = 64
"""How many may be under way: they hang for good where storage is dead."""

_places = threading.BoundedSemaphore(MOST)


async def answer(call: Callable[[], T], *, timeout: float) -> T:
    """What a call returns; what it raises is raised.

    :param timeout: seconds; the call goes on after that, and nobody learns of its end.
    :raise HypervisorSilent: it takes longer, or too many others hang.
    """
    places = _places
    if not places.acquire(blocking=False):
        raise HypervisorSilent(f"{MOST} calls wait for storage already", hint="see which of the host's mounts hangs")
    outcome: Future[T] = Future()
    # From now on it cannot be cancelled, so that the thread may always tell.
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  it is raised where it is awaited
            outcome.set_exception(error)
        finally:
            places.release()

    threading.Thread(target=run, name="storage call", daemon=True).start()
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.wrap_future(outcome)
    except TimeoutError as error:
        raise HypervisorSilent(
            f"storage did not answer within {timeout:g} s", hint="see which of the host's mounts hangs"
        ) from error
