"""The domains of the demonstration: a small Linux guest on QEMU, or the same on the simulated hypervisor."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

NAME = "demo"

_GUEST = """<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <serial type='file'><source path={console}/></serial>
    <interface type='user'><model type='virtio'/></interface>
    <graphics type='vnc'/>
    <video><model type='vga'/></video>
  </devices>
</domain>
"""

_SIMULATED = """<domain type='test'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type>hvm</type></os>
</domain>
"""

_DISK = """<disk type='file' device='disk'>
  <driver name='qemu' type='raw'/>
  <source file={path}/>
  <target dev='vdb' bus='virtio'/>
</disk>
"""


def guest(kernel: Path, initrd: Path, cmdline: str, console: Path) -> str:
    """The domain that boots the guest; its serial console is written to a file."""
    return _GUEST.format(
        name=NAME, kernel=escape(str(kernel)), initrd=escape(str(initrd)), cmdline=escape(cmdline),
        console=quoteattr(str(console)),
    )  # fmt: skip


def simulated() -> str:
    """The same for the simulated hypervisor."""
    return _SIMULATED.format(name=NAME)


def disk(path: Path) -> str:
    """The disk that is given and taken away."""
    return _DISK.format(path=quoteattr(str(path)))
