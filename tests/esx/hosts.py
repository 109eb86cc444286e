"""An ESX host and a vCenter for the contract: where they are, their domains, and what happens to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from tests.esx.vcsim import Simulator, control, put


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ADDRESSES = {mode: f"127.0.0.1:{_free_port()}" for mode in ("esx", "vc")}
DATACENTERS = {"esx": "ha-datacenter", "vc": "DC0"}
URIS = {
    "esx": f"esx://user@{ADDRESSES['esx']}/",
    "vc": f"vpx://user@{ADDRESSES['vc']}/DC0/DC0_C0/DC0_C0_H0",
}

TEMPLATE = """<domain type='vmware'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64'>hvm</type>
  </os>
  <features><acpi/></features>
  <devices>
    <controller type='scsi' index='0' model='vmpvscsi'/>
    <disk type='file' device='disk'>
      <source file='[LocalDS_0] root.vmdk'/>
      <target dev='sda' bus='scsi'/>
      <alias name='ua-root'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='hda' bus='ide'/>
      <readonly/>
      <alias name='ua-cdrom'/>
    </disk>
    <interface type='bridge'>
      <mac address='00:0c:29:00:00:01'/>
      <source bridge='VM Network'/>
      <model type='vmxnet3'/>
      <alias name='ua-nic'/>
    </interface>
  </devices>
</domain>
"""

PLUGGABLE = {
    "disk": "<disk type='file' device='disk'><source file='[LocalDS_0] data.vmdk'/><target dev='sdb' bus='scsi'/>"
    "<alias name='ua-new'/></disk>",
    "interface": "<interface type='bridge'><mac address='00:0c:29:00:00:02'/><source bridge='VM Network'/>"
    "<model type='vmxnet3'/><alias name='ua-new'/></interface>",
    "controller": "<controller type='scsi' index='1' model='lsilogic'><alias name='ua-new'/></controller>",
}
MEASURED = {"block.count": 2, "block.0.name": "sda", "block.1.name": "hda", "net.count": 1}

PLAYS = {"dies": "die", "pauses": "suspend", "resets": "reset", "hangs": "hang"}
"""The front's word for each misfortune."""


def options(mode: str) -> Mapping[str, str]:
    """The options of a host of the stack."""
    return {"secret": f"{{folder}}/{mode}/secret", "ca": f"{{folder}}/{mode}/certificate.pem"}


def prepare(mode: str, folder: Path) -> None:
    """Start the server and fill its datastore; it ends with the stack, since its command line names the folder."""
    Simulator.launch(folder / mode, mode=mode, listen=ADDRESSES[mode])
    for name in ("root.vmdk", "root-flat.vmdk", "data.vmdk", "data-flat.vmdk"):
        put(ADDRESSES[mode], folder / mode, name, b"", datacenter=DATACENTERS[mode], datastore="LocalDS_0")


async def befall(mode: str, folder: Path, domain: UUID, what: str) -> None:
    """Let something happen to a machine."""
    await asyncio.to_thread(control, ADDRESSES[mode], folder / mode, play=PLAYS[what], uuid=str(domain))
