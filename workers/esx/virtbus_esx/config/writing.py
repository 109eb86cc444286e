"""The API's specification of a virtual machine from a domain: of a new one, or of what is to change in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from virtbus.domain import Controller, ControllerType, Device, DiskBus, Domain, Video
from virtbus.domain.boot import BootDevice, Firmware, FirmwareFeatureName, SmbiosMode
from virtbus.domain.device import USER_ALIAS
from virtbus.xml.codec import numbers
from virtbus_esx.config.devices import Network, Surroundings, device_spec
from virtbus_esx.config.hardware import BUS_TYPES, UNLIMITED
from virtbus_esx.config.notes import BOOT_CLASSES, METADATA, MOST_VCPUS, REFLECT_HOST, TITLE, TRANSIENT, VNC
from virtbus_esx.config.places import ALIAS, place_name
from virtbus_esx.config.reading import Configured
from virtbus_esx.nodes import kind, number, text
from virtbus_esx.vmx.reading import SHARES
from virtbus_esx.wire import Raw, Spec

GUESTS = {"i686": "otherGuest", "x86_64": "otherGuest64"}
_BOOT_NAMES = {BootDevice.HD: "hd", BootDevice.CDROM: "cd", BootDevice.NETWORK: "net", BootDevice.FD: "fd"}


def plugged_vcpus(domain: Domain) -> int:
    """The virtual processors that are plugged in."""
    return 1 if domain.vcpu is None else int(domain.vcpu.current or domain.vcpu.count)


def creation(domain: Domain, folder: str, networks: Mapping[str, Network]) -> Spec:
    """The specification of a new machine.

    :param folder: where its files go, such as `[datastore1]`.
    """
    made = _machine(domain, None)
    made.values["files"] = Spec("VirtualMachineFileInfo", vmPathName=folder)
    made.values["deviceChange"] = _changes(domain, None, networks)
    made.values["extraConfig"] = _options(wanted_options(domain))
    return made


def change(domain: Domain, was: Configured, networks: Mapping[str, Network]) -> Spec:
    """The specification of what is to change, and of a definition that waited to be put into force no more.

    :param was: the machine as it is.
    """
    made = _machine(domain, was.domain)
    made.values["deviceChange"] = _changes(domain, was, networks)
    wanted = wanted_options(domain)
    ours = {name: "" for name in was.options if _is_ours(name)}
    now = {name.lower(): value for name, value in was.options.items()}
    options = {name: value for name, value in (ours | wanted).items() if now.get(name.lower(), "") != value}
    made.values["extraConfig"] = _options(options)
    return made


def is_empty(spec: Spec) -> bool:
    """Whether a specification changes nothing."""
    return not any(value not in (None, []) for value in spec.values.values())


def _is_ours(name: str) -> bool:
    """Whether a domain says all that there is to say under this key."""
    return (name.startswith("virtbus.") and name != TRANSIENT) or name.lower().startswith(VNC) or name == BOOT_CLASSES


def _machine(domain: Domain, was: Domain | None) -> Spec:
    """What is not a device; of a machine that is there only what differs."""
    found = _flat(domain)
    before = {} if was is None else _flat(was)
    return Spec(
        "VirtualMachineConfigSpec", **{name: value for name, value in found.items() if before.get(name) != value}
    )


def _flat(domain: Domain) -> dict[str, Any]:
    assert domain.os is not None
    memory = 0 if domain.memory is None else domain.memory.kib // 1024
    current = memory if domain.current_memory is None else -(-domain.current_memory.kib // 1024)
    least = domain.memtune.min_guarantee if domain.memtune is not None else None
    topology = domain.cpu.topology if domain.cpu is not None else None
    features = [] if domain.os.firmware_choice is None else domain.os.firmware_choice.features
    efi = domain.os.firmware is Firmware.EFI
    secure = any(each.enabled and each.name is FirmwareFeatureName.SECURE_BOOT for each in features)
    cpuset = [] if domain.vcpu is None or not domain.vcpu.cpuset else numbers(domain.vcpu.cpuset)
    return {
        "name": domain.name,
        "uuid": str(domain.uuid),
        "guestId": GUESTS[domain.os.type.arch or "i686"],
        "annotation": domain.description or "",
        "numCPUs": plugged_vcpus(domain),
        "numCoresPerSocket": topology.cores if topology is not None else 1,
        "memoryMB": memory,
        "cpuHotAddEnabled": domain.vcpu is not None and plugged_vcpus(domain) < domain.vcpu.count,
        "cpuAllocation": _cpu_allocation(domain),
        "memoryAllocation": Spec(
            "ResourceAllocationInfo", reservation=-(-(least or 0) // 1024),
            limit=current if current < memory else UNLIMITED,
        ),
        "cpuAffinity": Spec("VirtualMachineAffinityInfo", affinitySet=cpuset) if cpuset else None,
        "bootOptions": Spec("VirtualMachineBootOptions", efiSecureBootEnabled=True) if efi and secure else None,
        "firmware": "efi" if efi else "bios",
    }  # fmt: skip


def _cpu_allocation(domain: Domain) -> Spec:
    shares = domain.cputune.shares if domain.cputune is not None else None
    count = plugged_vcpus(domain)
    level = next((name for name, each in SHARES.items() if each * count == shares), "custom")
    if shares is None:
        level, shares = "normal", 1000 * count
    return Spec("ResourceAllocationInfo", shares=Spec("SharesInfo", shares=shares, level=level))


def wanted_options(domain: Domain) -> dict[str, str]:
    """What a machine's extra configuration says of the domain."""
    options: dict[str, str] = {}
    if domain.title:
        options[TITLE] = domain.title
    if domain.metadata:
        options[METADATA] = "".join(domain.metadata)
    if domain.vcpu is not None and plugged_vcpus(domain) < domain.vcpu.count:
        options[MOST_VCPUS] = str(domain.vcpu.count)
    if domain.os is not None:
        if domain.os.boots and domain.os.boots != [BootDevice.HD]:
            options[BOOT_CLASSES] = "allow:" + ",".join(_BOOT_NAMES[each] for each in domain.os.boots)
        if domain.os.smbios is SmbiosMode.HOST:
            options[REFLECT_HOST] = "TRUE"
    for graphics in domain.devices.graphics:
        address = graphics.listens[0].address if graphics.listens else graphics.listen
        port = graphics.port if not graphics.autoport and (graphics.port or 0) > 0 else None
        told = {
            "enabled": "TRUE",
            "port": port,
            "ip": address,
            "keymap": graphics.keymap,
            "password": graphics.password,
        }
        options |= {f"RemoteDisplay.vnc.{name}": str(value) for name, value in told.items() if value}
    for device in domain.devices.every():
        if device.alias is not None and device.alias.startswith(USER_ALIAS) and (name := place_name(device)):
            options[f"{ALIAS}{name}"] = device.alias
    return options


