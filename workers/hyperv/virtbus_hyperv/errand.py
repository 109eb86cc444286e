"""Work that no job asked for: a time limit, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from virtbus.errors import Expired

T = TypeVar("T")


class Errand:
    """A Work (virtbus.driver) of the worker's own."""

    job = ""
    attempt = 1
    begun: Mapping[str, Any] | None = None

    def __init__(self, seconds: float) -> None:
        self.cancelled = asyncio.Event()
        self._until = asyncio.get_running_loop().time() + seconds

    def remaining(self) -> float:
        """Seconds until the limit; never negative."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def before_effect(self, **mark: Any) -> None:
        """Nothing is to be remembered: what is half done is found by the next look."""

    async def until(self, awaited: Coroutine[Any, Any, T]) -> T:
        """Await something within the limit.

        :raises Expired: it took too long.
        """
        try:
            async with asyncio.timeout(self.remaining()):
                return await awaited
        except TimeoutError:
            raise Expired("it took the host too long") from None

    async def progress(
        self, phase: str, done: int | None = None, total: int | None = None, unit: str | None = None
    ) -> None:
        """Nobody waits for it."""
