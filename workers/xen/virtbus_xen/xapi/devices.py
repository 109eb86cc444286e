"""Disks and interfaces in XAPI: a VDI behind a VBD, a network behind a VIF."""

from __future__ import annotations

from virtbus.domain import Device, Disk, DiskDevice, Domain, Interface, InterfaceType, StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_xen.xapi.rpc import NULL, Pool, Record, Ref

ON_NETWORK = "an interface is on a bridge or network of the pool"
_MODES = {True: "RO", False: "RW"}


def check(domain: Domain) -> None:
    """Refuse what no pool has.

    :raises ConfigUnsupported: a disk is no volume of a repository, or an interface is on no network.
    """
    for disk in domain.devices.disks:
        if disk.source is not None:
            _volume(disk)
    for interface in domain.devices.interfaces:
        if interface.type not in (InterfaceType.BRIDGE, InterfaceType.NETWORK):
            raise ConfigUnsupported(f"a pool has no interfaces of type '{interface.type}'", hint=ON_NETWORK,
                                    evidence={"path": "/domain/devices/interface/@type"})  # fmt: skip


def _volume(disk: Disk) -> tuple[str, str]:
    """The names of a disk's storage repository and image."""
    source = disk.source
    if disk.type is not StorageType.VOLUME or source is None or source.pool is None or source.volume is None:
        raise ConfigUnsupported(
            f"a pool's disks are of type 'volume', not '{disk.type}'",
            hint="<disk type='volume'><source pool='REPOSITORY' volume='IMAGE'/>",
            evidence={"path": "/disk/@type"},
        )  # fmt: skip
    return source.pool, source.volume


async def create(pool: Pool, vm: Ref, device: Device, domain: Domain) -> tuple[str, Ref]:
    """Make a device of a VM, unplugged: its class (VBD or VIF) and reference.

    :raises ConfigUnsupported: the pool has no such image or network.
    """
    if isinstance(device, Disk):
        return "VBD", await pool.call("VBD.create", await _vbd(pool, vm, device))
    assert isinstance(device, Interface)
    number = str(len(await pool.call("VM.get_VIFs", vm)))
    allowed = await pool.call("VM.get_allowed_VIF_devices", vm)
    record: Record = {
        "VM": vm, "network": await _network(pool, device), "device": (allowed or [number])[0],
        "MAC": device.mac.address if device.mac is not None else "", "MTU": str(device.mtu or 1500),
        "other_config": {"virtbus-alias": device.alias or ""}, "qos_algorithm_type": "", "qos_algorithm_params": {},
    }  # fmt: skip
    return "VIF", await pool.call("VIF.create", record)


async def _vbd(pool: Pool, vm: Ref, disk: Disk) -> Record:
    image = await _image(pool, disk)
    return {
        "VM": vm, "VDI": image, "userdevice": disk.target.dev, "bootable": False,
        "mode": _MODES[bool(disk.readonly)], "type": "CD" if disk.device is DiskDevice.CDROM else "Disk",
        "empty": image == NULL, "unpluggable": True, "other_config": {"virtbus-alias": disk.alias or ""},
        "qos_algorithm_type": "", "qos_algorithm_params": {},
    }  # fmt: skip


async def _image(pool: Pool, disk: Disk) -> Ref:
    """The VDI of a disk: a volume by its name, in the storage repository by its."""
    if disk.source is None:
        return NULL
    repository, volume = _volume(disk)
    repositories = set(await pool.call("SR.get_by_name_label", repository))
    for found in await pool.call("VDI.get_by_name_label", volume):
        if await pool.call("VDI.get_SR", found) in repositories:
            return str(found)
    raise ConfigUnsupported(f"the storage repository '{repository}' has no image '{volume}'",
                            evidence={"path": "/disk/source/@volume"})  # fmt: skip


async def _network(pool: Pool, interface: Interface) -> Ref:
    source = interface.source
    if interface.type is InterfaceType.NETWORK and source is not None and source.network is not None:
        found = await pool.call("network.get_by_name_label", source.network)
        if found:
            return str(found[0])
    if interface.type is InterfaceType.BRIDGE and source is not None:
        for ref, record in (await pool.call("network.get_all_records")).items():
            if record["bridge"] == source.bridge:
                return str(ref)
    raise ConfigUnsupported("the pool has no such network", hint=ON_NETWORK,
                            evidence={"path": "/interface/source"})  # fmt: skip


async def find(pool: Pool, vm: Ref, alias: str) -> tuple[str, Ref, Record] | None:
    """The VBD or VIF of the device with this alias."""
    for kind in ("VBD", "VIF"):
        for ref in await pool.call(f"VM.get_{kind}s", vm):
            record = await pool.call(f"{kind}.get_record", ref)
            if record["other_config"].get("virtbus-alias") == alias:
                return kind, ref, record
    return None
