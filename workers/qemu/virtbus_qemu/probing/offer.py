"""What a domain may ask of a QEMU binary: the choices of each device kind, as tables of capability flags.

In a table each value stands with the flag that it needs; None where every QEMU has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from virtbus.capabilities.domain import (
    CpuOffer,
    Devices,
    DomainCapabilities,
    Features,
    Loader,
    Offer,
    Os,
    Section,
    Sections,
    SectionSize,
    SevOffer,
    SgxOffer,
    Values,
    VcpuLimit,
)
from virtbus.cpu import CpuTable, HostCpu, PowerTable
from virtbus_qemu.probing.cpumodes import CpuModes
from virtbus_qemu.probing.descriptors import Descriptor, interfaces_of, suitable
from virtbus_qemu.probing.digest import Accelerator, Digest, MachineType
from virtbus_qemu.probing.guests import PC

Table = dict[str, str | None]

_GRAPHICS: Table = {
    "sdl": "sdl",
    "vnc": "vnc",
    "rdp": "display-dbus",
    "spice": "spice",
    "egl-headless": "egl-headless",
    "dbus": "display-dbus",
}
_VIDEO: Table = {
    "vga": "VGA",
    "cirrus": "cirrus-vga",
    "vmvga": "vmware-svga",
    "qxl": "qxl",
    "virtio": "virtio-gpu",
    "none": None,
    "bochs": "bochs-display",
    "ramfb": "ramfb",
}
_RNG_BACKENDS: Table = {"random": "rng-random", "egd": "rng-egd", "builtin": "rng-builtin"}
_FILESYSTEMS: Table = {"path": None, "handle": None, "virtiofs": "vhost-user-fs"}
_TPMS: Table = {
    "tpm-tis": "tpm-tis",
    "tpm-crb": "tpm-crb",
    "tpm-spapr": "tpm-spapr",
    "spapr-tpm-proxy": "spapr-tpm-proxy",
}
_TPM_BACKENDS: Table = {"passthrough": "tpm-passthrough", "emulator": "tpm-emulator", "external": "tpm-emulator"}
_CHANNELS: Table = {"pty": None, "unix": None, "spicevmc": "spice"}
_CRYPTO_BACKENDS: Table = {"builtin": None, "lkcf": "cryptodev-backend-lkcf"}
_MEMORY: Table = {"file": None, "anonymous": None, "memfd": "memory-backend-memfd"}
_NETWORKS: Table = {"default": None, "passt": "netdev.stream"}

#: The beginnings of the names of boards that have an IDE controller of their own.
_IDE_BOARDS = ("pc-i440fx", "pc-0.", "pc-1.", "malta", "sun4u", "g3beige")

#: Any of these is a controller for USB devices of the host.
_USB_CONTROLLERS = (
    "piix3-usb-uhci",
    "piix4-usb-uhci",
    "vt82c686b-usb-uhci",
    "pci-ohci",
    "usb-ehci",
    "ich9-usb-ehci1",
    "nec-usb-xhci",
    "qemu-xhci",
)

_STARTUP = ["default", "mandatory", "requisite", "optional"]


@dataclass(frozen=True, slots=True)
class Site:
    """What of the host matters for its domains.

    :param firmware: the descriptors that are installed.
    :param loaders: the images that domains may name.
    :param tpm_versions: what the TPM emulator can be.
    :param vfio: PCI devices of the host can be handed to guests.
    :param cpus: the table of x86 processors, in libvirt's names.
    :param power: the table of POWER processors.
    :param cpu: the host's own processor.
    :param address_bits: how wide its physical addresses are; 0 where that is not known.
    """

    firmware: list[Descriptor]
    cpus: CpuTable
    power: PowerTable = field(default_factory=PowerTable)
    loaders: list[str] = field(default_factory=list)
    tpm_versions: list[str] = field(default_factory=lambda: ["2.0"])
    vfio: bool = True
    cpu: HostCpu | None = None
    address_bits: int = 0


@dataclass(slots=True)
class Offering:
    """A binary, an accelerator, a machine type: what a domain of that kind may ask for.

    :param virt: kvm, qemu or hvf.
    :param machine: a machine type or its alias; None for the default one.
    """

    digest: Digest
    site: Site
    virt: str
    machine: str | None = None

    def document(self) -> DomainCapabilities:
        """libvirt's document."""
        found = self._machine()
        limit = found.max_cpus if found is not None and self._accelerator is not None else None
        firmware = suitable(self.site.firmware, self._arch, self._name)
        return DomainCapabilities(
            path=self.digest.head.emulator,
            domain=self.virt,
            machine=self._name,
            arch=self._arch,
            vcpu=VcpuLimit(max=limit) if limit else None,
            iothreads=Offer.of(),
            os=self._os(firmware),
            cpu=CpuOffer(modes=CpuModes(self.digest, self.site, self.virt).modes()),
            memory_backing=Offer.of(sourceType=self._values(_MEMORY)),
            devices=self._devices(),
            features=self._features(),
        )

    # ---- the machine ----

    @property
    def _arch(self) -> str:
        return self.digest.head.arch

    @property
    def _accelerator(self) -> Accelerator | None:
        return self.digest.accelerator({"qemu": "tcg"}.get(self.virt, self.virt))

    def _machine(self) -> MachineType | None:
        source = self._accelerator or self.digest.accelerators[-1]
        machines = source.machines
        if self.machine is None:
            return machines[0] if machines else None
        return next((each for each in machines if self.machine in (each.name, each.alias)), None)

    @property
    def _name(self) -> str:
        found = self._machine()
        return found.name if found is not None else self.machine or ""

    def _is(self, *families: str) -> bool:
        """Whether the machine type is one of these families, or a version of one."""
        return any(self._name == family or self._name.startswith(f"{family}-") for family in families)

    def _values(self, table: Table) -> list[str]:
        return [value for value, flag in table.items() if flag is None or self.digest.has(flag)]

    def _virtio(self, flag: str | None = None) -> list[str]:
        """The models of a virtio device."""
        if flag is not None and not self.digest.has(flag):
            return []
        if not self.digest.has("virtio-pci-non-transitional"):
            return ["virtio"]
        return ["virtio", "virtio-transitional", "virtio-non-transitional"]

    # ---- firmware ----

    def _os(self, firmware: Iterable[Descriptor]) -> Os:
        firmware = list(firmware)
        secure = ["yes", "no"] if any(each.secure for each in firmware) else ["no"]
        return Os(
            supported=True,
            enums=[Values(name="firmware", values=interfaces_of(firmware))],
            loader=Loader(
                supported=True,
                values=list(self.site.loaders),
                enums=[
                    Values(name="type", values=["rom", "pflash"]),
                    Values(name="readonly", values=["yes", "no"]),
                    Values(name="secure", values=secure),
                ],
            ),
        )

    # ---- devices ----

    def _devices(self) -> Devices:
        has = self.digest.has
        tpms = self._values(_TPMS)
        return Devices(
            disk=self._disk(),
            graphics=Offer.of(type=self._values(_GRAPHICS)),
            video=Offer.of(modelType=self._values(_VIDEO)),
            hostdev=self._hostdev(),
            rng=Offer.of(model=self._virtio("virtio-rng"), backendModel=self._values(_RNG_BACKENDS)),
            filesystem=Offer.of(driverType=self._values(_FILESYSTEMS)),
            tpm=Offer.of(
                bool(tpms),
                model=tpms,
                backendModel=self._values(_TPM_BACKENDS),
                backendVersion=list(self.site.tpm_versions),
            ),
            redirdev=Offer.of(has("usb-redir"), bus=["usb"]),
            channel=Offer.of(type=self._values(_CHANNELS)),
            crypto=Offer.of(
                model=["virtio"] if has("virtio-crypto") else [],
                type=["qemu"],
                backendModel=self._values(_CRYPTO_BACKENDS),
            ),
            interface=Offer.of(backendType=self._values(_NETWORKS)),
            panic=self._panic(),
        )

    def _disk(self) -> Offer:
        floppy = not self._is("pseries")
        buses = {
            "ide": self._name == "pc" or self._name.startswith(_IDE_BOARDS),
            "fdc": floppy,
            "scsi": True,
            "virtio": True,
            "usb": self.digest.has("usb-storage"),
            "sata": self.digest.has("ich9-ahci"),
        }
        return Offer.of(
            diskDevice=["disk", "cdrom", *(["floppy"] if floppy else []), "lun"],
            bus=[name for name, there in buses.items() if there],
            model=self._virtio(),
        )

    def _hostdev(self) -> Offer:
        usb = any(map(self.digest.has, _USB_CONTROLLERS))
        return Offer.of(
            mode=["subsystem"],
            startupPolicy=_STARTUP,
            subsysType=[*(["usb"] if usb else []), "pci", "scsi"],
            capsType=[],
            pciBackend=["default", "vfio"] if self.site.vfio else [],
        )

    def _panic(self) -> Offer:
        pc = self._arch in PC
        models = {
            "isa": pc and self.digest.has("pvpanic"),
            "pseries": self._arch in ("ppc64", "ppc64le"),
            "hyperv": pc,
            "s390": self._arch == "s390x",
            "pvpanic": self.digest.has("pvpanic-pci"),
        }
        known = [name for name, there in models.items() if there]
        return Offer.of(bool(known), model=known)

    # ---- features ----

    def _features(self) -> Features:
        has = self.digest.has
        protected = has("s390-pv-guest")
        hyperv = self.digest.hyperv
        return Features(
            gic=self._gic(),
            vmcoreinfo=Offer.of(has("vmcoreinfo")),
            genid=Offer.of(has("vmgenid")),
            backing_store_input=Offer.of(),
            backup=Offer.of(),
            async_teardown=Offer.of(has("run-with.async-teardown")),
            s390_pv=Offer.of() if protected else None,
            ps2=Offer.of(self._arch in PC and has("machine-i8042-opt")),
            sev=self._sev(),
            sgx=self._sgx(),
            hyperv=Offer.of(features=[each.name for each in hyperv.caps]) if hyperv is not None else None,
            launch_security=self._launch_security(),
        )

    def _gic(self) -> Offer:
        kernel = self.virt == "kvm"
        versions = sorted(gic.version for gic in self.digest.gics if (gic.kernel if kernel else gic.emulated))
        return Offer.of(bool(versions) and self._is("virt"), version=list(map(str, versions)))

    def _sev(self) -> SevOffer:
        sev = self.digest.sev
        if sev is None:
            return SevOffer(supported=False)
        return SevOffer(
            supported=True,
            cbitpos=sev.cbitpos,
            reduced_phys_bits=sev.reduced_phys_bits,
            max_guests=sev.max_guests,
            max_es_guests=sev.max_es_guests,
            cpu0_id=sev.cpu0_id,
        )

    def _sgx(self) -> SgxOffer:
        sgx = self.digest.sgx
        if sgx is None:
            return SgxOffer(supported=False)
        sections = sgx.sections.sections if sgx.sections is not None else []
        return SgxOffer(
            supported=True,
            flc=sgx.flc,
            sgx1=sgx.sgx1,
            sgx2=sgx.sgx2,
            section_size=SectionSize(unit=sgx.section_size.unit, value=sgx.section_size.value),
            sections=Sections(sections=[Section(node=each.node, size=each.size, unit=each.unit) for each in sections]),
        )

    def _launch_security(self) -> Offer:
        kinds = {"sev": "sev-guest", "sev-snp": "sev-snp-guest", "s390-pv": "s390-pv-guest"}
        known = [name for name, flag in kinds.items() if self.digest.has(flag)]
        return Offer.of(bool(known), sectype=known)