def _options(options: Mapping[str, str]) -> list[Spec]:
    return [Spec("OptionValue", key=name, value=value) for name, value in sorted(options.items())]


def _is_written(device: Device) -> bool:
    """Whether the API knows it as a device that can come and go; a machine always has two IDE controllers."""
    if isinstance(device, Controller):
        return device.type in (ControllerType.SCSI, ControllerType.SATA)
    return place_name(device) is not None


def _changes(domain: Domain, was: Configured | None, networks: Mapping[str, Network]) -> list[Spec]:
    """What is to be removed, then what is to be added or edited; controllers come before what is on them."""
    before = {} if was is None else {place_name(each): each for each in was.domain.devices.every() if _is_written(each)}
    wanted = [each for each in domain.devices.every() if _is_written(each)]
    names = {place_name(each) for each in wanted}
    around = Surroundings(networks=networks, controllers={} if was is None else _controllers(was))
    changes: list[Spec] = []
    if was is not None:
        gone = [device for name, device in before.items() if name not in names and not isinstance(device, Video)]
        # What is on a controller goes before it.
        changes += [removal(device, was) for device in sorted(gone, key=lambda each: isinstance(each, Controller))]
    key = -1
    for device in sorted(wanted, key=lambda each: not isinstance(each, Controller)):
        old = before.get(place_name(device))
        if old is None and was is None and isinstance(device, Video):
            # Every machine has its video card; a new one's is only edited.
            spec = device_spec(device, VIDEO_KEY, around)
            spec.values["deviceInfo"] = Spec("Description", label="Video card", summary="Video card")
            changes.append(_one("edit", spec))
            continue
        if old is None:
            key -= 1
            changes += addition(device, key, around)
        elif was is not None and not same(old, device):
            changes.append(edit(device, was.hardware.keys[id(old)], was, around))
    return changes


