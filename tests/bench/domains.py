"""The documents of the benchmark; ours and the rival get the same, each with files of its own."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid5
from xml.sax.saxutils import escape, quoteattr

from tests.guests.linux import Guest

NAMESPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
EMULATOR = "/usr/bin/qemu-system-x86_64"
IMAGE_BYTES = 16 * 1024 * 1024

SLEEP = b"\xff" * (64 * 1024 - 16) + b"\xfa\xf4\xeb\xfd".ljust(16, b"\xff")
"""A firmware of four bytes at the reset vector: cli; hlt; jmp back. A hundred guests of it use no processor."""

_GUEST = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
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
    <emulator>{emulator}</emulator>
    <serial type='file'><source path={console}/></serial>
    <interface type='user'><model type='virtio'/></interface>
    <graphics type='vnc'><listen type='socket'/></graphics>
    <video><model type='vga'/></video>
  </devices>
</domain>
"""

_SMALL = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader type='rom'>{firmware}</loader>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>{emulator}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file={image}/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
  </devices>
</domain>
"""

_DISK = """<disk type='file' device='disk'>
  <driver name='qemu' type='raw'/>
  <source file={path}/>
  <target dev='vdb' bus='virtio'/>
</disk>
"""


def uuid_of(name: str) -> UUID:
    """The UUID of the domain of that name, the same in every run."""
    return uuid5(NAMESPACE, name)


def guest(name: str, linux: Guest, console: Path) -> str:
    """A domain that boots the test guest, with what a small real one has."""
    return _GUEST.format(
        name=name, uuid=uuid_of(name), kernel=escape(str(linux.kernel)), initrd=escape(str(linux.initrd)),
        cmdline=escape(linux.cmdline), console=quoteattr(str(console)), emulator=EMULATOR,
    )  # fmt: skip


def small(name: str, image: Path) -> str:
    """A domain of a crowd: a disk, a network card, and a processor that sleeps for ever once it runs."""
    make_image(image)
    firmware = image.with_name("sleep.rom")
    if not firmware.exists():
        firmware.write_bytes(SLEEP)
    return _SMALL.format(
        name=name, uuid=uuid_of(name), image=quoteattr(str(image)), emulator=EMULATOR, firmware=escape(str(firmware))
    )


def disk(image: Path) -> str:
    """The disk that is plugged and unplugged."""
    make_image(image)
    return _DISK.format(path=quoteattr(str(image)))


def make_image(path: Path) -> None:
    """An empty raw image."""
    with path.open("ab") as file:
        file.truncate(IMAGE_BYTES)


def usual() -> str:
    """A guest with a device of many kinds; complete and in libvirt's layout it has some 5 KB."""
    return f"""<domain type='qemu'><name>usual</name><uuid>{uuid_of("usual")}</uuid>
      <title>A document of the usual size</title><memory unit='GiB'>4</memory><vcpu placement='static'>4</vcpu>
      <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
      <features><acpi/><apic/><vmport state='off'/></features>
      <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>
      <clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' present='no'/></clock>
      <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
      <devices><emulator>{EMULATOR}</emulator>
        <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
          <source file='/images/usual.qcow2'/><target dev='vda' bus='virtio'/></disk>
        <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='virtio'/>
          <driver name='vhost' queues='2'/></interface>
        <serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console>
        <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
        <input type='tablet' bus='usb'/><graphics type='vnc' port='-1' autoport='yes'/>
        <video><model type='virtio' heads='1' primary='yes'/></video><memballoon model='virtio'/>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>"""
