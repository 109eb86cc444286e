"""A domain from what the API says of a virtual machine."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from lxml import etree

from virtbus.domain import (
    Controller,
    ControllerType,
    Device,
    Disk,
    DiskBus,
    Domain,
    DomainType,
    DriveAddress,
    Graphics,
    GraphicsType,
    pair_console,
)
from virtbus.domain.boot import (
    BootDevice,
    Firmware,
    FirmwareChoice,
    FirmwareFeature,
    FirmwareFeatureName,
    Os,
    OsType,
    OsTypeName,
    SmbiosMode,
)
from virtbus.domain.clock import Clock
from virtbus.domain.cpu import Cpu, CpuTopology
from virtbus.domain.device import USER_ALIAS
from virtbus.domain.devices import Devices, field_of
from virtbus.domain.graphics import Listen, ListenType
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import CpuTune, MemTune, Placement, Vcpu
from virtbus.xml.codec import ranges
from virtbus_esx.config.hardware import Hardware, read_device
from virtbus_esx.config.notes import (
    BOOT_CLASSES,
    DEFINITION,
    METADATA,
    MOST_VCPUS,
    TITLE,
    TRANSIENT,
    VNC,
    read_definition,
)
from virtbus_esx.config.places import ALIAS, own_alias, place_name
from virtbus_esx.nodes import Node, Properties, content, every, number, text, truth
from virtbus_esx.vmx.buses import BUSES
from virtbus_esx.vmx.reading import SHARES

PATHS = (
    "name", "config.uuid", "config.version", "config.guestId", "config.annotation", "config.hardware",
    "config.extraConfig", "config.firmware", "config.bootOptions", "config.cpuAllocation", "config.memoryAllocation",
    "config.cpuAffinity", "config.cpuHotAddEnabled", "config.files.vmPathName", "config.template",
    "config.changeVersion", "runtime.powerState", "runtime.bootTime", "runtime.host", "runtime.connectionState",
    "guest.toolsRunningStatus",
)  # fmt: skip
"""The properties of a machine that make its domain and its state."""


@dataclass(frozen=True)
class Configured:
    """A machine's configuration as a domain, and what of it only the API knows."""

    domain: Domain
    """With an alias for every device: the generated ones are only a running domain's."""
    hardware: Hardware
    """The devices as the API has them."""
    options: dict[str, str]
    """The extra configuration."""

    @property
    def transient(self) -> bool:
        """Whether the machine goes when it stops."""
        return TRANSIENT in self.options

    @property
    def deferred(self) -> Domain | None:
        """The definition that is to be in force as soon as the machine is off."""
        note = self.options.get(DEFINITION)
        return None if note is None else read_definition(note)

    @property
    def persistent(self) -> Domain | None:
        """The definition, without generated aliases and what else a definition does not have; None where transient."""
        if self.transient:
            return None
        if (deferred := self.deferred) is not None:
            return deferred
        twin = self.domain.copy()
        for device in twin.devices.every():
            if device.alias is not None and not device.alias.startswith(USER_ALIAS):
                device.alias = None
        return twin


def read_config(values: Properties) -> Configured:
    """The domain that a machine's properties describe.

    :raises KeyError: the machine is not yet, or not any more, whole.
    """
    options = extra_config(values)
    domain = Domain(type=DomainType.VMWARE, name=unescaped(content(values, "name") or ""), devices=Devices())
    domain.uuid = UUID(values["config.uuid"].text or "")
    domain.description = content(values, "config.annotation") or None
    domain.title = options.get(TITLE)
    domain.metadata = _metadata(options.get(METADATA))
    hardware = values["config.hardware"]
    _read_memory(domain, hardware, values.get("config.memoryAllocation"))
    _read_processors(domain, hardware, values, options)
    domain.os = _os(values, options)
    domain.clock = Clock()
    domain.on_poweroff, domain.on_reboot = LifecycleAction.DESTROY, LifecycleAction.RESTART
    domain.on_crash = LifecycleAction.DESTROY
    known = Hardware(every(hardware, "device"))
    for key, device in _devices(known, options):
        known.keys[id(device)] = key
        name, many = field_of(device)
        if many:
            getattr(domain.devices, name).append(device)
    domain.devices.graphics = _graphics(options)
    pair_console(domain)
    return Configured(domain, known, options)


def extra_config(values: Properties) -> dict[str, str]:
    """The machine's extra configuration; of two values of one key the last counts."""
    found = values.get("config.extraConfig")
    return {} if found is None else {
        text(option, "key") or "": text(option, "value") or "" for option in found if len(option)
    }  # fmt: skip


def unescaped(name: str) -> str:
    """A name as people wrote it: the API writes %, / and \\ as %25, %2f and %5c."""
    if "%" not in name:
        return name
    return name.replace("%2f", "/").replace("%2F", "/").replace("%5c", "\\").replace("%5C", "\\").replace("%25", "%")


