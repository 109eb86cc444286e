"""The domains that run when a host comes up: libvirt's `test`, as of its test:///default, and as many more as asked.

A domain that nobody has changed has no XML of its own: it is written when somebody asks, so that thousands cost little.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5
from zlib import crc32

TEST_NAME = "test"
TEST_UUID = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
"""What every test:///default has."""
TEST_VCPUS = 2
TEST_MEMORY = 8 * 1024 * 1024
"""KiB, maximum; a quarter of it is in use."""

SEED_VCPUS = 2
SEED_MEMORY = 1024 * 1024
"""KiB."""

_TEST = """<domain type='test' id='{id}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>8388608</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='i686'>hvm</type>
    <boot dev='hd'/>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices/>
</domain>
"""

_SEED = """<domain type='test' id='{id}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>1048576</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='x86_64'>hvm</type>
    <boot dev='hd'/>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver type='raw'/>
      <source file='/simulated/{name}.img'/>
      <target dev='vda' bus='virtio'/>
      <alias name='virtio-disk0'/>
    </disk>
    <interface type='user'>
      <mac address='{mac}'/>
      <model type='virtio'/>
      <alias name='net0'/>
    </interface>
  </devices>
</domain>
"""


def seed_name(index: int) -> str:
    """The name of the domain of this index; index 0 is `test`."""
    return TEST_NAME if index == 0 else f"{TEST_NAME}{index}"


def seed_uuid(host: str, index: int) -> UUID:
    """Its UUID, the same at every start of the host."""
    return TEST_UUID if index == 0 else uuid5(NAMESPACE_URL, f"simulated://{host}/{index}")


def seed_size(index: int) -> tuple[int, int]:
    """Its virtual CPUs and the memory it may use now, in KiB."""
    return (TEST_VCPUS, TEST_MEMORY // 4) if index == 0 else (SEED_VCPUS, SEED_MEMORY)


def seed_xml(host: str, index: int, uuid: UUID, number: int) -> str:
    """Its live definition; `number` is the id of the running domain."""
    tail = crc32(f"{host}/{index}".encode())
    mac = f"52:54:{tail >> 24:02x}:{tail >> 16 & 255:02x}:{tail >> 8 & 255:02x}:{tail & 255:02x}"
    return (_TEST if index == 0 else _SEED).format(id=number, name=seed_name(index), uuid=uuid, mac=mac)
