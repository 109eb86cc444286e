"""How workers share hosts that several of them could serve, as with remote hypervisors.

Each host has one worker that it falls to: by rendezvous hashing over the living sessions that name it, so that all
workers come to the same answer without talking, and the end of one worker moves its hosts only. That is a preference;
who may act is decided by ownership alone. A host that nobody serves is taken by any worker after a grace, and an owner
to which a host does not fall hands it over once no job of it is in hand.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

from virtbus.bus.sessions import Sessions
from virtbus.bus.settings import SESSION_TTL
from virtbus.records import SessionRecord

GRACE = 3.0
"""Seconds that the preferred worker is given to take a host that nobody serves."""
SETTLE = 5.0
"""Seconds for which another worker must have been preferred before a host is handed over."""
PEACE = 300.0
"""Seconds for which a host is kept that came back after it was handed over: the other could not serve it."""


class Share:
    """One worker's view of who is there to serve which host."""

    def __init__(self, sessions: Sessions, own: SessionRecord, skew: float) -> None:
        """:param skew: seconds that the broker's clock is ahead of ours."""
        self._sessions = sessions
        self._own = own
        self._skew = skew
        self._seen: dict[str, tuple[SessionRecord, float]] = {own.id: (own, float("inf"))}
        self._handed_over: dict[str, float] = {}
        self._not_ours: dict[str, float] = {}

    async def watch(self) -> None:
        """Follow the sessions, for ever."""
        loop = asyncio.get_running_loop()
        async for record, renewed in self._sessions.renewals():
            if record.id != self._own.id and record.family == self._own.family:
                age = datetime.now(renewed.tzinfo).timestamp() + self._skew - renewed.timestamp()
                self._seen[record.id] = (record, loop.time() - max(0.0, age))

    def falls_to_us(self, host: str) -> bool:
        """Whether this worker is the one that the host falls to."""
        return max(self._candidates(host), key=lambda session: _rank(host, session)) == self._own.id

    def should_hand_over(self, host: str) -> bool:
        """Whether a host that this worker serves has fallen to another one for long enough."""
        now = asyncio.get_running_loop().time()
        if self.falls_to_us(host) or now - self._handed_over.get(host, float("-inf")) < PEACE:
            self._not_ours.pop(host, None)
            return False
        return now - self._not_ours.setdefault(host, now) >= SETTLE

    def note_hand_over(self, host: str) -> None:
        """A host was handed over; should it come back, it stays for a while."""
        self._not_ours.pop(host, None)
        self._handed_over[host] = asyncio.get_running_loop().time()

    def _candidates(self, host: str) -> list[str]:
        now = asyncio.get_running_loop().time()
        gone = [session for session, (_, renewed) in self._seen.items() if now - renewed > SESSION_TTL]
        for session in gone:
            del self._seen[session]
        found = [session for session, (record, _) in self._seen.items() if host in record.hosts]
        return found or [self._own.id]


def _rank(host: str, session: str) -> bytes:
    return hashlib.blake2b(f"{host} {session}".encode(), digest_size=8).digest()