def _metadata(kept: str | None) -> list[str]:
    if not kept:
        return []
    whole = etree.fromstring(f"<metadata>{kept}</metadata>")
    return [etree.tostring(each, encoding="unicode", with_tail=False) for each in whole]


def _read_memory(domain: Domain, hardware: Node, allocation: Node | None) -> None:
    size = (number(hardware, "memoryMB") or 0) * 1024
    limit = -1 if allocation is None else (number(allocation, "limit") or -1)
    domain.memory = Memory(kib=size)
    domain.current_memory = CurrentMemory(kib=size if limit < 0 else min(size, limit * 1024))
    least = 0 if allocation is None else (number(allocation, "reservation") or 0)
    if least > 0:
        domain.memtune = MemTune(min_guarantee=least * 1024)


def _read_processors(domain: Domain, hardware: Node, values: Properties, options: dict[str, str]) -> None:
    count = number(hardware, "numCPU") or 1
    most = max(count, int(options.get(MOST_VCPUS, count)))
    affinity = values.get("config.cpuAffinity")
    chosen = [] if affinity is None else [int(each.text or 0) for each in every(affinity, "affinitySet")]
    domain.vcpu = Vcpu(
        count=most,
        current=count if count < most else None,
        placement=Placement.STATIC,
        cpuset=ranges(sorted(set(chosen))) or None,
    )
    cores = number(hardware, "numCoresPerSocket") or 1
    if cores > 1 and most % cores == 0:
        topology = CpuTopology(sockets=most // cores, dies=1, clusters=1, cores=cores, threads=1)
        domain.cpu = Cpu(topology=topology)
    allocation = values.get("config.cpuAllocation")
    level = None if allocation is None else text(allocation, "shares/level")
    if allocation is None or level in (None, "normal"):
        return
    each = SHARES.get(level or "")
    shares = each * count if each is not None else number(allocation, "shares/shares")
    domain.cputune = CpuTune(shares=shares)


def _os(values: Properties, options: dict[str, str]) -> Os:
    guest = content(values, "config.guestId") or ""
    made = Os(type=OsType(name=OsTypeName.HVM, arch="x86_64" if "64" in guest else "i686"))
    made.boots = [_BOOTS[name] for name in options.get(BOOT_CLASSES, "").partition(":")[2].split(",") if name in _BOOTS]
    if options.get("smbios.reflectHost", "").lower() == "true":
        made.smbios = SmbiosMode.HOST
    if content(values, "config.firmware") == "efi":
        made.firmware = Firmware.EFI
        boot = values.get("config.bootOptions")
        if boot is not None and truth(boot, "efiSecureBootEnabled"):
            names = (FirmwareFeatureName.ENROLLED_KEYS, FirmwareFeatureName.SECURE_BOOT)
            made.firmware_choice = FirmwareChoice(features=[FirmwareFeature(enabled=True, name=name) for name in names])
    return made


_BOOTS = {"hd": BootDevice.HD, "cd": BootDevice.CDROM, "net": BootDevice.NETWORK, "fd": BootDevice.FD}


def _devices(hardware: Hardware, options: dict[str, str]) -> list[tuple[int, Device]]:
    """The devices that a domain has, with their keys; drives in the order of their places."""
    found: list[tuple[int, Device]] = []
    for node in hardware.nodes:
        device = read_device(node, hardware)
        if device is None:
            continue
        key = number(node, "key") or 0
        given = options.get(f"{ALIAS}{place_name(device)}")
        device.alias = given or own_alias(device, key)
        found.append((key, device))
    return sorted(found, key=_order)


def _order(pair: tuple[int, Device]) -> tuple[int, ...]:
    """Drives and controllers in the order of their places, the others in that of their keys."""
    key, device = pair
    if isinstance(device, Disk) and isinstance(device.address, DriveAddress):
        address = device.address
        return list(BUSES).index(device.target.bus or DiskBus.SCSI), address.controller, address.bus, address.unit, key
    if isinstance(device, Controller):
        return list(ControllerType).index(device.type), device.index or 0, 0, 0, key
    return 0, 0, 0, 0, key


def _graphics(options: dict[str, str]) -> list[Graphics]:
    told = {name.lower(): value for name, value in options.items()}
    if told.get(f"{VNC}enabled", "").lower() != "true":
        return []
    port = told.get(f"{VNC}port")
    address = told.get(f"{VNC}ip")
    return [
        Graphics(
            type=GraphicsType.VNC,
            port=int(port) if port else -1,
            autoport=not port,
            keymap=told.get(f"{VNC}keymap"),
            password=told.get(f"{VNC}password"),
            listen=address,
            listens=[Listen(type=ListenType.ADDRESS, address=address)],
        )
    ]
