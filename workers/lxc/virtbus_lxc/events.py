"""What lxc-monitor tells: one long-lived process for all of a host's containers, started again where it ends.

Each line only says that a container is to be looked at: what became of it is read from the kernel. So nothing is lost
while lxc-monitor is away, and nothing depends on the order in which it tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from virtbus_lxc.tools import ENVIRONMENT, path_of

log = logging.getLogger(__name__)

AGAIN = 1.0
"""Seconds until lxc-monitor is started again."""
_LINE = re.compile(r"^'(.*)' (?:changed state to \[\w+\]|exited with status \[\d+\])$")
ALL = ".*"


class Events:
    """Calls `heard` with the name of each container of which something was told, and with None when all are to be
    looked at."""

    def __init__(self, paths: Sequence[Path], heard: Callable[[str | None], None]) -> None:
        self._paths = paths
        self._heard = heard

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._session()
            except OSError as error:
                log.warning("lxc-monitor cannot be run: %s", error)
            await asyncio.sleep(AGAIN)

    async def _session(self) -> None:
        for path in self._paths:
            await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
        words = [word for path in self._paths for word in ("-P", str(path))]
        process = await asyncio.create_subprocess_exec(
            path_of("lxc-monitor"), *words, "-n", ALL, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd="/", env=ENVIRONMENT,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._heard(None)
            assert process.stdout is not None
            async for line in process.stdout:
                match = _LINE.match(line.decode(errors="replace").rstrip("\n"))
                if match is not None:
                    self._heard(match.group(1))
            log.warning("lxc-monitor has ended with %s; it is started again", await process.wait())
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
