"""What these tests share: a fake that is served, certificates, and a driver with what it observed."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.hyperv.fake.host import FakeHost
from tests.hyperv.fake.machine import Machine
from tests.hyperv.fake.wire import handler
from tests.simulated.parts import Attempt
from virtbus.domain import Domain
from virtbus.driver import HostSettings, Known, Target
from virtbus.errors import VirtbusError
from virtbus.observations import Defined, Observation, Observed, Undefined
from virtbus.state import DomainState
from virtbus_hyperv.driver import HypervDriver

PASSWORD = "Tr0ub4dor&3"
SECONDS = 10.0

Seen = TypeVar("Seen", bound=Observation)

EFI = """<domain type='hyperv'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <title>A title</title>
  <description>Two lines
of text</description>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>2</vcpu>
  <os firmware='efi'><type arch='x86_64'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <source file='C:\\VMs\\{name}.vhdx'/>
      <target dev='sda' bus='scsi'/>
      <alias name='ua-root'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sdb' bus='scsi'/>
    </disk>
    <interface type='network'>
      <mac address='00:15:5d:00:00:01'/>
      <source network='External'/>
      <alias name='ua-nic'/>
    </interface>
  </devices>
</domain>
"""

BIOS = """<domain type='hyperv'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>512</memory>
  <currentMemory unit='MiB'>256</currentMemory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64'>hvm</type><boot dev='network'/><boot dev='hd'/></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='C:\\VMs\\{name}.vhd'/>
      <target dev='hda' bus='ide'/>
    </disk>
    <disk type='file' device='cdrom'>
      <source file='C:\\ISO\\setup.iso'/>
      <target dev='hdc' bus='ide'/>
    </disk>
    <disk type='block' device='disk'>
      <source dev='1'/>
      <target dev='sda' bus='scsi'/>
    </disk>
    <disk type='file' device='floppy'>
      <source file='C:\\VMs\\boot.vfd'/>
      <target dev='fda' bus='fdc'/>
    </disk>
    <interface type='bridge'>
      <mac address='00:15:5d:00:00:02'/>
      <source bridge='Private'/>
      <model type='tulip'/>
      <link state='down'/>
    </interface>
    <interface type='null'>
      <mac address='00:15:5d:00:00:03'/>
    </interface>
    <serial type='pipe'>
      <source path='\\\\.\\pipe\\{name}'/>
      <target port='1'/>
    </serial>
  </devices>
</domain>
"""

DISK = """<disk type='file' device='disk'><source file='C:\\VMs\\{name}.vhdx'/>
<target dev='{target}' bus='scsi'/><alias name='{alias}'/></disk>"""


@dataclass
class Served:
    """A fake host and where it is."""

    fake: FakeHost
    port: int
    transport: str = "http"

    @property
    def uri(self) -> str:
        return f"hyperv://virtbus@127.0.0.1:{self.port}/?transport={self.transport}"

    @property
    def url(self) -> str:
        return f"{self.transport}://127.0.0.1:{self.port}/wsman"

    def machine(self, name: str) -> Machine:
        """A machine by its name."""
        return next(machine for machine in self.fake.machines.values() if machine.name == name)


@asynccontextmanager
async def served(fake: FakeHost, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Serve a fake host."""
    server = await asyncio.start_server(handler(fake), "127.0.0.1", 0, ssl=tls)
    try:
        yield Served(fake, server.sockets[0].getsockname()[1], "http" if tls is None else "https")
    finally:
        server.close()


def certificate(folder: Path, name: str) -> tuple[Path, Path, str]:
    """A certificate of its own for 127.0.0.1: its file, its key's, and its SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(__import__("ipaddress").ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    return cert_file, key_file, built.fingerprint(hashes.SHA256()).hex()


class Worker:
    """A driver as the runtime runs it: connected, with its inventory taken, being watched."""

    def __init__(self, settings: HostSettings, known: Mapping[UUID, Known]) -> None:
        self.seen: list[Observation] = []
        self.driver = HypervDriver(settings, self.seen.append)
        self._known = known
        self.inventory: list[Observed] = []
        self.watching: asyncio.Task[None] | None = None

    async def start(self, *, watch: bool = True) -> Worker:
        self.facts = await self.driver.connect()
        self.inventory = await self.driver.inventory(self._known)
        if watch:
            self.watching = asyncio.create_task(self.driver.watch())
        return self

    async def stop(self) -> None:
        if self.watching is not None:
            self.watching.cancel()
            with suppress(asyncio.CancelledError, VirtbusError):
                await self.watching
        await self.driver.close()

    async def wait(self, kind: type[Seen], count: int = 1) -> Seen:
        """The first observation of a kind (or a later one), when it comes."""
        async with asyncio.timeout(SECONDS):
            while len(found := [one for one in self.seen if isinstance(one, kind)]) < count:
                await asyncio.sleep(0.005)
        return found[count - 1]

    def kinds(self) -> list[str]:
        """The names of what was observed."""
        return [type(one).__name__ for one in self.seen]

    def target(self, uuid: UUID) -> Target:
        """The domain as the record would have it after what was observed."""
        live = next((one.live for one in self.inventory if one.domain == uuid), None)
        persistent = next((one.persistent for one in self.inventory if one.domain == uuid), None)
        known = self.driver.session.witness.of(uuid)
        if known is not None:
            live, persistent = known.live, known.persistent
        for one in self.seen:
            if one.domain == uuid and isinstance(one, Defined | Undefined):
                persistent = getattr(one, "persistent", None)
        state = DomainState.SHUTOFF if live is None else DomainState.RUNNING
        return Target(
            host="hv", uuid=uuid, name="vm" if known is None else known.name, state=state, live=live,
            persistent=persistent,
        )  # fmt: skip

    async def define(self, xml: str = EFI, name: str = "vm", uuid: UUID | None = None, **words: Any) -> Domain:
        """Define a domain."""
        domain = Domain.parse(xml.format(name=name, uuid=uuid or uuid4(), **words))
        definition = self.driver.complete(domain, None)
        return await self.driver.define(definition, None, Attempt())

    async def boot(self, xml: str = EFI, name: str = "vm", *, paused: bool = False) -> Target:
        """Define a domain and start it."""
        definition = await self.define(xml, name)
        assert definition.uuid is not None
        await self.driver.start(self.target(definition.uuid), definition, Attempt(), paused=paused)
        return self.target(definition.uuid)
