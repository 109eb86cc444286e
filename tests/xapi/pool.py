"""The simulated pool for the contract: where it is, its domains, and what happens to them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from tests.xapi.simulator import PASSWORD, certify
from virtbus_xen.xapi.rpc import Pool

START_SECONDS = 20.0

_running: list[subprocess.Popen[bytes]] = []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = _free_port()
URI = f"xapi://root@127.0.0.1:{PORT}"
OPTIONS: Mapping[str, str] = {"password_file": "{folder}/pool.password", "ca": "{folder}/pool.pem"}

TEMPLATE = """<domain type='xen'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
  </os>
  <devices>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='local' volume='root'/>
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
    "disk": "<disk type='volume' device='disk'><source pool='local' volume='data'/><target dev='xvdb' bus='xen'/>"
    "<alias name='ua-new'/></disk>",
    "interface": "<interface type='bridge'><source bridge='xenbr0'/><mac address='00:16:3e:00:00:02'/>"
    "<alias name='ua-new'/></interface>",
}


def prepare(folder: Path) -> None:
    """Start the simulator; it ends with the stack, since its command line names the folder."""
    certify(folder)
    _running.append(
        subprocess.Popen(
            [sys.executable, "-m", "tests.xapi.simulator", str(folder), str(PORT)], stdin=subprocess.DEVNULL
        )
    )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the simulated pool does not listen")


async def befall(folder: Path, domain: UUID, what: str) -> None:
    """Let something happen to a domain."""
    pool = Pool(f"https://127.0.0.1:{PORT}", "root", PASSWORD, ssl.create_default_context(cafile=folder / "pool.pem"))
    await pool.login()
    try:
        await pool.call("simulator.befall", str(domain), what)
    finally:
        await pool.close()
