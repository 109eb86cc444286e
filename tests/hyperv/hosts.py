"""A fake Hyper-V host for the contract: where it is, its domains, and what happens to them."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

START_SECONDS = 20.0
PASSWORD = "Contract-S3cret"

_running: list[subprocess.Popen[bytes]] = []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = _free_port()
URI = f"hyperv://virtbus@127.0.0.1:{PORT}/?transport=http"
OPTIONS: Mapping[str, str] = {"secret": "{folder}/hyperv/secret", "auth": "ntlm", "poll": "0.3"}

TEMPLATE = """<domain type='hyperv'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>2</vcpu>
  <os firmware='efi'>
    <type arch='x86_64'>hvm</type>
  </os>
  <features><acpi/></features>
  <devices>
    <controller type='scsi' index='0'/>
    <disk type='file' device='disk'>
      <source file='{folder}/root.vhdx'/>
      <target dev='vda' bus='scsi'/>
      <alias name='ua-root'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sdc' bus='scsi'/>
      <readonly/>
      <alias name='ua-cdrom'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='External'/>
      <model type='netvsc'/>
      <alias name='ua-nic'/>
    </interface>
  </devices>
</domain>
"""

PLUGGABLE = {
    "disk": "<disk type='file' device='disk'><source file='{folder}/data.vhdx'/><target dev='vdb' bus='scsi'/>"
    "<alias name='ua-new'/></disk>",
    "interface": "<interface type='bridge'><source bridge='External'/><mac address='52:54:00:00:00:02'/>"
    "<alias name='ua-new'/></interface>",
    "controller": "<controller type='scsi' index='1'><alias name='ua-new'/></controller>",
}
MEASURED = {"block.count": 2, "block.0.name": "vda", "block.1.name": "sdc", "net.count": 1}


def launch(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a fake in a folder of its own; returns when it serves."""
    folder.mkdir(exist_ok=True)
    (folder / "secret").write_text(PASSWORD + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hyperv.fake", "--folder", str(folder), *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "ports").exists():
        assert process.poll() is None, "the fake ended"
        assert time.monotonic() < deadline, "the fake is not ready"
        time.sleep(0.05)
    return process


def prepare(folder: Path) -> None:
    """Start the host; it ends with the stack, since its command line names the folder."""
    _running.append(launch(folder / "hyperv", "--port", str(PORT)))


async def control(port: int, **asked: Any) -> dict[str, Any]:
    """Ask a fake for something that no client of Hyper-V could."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(asked).encode()
    writer.write(b"POST /control HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    said: dict[str, Any] = json.loads(await reader.readexactly(length))
    writer.close()
    assert "error" not in said, said
    return said


async def befall(folder: Path, domain: UUID, what: str) -> None:
    """Let something happen to a machine."""
    await control(PORT, domain=str(domain), happens=what)
