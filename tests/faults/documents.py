"""The domains and devices of the run."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from tests.guests.linux import Guest

_SIMULATED = """<domain type='test'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='KiB'>1048576</memory><vcpu current='1'>64</vcpu>
  <os><type>hvm</type></os>
  <devices>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><alias name='ua-cdrom'/></disk>
  </devices>
</domain>"""

_QEMU = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory><vcpu current='1'>4</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><alias name='ua-cdrom'/></disk>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/><controller type='pci' index='2' model='pcie-root-port'/>
    <controller type='pci' index='3' model='pcie-root-port'/><controller type='pci' index='4' model='pcie-root-port'/>
    {serial}
  </devices>
  <qemu:commandline>
    <qemu:arg value='-chardev'/><qemu:arg value='socket,id=spy,path={spy},server=off,reconnect=0'/>
    <qemu:arg value='-mon'/><qemu:arg value='chardev=spy,mode=control'/>
  </qemu:commandline>
</domain>"""

_DISK = """<disk type='file' device='disk'>
  <driver name='qemu' type='raw'/><source file='{path}'/><target dev='{target}' bus='virtio'/>{limits}
  <alias name='{alias}'/>
</disk>"""


def simulated(name: str, uuid: UUID) -> str:
    """A domain of the simulated hypervisor."""
    return _SIMULATED.format(name=name, uuid=uuid)


def machine(name: str, uuid: UUID, spy: Path, guest: Guest | None = None, console: Path | None = None) -> str:
    """A domain of QEMU whose second monitor calls the harness; with a guest it boots, else it only has firmware."""
    boot = "" if guest is None else (
        f"<kernel>{guest.kernel}</kernel><initrd>{guest.initrd}</initrd><cmdline>{guest.cmdline}</cmdline>"
    )  # fmt: skip
    serial = "" if console is None else f"<serial type='file'><source path='{console}'/></serial>"
    return _QEMU.format(
        name=name, uuid=uuid, spy=spy, boot=boot, serial=serial, memory=64 if guest is None else 128
    )


def disk(alias: str, target: str, path: Path, iops: int = 0) -> str:
    """A disk to be plugged, or the same with a limit of operations per second."""
    limits = f"<iotune><total_iops_sec>{iops}</total_iops_sec></iotune>" if iops else ""
    return _DISK.format(alias=alias, target=target, path=path, limits=limits)
