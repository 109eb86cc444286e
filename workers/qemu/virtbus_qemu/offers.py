"""What domains may ask of this host's QEMU, and which processors it can give them."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from virtbus.cpu import CpuDefinition, HostCpu, baseline, compare, expand
from virtbus.domain.cpu import Cpu
from virtbus.driver import Offers
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus.xml import parse_document
from virtbus_qemu.capabilities import Capabilities, Processors
from virtbus_qemu.guestcpu import named_host
from virtbus_qemu.host import QemuHost
from virtbus_qemu.probing.offer import Offering, Site


def definition(xml: str) -> CpuDefinition:
    """A processor as libvirt describes it: a host's names its architecture, a guest's does not.

    :raise XmlError: it is none.
    """
    root = parse_document(xml)
    if root.tag != "cpu":
        # A host's whole document has it inside; that is how most people come to one.
        root = next(iter(root.iter("cpu")), root)
    text = etree.tostring(root, encoding="unicode")
    if root.find("arch") is not None:
        return CpuDefinition.of_host(HostCpu.parse(text))
    return CpuDefinition.of_guest(Cpu.parse(text))


class QemuOffers(Offers):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def domain_capabilities(self, machine: str | None, kind: str | None) -> str:
        """See Offers."""
        capabilities = self.host.capabilities
        chosen = kind or ("kvm" if capabilities.kvm_usable else "qemu")
        accelerator = {"qemu": "tcg"}.get(chosen, chosen)
        capabilities.accelerator(accelerator)
        if machine is not None:
            capabilities.machine(machine)
        known = _processors(capabilities)
        site = Site(
            firmware=list(capabilities.firmware),
            cpus=known.table,
            loaders=[each.code.filename for each in capabilities.firmware],
        )
        return Offering(capabilities.digest, site, chosen, machine).document().format()

    async def compare_cpu(self, xml: str) -> str:
        """See Offers."""
        capabilities = self.host.capabilities
        known = _processors(capabilities)
        ours = named_host(capabilities.accelerator(), known, bound=True)
        if ours is None:
            raise ConfigUnsupported("QEMU does not say what processor it could give to guests")
        return compare(known.table, ours, definition(xml)).name.lower()

    async def baseline_cpu(self, documents: Sequence[str], *, expanded: bool, migratable: bool) -> str:
        """See Offers."""
        table = _processors(self.host.capabilities).table
        cpus = [definition(text) for text in documents]
        if any(cpu.arch not in (None, *_PC) for cpu in cpus):
            raise InvalidArgument("processors of other architectures than x86 have no baseline here")
        result = baseline(table, cpus, migratable=migratable)
        return (expand(table, result) if expanded else result).format()


_PC = ("x86_64", "i686")


def _processors(capabilities: Capabilities) -> Processors:
    if capabilities.processors is None:
        raise ConfigUnsupported(
            f"there is no table of processors for {capabilities.arch}", hint="x86 has one, made from QEMU's own words"
        )
    return capabilities.processors
