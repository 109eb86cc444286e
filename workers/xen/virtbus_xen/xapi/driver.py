"""The driver of XCP-ng and XenServer pools: xapi://user@pool[:port].

Settings: `password_file` (a file with the password alone), `ca` (the certificates that the pool's own is signed by;
without it the system's). The pool keeps definitions; those of domains that were defined here come to it at their
first start.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known, Work
from virtbus.errors import HypervisorError, InvalidArgument
from virtbus.observations import Observation, Observe, Observed
from virtbus.state import DomainState
from virtbus_xen import definition
from virtbus_xen.capabilities import capabilities
from virtbus_xen.xapi.devices import check
from virtbus_xen.xapi.facets import XapiDevices, XapiLifecycle, XapiTuning
from virtbus_xen.xapi.host import PoolHost, state_of
from virtbus_xen.xapi.rpc import Pool
from virtbus_xen.xapi.translation import read

HTTPS = 443


class XapiDriver(XapiLifecycle, XapiDevices, XapiTuning, Driver):
    """Serves one pool."""

    family = "xapi"
    local = False

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self.host = PoolHost(settings.name, observe)

    async def connect(self) -> HostFacts:
        """See Driver."""
        self.host = PoolHost(self.settings.name, self.observe)
        place = urlsplit(self.settings.uri)
        if not place.hostname:
            raise InvalidArgument(f"{self.settings.uri} names no pool", host=self.settings.name,
                                  hint="xapi://root@pool.example.org is expected")  # fmt: skip
        url = f"https://{place.hostname}:{place.port or HTTPS}"
        trust = await asyncio.to_thread(self._trust)
        self.host.pool = Pool(url, place.username or "root", await asyncio.to_thread(self._password), trust)
        await self.host.pool.login()
        pool = next(iter((await self.host.pool.call("pool.get_all_records")).values()))
        master = await self.host.pool.call("host.get_record", pool["master"])
        version = master["software_version"]
        product = " ".join(filter(None, (version.get("product_brand"), version.get("product_version"))))
        caps = {"xen_caps": " ".join(master.get("capabilities", [])), "machine": "x86_64",
                "total_memory": str(int(master.get("memory_overhead", 0)) >> 20)}  # fmt: skip
        return HostFacts(
            version=f"{product or 'XAPI'} (Xen {version.get('xen', '?')})", machine=pool["uuid"],
            boot=hashlib.sha256(str(master["other_config"].get("boot_time", "")).encode()).hexdigest()[:32],
            fqdn=master["hostname"], capabilities=capabilities(caps, pool["uuid"]),
        )  # fmt: skip

    def _password(self) -> str:
        path = self.settings.options.get("password_file")
        if not path:
            raise InvalidArgument("the pool's password is not said", host=self.settings.name,
                                  hint="--option password_file=FILE")  # fmt: skip
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise InvalidArgument(f"{path}: {error.strerror}", host=self.settings.name) from error

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.settings.options.get("ca") or None)
        except OSError as error:
            raise InvalidArgument(f"the certificates of the setting `ca` cannot be read: {error}",
                                  host=self.settings.name) from error  # fmt: skip

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver."""
        host = self.host
        await host.take()
        found = []
        for uuid, machine in host.machines.items():
            live = machine.live
            missed: list[Observation] = []
            if uuid in known and live is not None:
                machine.removals = dict.fromkeys(known[uuid].pending)
                missed = await host.missed(machine)
            state = state_of(machine)
            observed = Observed(
                domain=uuid, name=machine.record["name_label"], state=state,
                reason={DomainState.PAUSED: "user", DomainState.RUNNING: "booted"}.get(state, "unknown"),
                incarnation=machine.incarnation if live is not None else None,
                id=machine.domid if live is not None else None,
                live=live.copy() if live is not None else None, missed=tuple(missed),
                persistent=None if uuid in known else read(machine.record),
                stopped=await host.ending(machine) if live is None else None,
            )  # fmt: skip
            found.append(observed)
        host.taken.set()
        return found

    async def watch(self) -> None:
        """See Driver."""
        await self.host.watch()

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return definition.complete(domain, previous, check)

    async def undefined(self, domain: Domain, work: Work, *, nvram: bool, keep_nvram: bool) -> None:
        """See Driver: the pool forgets the machine; its images stay."""
        machine = self.host.machines.get(domain.uuid) if domain.uuid is not None else None
        if machine is not None and machine.live is None:
            machine.held += 1
            await self.host.pool.call("VM.destroy", machine.ref)
            del self.host.machines[machine.uuid]

    async def close(self) -> None:
        """See Driver."""
        with suppress(AttributeError, HypervisorError):
            await self.host.pool.close()