VIDEO_KEY = 500


def _controllers(was: Configured) -> dict[tuple[DiskBus, int], int]:
    return {
        (BUS_TYPES[kind(node)], number(node, "busNumber") or 0): number(node, "key") or 0
        for node in was.hardware.nodes
        if kind(node) in BUS_TYPES
    }


def surroundings(was: Configured, networks: Mapping[str, Network]) -> Surroundings:
    """What devices of a machine that is there find."""
    return Surroundings(networks=networks, controllers=_controllers(was))


def addition(device: Device, key: int, around: Surroundings) -> list[Spec]:
    """The change that adds a device under a key that is negative until the server gives one."""
    spec = device_spec(device, key, around)
    if isinstance(device, Controller):
        bus = DiskBus.SCSI if device.type is ControllerType.SCSI else DiskBus.SATA
        around.controllers[bus, device.index or 0] = key
    return [_one("add", spec)]


def removal(device: Device, was: Configured) -> Spec:
    """The change that removes a device; a disk's file stays."""
    node = was.hardware.node(was.hardware.keys[id(device)])
    assert node is not None
    return Spec("VirtualDeviceConfigSpec", operation="remove", device=Raw(node))


def edit(device: Device, key: int, was: Configured, around: Surroundings) -> Spec:
    """The change that makes the device with that key what is described."""
    spec = device_spec(device, key, around)
    node = was.hardware.node(key)
    assert node is not None
    label, summary = text(node, "deviceInfo/label") or "", text(node, "deviceInfo/summary") or ""
    spec.values["deviceInfo"] = Spec("Description", label=label, summary=summary)
    if spec.kind == "VirtualDisk":
        spec.values["capacityInKB"] = number(node, "capacityInKB") or 0
    if "unitNumber" not in spec.values:
        spec.values["unitNumber"] = number(node, "unitNumber")
    return _one("edit", spec)


def _one(operation: str, device: Spec) -> Spec:
    return Spec("VirtualDeviceConfigSpec", operation=operation, device=device)


def same(old: Device, new: Device) -> bool:
    """Whether two descriptions of a device mean the same device; what the server fills in need not be said."""
    one, other = old.copy(), new.copy()
    one.alias = other.alias = None
    for name, value in vars(other).items():
        if value is None and name in _FILLED_IN:
            setattr(other, name, getattr(one, name))
    mac, told = getattr(one, "mac", None), getattr(other, "mac", None)
    if mac is not None and told is not None:
        told.type, told.check = told.type or mac.type, told.check if told.check is not None else mac.check
        told.address = told.address.lower()
    return one == other


_FILLED_IN = ("address", "model", "acpi")


def added_options(devices: Iterable[Device]) -> dict[str, str]:
    """The users' aliases of devices, for the extra configuration."""
    return {
        f"{ALIAS}{name}": device.alias
        for device in devices
        if device.alias is not None and device.alias.startswith(USER_ALIAS) and (name := place_name(device))
    }
