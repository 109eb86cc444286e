"""systemd's notify protocol (sd_notify(3)): a service tells its supervisor that it is ready and that it lives."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(text: str) -> None:
    """Send an assignment such as READY=1 to $NOTIFY_SOCKET; does nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as channel:
        try:
            channel.sendto(text.encode(), address)
        except OSError:
            # A supervisor that is gone or slow must not hurt the service.
            return


def watchdog_interval() -> float | None:
    """Seconds between signs of life that the supervisor wants (half its limit), or None where it wants none."""
    limit = os.environ.get("WATCHDOG_USEC")
    return int(limit) / 2e6 if limit and limit.isdigit() else None


async def keep_alive() -> None:
    """Send WATCHDOG=1 for as long as the event loop turns."""
    interval = watchdog_interval()
    if interval is None:
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
