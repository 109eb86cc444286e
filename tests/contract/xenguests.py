"""Guests on Xen, for the contract: paravirtual Linux that answers what it is asked, and GRUB, which never does.

The machine with Xen is found in the environment, where `make test-xen` puts it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from tests.xen.machine import KEY, KNOWN_HOSTS, URI
from virtbus.driver import HostSettings
from virtbus_xen.dom0 import Dom0, SshDom0
from virtbus_xen.host import file_of
from virtbus_xen.notes import Notes
from virtbus_xen.xenstore import XenStore
from virtbus_xen.xl import Xl

OPTIONS = {"key": os.environ.get(KEY, ""), "known_hosts": os.environ.get(KNOWN_HOSTS, "")}

TEMPLATE = """<domain type='xen'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    {boot}
  </os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/guest/root.img'/>
      <target dev='xvda' bus='xen'/>
      <readonly/>
      <alias name='ua-root'/>
    </disk>
    <interface type='bridge'>
      <source bridge='xenbr0'/>
      <mac address='00:16:3e:00:00:01'/>
      <model type='rtl8139'/>
      <alias name='ua-nic'/>
    </interface>
  </devices>
</domain>
"""

PLUGGABLE = {
    "disk": "<disk type='file' device='disk'><source file='/guest/data.img'/><target dev='xvdb' bus='xen'/>"
    "<alias name='ua-new'/></disk>",
    "interface": "<interface type='bridge'><source bridge='xenbr0'/><mac address='00:16:3e:00:00:02'/>"
    "<alias name='ua-new'/></interface>",
}


def missing() -> str | None:
    """Why there is no Xen to test with."""
    return None if os.environ.get(URI) else "no Xen is booted; run: make test-xen"


def words(awake: bool) -> Mapping[str, str]:
    """The fields of the template."""
    if not awake:
        return {"memory": "32", "boot": "<kernel>/guest/grub</kernel>"}
    boot = "<kernel>/guest/vmlinux</kernel><initrd>/guest/initrd</initrd><cmdline>console=hvc0 quiet</cmdline>"
    return {"memory": "256", "boot": boot}


@asynccontextmanager
async def place() -> AsyncIterator[tuple[Dom0, Xl]]:
    """dom0, without a worker."""
    nowhere = Path("/nonexistent")
    settings = HostSettings(name="test", uri=os.environ[URI], run=nowhere, state=nowhere, options=OPTIONS)
    dom0 = SshDom0(settings)
    await dom0.open()
    try:
        yield dom0, Xl(dom0)
    finally:
        await dom0.close()


async def destroy(domain: UUID) -> None:
    """End a domain behind the worker's back."""
    async with place() as (_, xl):
        await xl.ask("destroy", await _number(xl, domain))


async def pause(domain: UUID) -> None:
    """Stop its processors."""
    async with place() as (_, xl):
        await xl.ask("pause", await _number(xl, domain))


async def reset(domain: UUID) -> None:
    """Start it anew, without what was plugged into it."""
    async with place() as (dom0, xl):
        note = await Notes(XenStore(dom0)).read(domain)
        assert note is not None
        assert note.live is not None
        live = note.live.copy()
        live.devices.disks = [disk for disk in live.devices.disks if disk.alias != "ua-new"]
        await xl.ask("destroy", await _number(xl, domain))
        await xl.create(file_of(live), paused=False, timeout=60)


async def _number(xl: Xl, domain: UUID) -> str:
    return next(str(each.domid) for each in await xl.domains() if each.uuid == domain)


async def boots(name: str, count: int, limit: float) -> None:
    """Wait until a guest has told on its console that it has booted so many times."""
    async with asyncio.timeout(limit), place() as (_, xl):
        while True:
            text = await xl.shell(f"cat '/var/log/xen/console/guest-{name}.log' 2>/dev/null; true")
            if text.count("GUEST-READY") >= count:
                return
            await asyncio.sleep(0.3)
