"""Containers for the tests: a root of busybox, made by hand, whose first process answers what it is asked, or does not.

Debian's busybox template is not used: its udhcpc clears addresses that were set, and it shows the host's /lib.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from tests.contract.drivers import Guest, Misfortune
    from tests.stack import Stack

TOOLS = ("lxc-start", "lxc-attach", "lxc-snapshot", "rsync", "ip", "losetup", "nsenter")
BUSYBOX = Path("/bin/busybox")
LINKS = ("sh", "sleep", "poweroff", "reboot", "cat", "ip", "ls", "mount", "ping", "nc", "seq", "id", "touch", "dd")
FOLDERS = ("bin", "sbin", "proc", "sys", "dev", "tmp", "etc", "root", "mnt", "run")

TEMPLATE = """<domain type='lxc'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64'>exe</type>
    <init>/sbin/init</init>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{folder}/halt.img'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
      <alias name='ua-root'/>
    </disk>
    <filesystem type='mount'>
      <source dir='{root}'/>
      <target dir='/'/>
      <alias name='ua-files'/>
    </filesystem>
    <interface type='ethernet'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
      <alias name='ua-nic'/>
    </interface>
    <console type='file'><source path='{console}'/></console>
  </devices>
</domain>
"""

PLUGGABLE = {
    "disk": "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{folder}/data.img'/>"
    "<target dev='vdb' bus='virtio'/><alias name='ua-new'/></disk>",
    "interface": "<interface type='ethernet'><mac address='52:54:00:00:00:02'/><model type='virtio'/>"
    "<alias name='ua-new'/></interface>",
    "filesystem": "<filesystem type='mount'><source dir='/etc'/><target dir='/mnt/etc'/><readonly/>"
    "<alias name='ua-new'/></filesystem>",
    "memory-filesystem": "<filesystem type='ram'><source usage='1024'/><target dir='/mnt/memory'/>"
    "<alias name='ua-new'/></filesystem>",
    "hostdev": "<hostdev mode='capabilities' type='misc'><source><char>/dev/fuse</char></source>"
    "<alias name='ua-new'/></hostdev>",
}
"""A device of each kind that can be plugged."""

# libvirt ends a container by SIGTERM first, and gives one that ignores it 1.6 s more.
AWAKE = """#!/bin/sh
trap 'poweroff -f' PWR
trap 'reboot -f' INT
trap 'exit 0' TERM
echo GUEST-READY
while :; do sleep 1000 & wait $!; done
"""
DEAF = """#!/bin/sh
trap '' PWR INT
while :; do sleep 1000; done
"""


def missing() -> str | None:
    """What of a machine's own is not there to run containers; None where all is."""
    if os.geteuid() != 0:
        return "containers need root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent or not BUSYBOX.exists():
        return f"missing {', '.join(absent) or 'busybox-static'} (Debian: deploy/install-lxc)"
    return None


def make_root(folder: Path, init: str) -> Path:
    """A container's root, with this as its first process; one that is there stays as it is."""
    if not folder.exists():
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        shutil.copy2(BUSYBOX, folder / "bin/busybox")
        for name in LINKS:
            (folder / "bin" / name).symlink_to("busybox")
        (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ntester:x:1234:1234::/tmp:/bin/sh\n")
        (folder / "etc/group").write_text("root:x:0:\ntester:x:1234:\n")
        script = folder / "sbin/init"
        script.write_text(init)
        script.chmod(0o755)
    return folder


def words(guest: Guest, console: Path) -> Mapping[str, str]:
    """The template's fields."""
    init = AWAKE if guest.value == "awake" else DEAF
    return {"root": str(make_root(console.with_name(f"root-{console.name}"), init)), "console": str(console)}


async def befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
    """Signal the container's processes, or have LXC do it without Virtbus."""
    notes = json.loads((stack.run("c1") / "containers" / str(domain) / "run.json").read_text())
    where = ("-P", notes["path"], "-n", notes["name"])
    match what.value:
        case "dies":
            os.kill(notes["init"][0], signal.SIGKILL)
            # The freezer of cgroups version 1 holds up even this.
            subprocess.run(["lxc-unfreeze", *where], check=False, timeout=10)
        case "hangs":
            os.kill(notes["monitor"][0], signal.SIGSTOP)
        case "pauses":
            subprocess.run(["lxc-freeze", *where], check=True, timeout=10)
        case "resets":
            reboot(notes["init"][0])


def reboot(init: int) -> None:
    """reboot(2) in the PID namespace of a container's first process."""
    own = os.readlink("/proc/self/ns/pid")
    assert os.readlink(f"/proc/{init}/ns/pid") != own
    namespace = os.open(f"/proc/{init}/ns/pid", os.O_RDONLY)
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None)
        # Only what is forked after it enters a PID namespace.
        if libc.setns(namespace, 0x20000000) == 0:
            inner = os.fork()
            if inner == 0:
                if os.readlink("/proc/self/ns/pid") != own:
                    libc.reboot(0x1234567)
                os._exit(0)
            os.waitpid(inner, 0)
        os._exit(0)
    os.close(namespace)
    os.waitpid(child, 0)
