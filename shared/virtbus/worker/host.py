"""Serving one host: taking it, comparing what is with what was recorded, then carrying out its jobs until it is lost.

Start, restart, takeover and the end of a bus outage are this same path.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging

from virtbus import __version__
from virtbus.bus.connection import Bus
from virtbus.bus.ownership import hand_over, served_by_another, take
from virtbus.bus.sessions import Session, SessionLost
from virtbus.driver import HostFacts
from virtbus.errors import HostTaken, Unavailable, VirtbusError
from virtbus.operations import OPERATIONS, Kind
from virtbus.records import HostRecord
from virtbus.worker.lock import HostLock
from virtbus.worker.share import GRACE, Share
from virtbus.worker.tenure import CONNECT_LIMIT, HostPlan, Tenure

log = logging.getLogger(__name__)

CLOSE_LIMIT = 10.0
"""Seconds that a driver is given to let go of its hypervisor."""
RETRY = 1.0
"""Seconds between tries to take a host."""


class HandedOver(Unavailable):
    """Another worker is to serve the host."""


class HostServer:
    """Serves one host for as long as the process has a session."""

    def __init__(self, bus: Bus, session: Session, plan: HostPlan, share: Share | None = None) -> None:
        """:param share: how the host is shared with other workers; None where no other worker could serve it."""
        self._bus = bus
        self._share = share
        self._free_since: float | None = None
        self._session = session
        self._plan = plan
        self._lock = HostLock(plan.settings.run, plan.settings.name) if plan.driver.local else None
        self.serving = asyncio.Event()
        """Set while the host is owned and its jobs are carried out."""
        self.trouble: str | None = None
        """Why it is not served, for health."""

    @property
    def name(self) -> str:
        return self._plan.settings.name

    async def run(self) -> None:
        """Take the host and serve it, again and again, until cancelled.

        :raises SessionLost: the session ran out: nothing may be done before there is a new one.
        :raises HostTaken: the name belongs to another machine.
        """
        try:
            while True:
                if not self._session.valid:
                    raise SessionLost("the session ran out", host=self.name)
                try:
                    await self._serve()
                except* HostTaken as group:
                    raise group.exceptions[0] from None
                except* (TimeoutError, VirtbusError) as group:
                    self._note(group)
                except* Exception as group:
                    log.exception("host %s: a defect ended its tenure", self.name)
                    self._note(group)
                self.serving.clear()
                await asyncio.sleep(RETRY)
        finally:
            self.serving.clear()
            if self._lock is not None:
                self._lock.release()

    def _note(self, group: BaseExceptionGroup[BaseException]) -> None:
        text = "; ".join(sorted({str(error) for error in _leaves(group)}))
        if text != self.trouble:
            log.warning("host %s is not served: %s", self.name, text)
        self.trouble = text

    async def _serve(self) -> None:
        if self._lock is not None:
            self._lock.acquire()
        if self._share is not None and not await self._is_ours(self._share):
            return
        async with contextlib.AsyncExitStack() as stack:
            tenure = Tenure(self._bus, self._session, self._plan, fenced=self._lock is not None)
            stack.push_async_callback(_close, tenure)
            async with asyncio.timeout(CONNECT_LIMIT):
                facts = await tenure.driver.connect()
            ownership = await take(
                self._bus.hosts, self._bus.sessions, self._record(facts), self._session.record.id,
                fenced=self._lock is not None, force=self._plan.take_over,
            )  # fmt: skip
            if ownership is None:
                self.trouble = "another worker serves it"
                return
            log.info("took host %s, epoch %d", self.name, ownership.epoch)
            try:
                async with asyncio.TaskGroup() as group:
                    if self._share is not None:
                        group.create_task(self._hand_over_in_time(tenure, self._share))
                    await tenure.serve(ownership, facts, self._ready)
            except* HandedOver:
                self.serving.clear()
                log.info("hand host %s over", self.name)
                await hand_over(self._bus.hosts, self.name, self._session.record.id)

    async def _is_ours(self, share: Share) -> bool:
        """Whether to try for the host now. It costs less than to reach the hypervisor, and is asked again and again."""
        now = asyncio.get_running_loop().time()
        if await served_by_another(self._bus.hosts, self._bus.sessions, self.name, self._session.record.id):
            self.trouble, self._free_since = "another worker serves it", None
            return False
        if self._free_since is None:
            self._free_since = now
        return share.falls_to_us(self.name) or now - self._free_since >= GRACE

    async def _hand_over_in_time(self, tenure: Tenure, share: Share) -> None:
        """:raises HandedOver: another worker is to serve the host, and nothing is being done on it."""
        while True:
            await asyncio.sleep(RETRY)
            if self.serving.is_set() and tenure.idle and share.should_hand_over(self.name):
                share.note_hand_over(self.name)
                self._free_since = asyncio.get_running_loop().time()
                raise HandedOver("the host falls to another worker", host=self.name)

    def _ready(self) -> None:
        self.trouble = None
        self.serving.set()

    def _record(self, facts: HostFacts) -> HostRecord:
        facets = self._plan.driver.facets()
        return HostRecord(
            name=self.name,
            family=self._plan.driver.family,
            uri=self._plan.settings.uri,
            version=facts.version,
            worker_version=__version__,
            fqdn=facts.fqdn,
            machine=facts.machine,
            facets=sorted(facets),
            operations={
                name: operation.version
                for name, operation in OPERATIONS.items()
                if operation.kind in (Kind.JOB, Kind.QUERY) and (operation.facet is None or operation.facet in facets)
            },
            capabilities=hashlib.sha256(facts.capabilities.encode()).hexdigest(),
        )


async def _close(tenure: Tenure) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT):
            await tenure.driver.close()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
