"""Devices of a domain as virtual devices of the API: a writer for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from virtbus.domain import (
    CharType,
    Controller,
    ControllerType,
    Device,
    Disk,
    DiskBus,
    DiskDevice,
    DriveAddress,
    Interface,
    InterfaceType,
    Parallel,
    Serial,
    Video,
    described,
)
from virtbus.domain.chardev import CharDevice, CharMode, CharProtocol
from virtbus.domain.controller import ScsiModel
from virtbus.domain.disk import DiskCache
from virtbus.domain.interface import LinkState
from virtbus.domain.storage import StartupPolicy, StorageType
from virtbus.errors import ConfigUnsupported, NoDevice
from virtbus_esx.config.hardware import CARD_TYPES, SCSI_TYPES, UNLIMITED
from virtbus_esx.vmx.writingcards import Address, address_kind
from virtbus_esx.wire import Ref, Spec

SCSI_OF = {model: name for name, model in SCSI_TYPES.items()}
CARD_OF = {model: name for name, model in CARD_TYPES.items()}
PCI_KEY, SIO_KEY = 100, 400
IDE_KEY = 200
"""Of the first IDE controller; a machine always has two."""


@dataclass(frozen=True)
class Network:
    """A network of the host: a standard port group, or a distributed one."""

    name: str
    ref: Ref
    switch: str | None = None
    """The distributed switch's UUID."""
    key: str | None = None
    """The distributed port group's key."""


@dataclass
class Surroundings:
    """What a device's specification takes from its machine and its host."""

    networks: Mapping[str, Network]
    controllers: dict[tuple[DiskBus, int], int]
    """The keys of the controllers, those to be added included."""


def device_spec(device: Device, key: int, around: Surroundings) -> Spec:
    """The virtual device.

    :param key: its key; a negative one stands for a device that is to be added.
    :raises ConfigUnsupported, NoDevice: the API has no such device, or the host not what it needs.
    """
    for kind, writer in _WRITERS.items():
        if isinstance(device, kind):
            made = writer(device, around)
            made.values["key"] = key
            return made
    raise ConfigUnsupported(
        f"a VMware machine has no {described(device)}", evidence={"path": f"/domain/devices/{device.element_tag}"}
    )


def _controller(controller: Controller, around: Surroundings) -> Spec:
    index = controller.index or 0
    if controller.type is ControllerType.SCSI:
        name = SCSI_OF[ScsiModel(controller.model or ScsiModel.LSILOGIC)]
        return Spec(name, controllerKey=PCI_KEY, busNumber=index, sharedBus="noSharing")
    return Spec("VirtualAHCIController", controllerKey=PCI_KEY, busNumber=index)


def _place(disk: Disk, around: Surroundings) -> dict[str, Any]:
    address = disk.address
    assert isinstance(address, DriveAddress)
    assert disk.target.bus is not None
    if disk.target.bus is DiskBus.FDC:
        return {"controllerKey": SIO_KEY, "unitNumber": address.unit}
    if disk.target.bus is DiskBus.IDE:
        key = around.controllers.get((DiskBus.IDE, address.bus), IDE_KEY + address.bus)
        return {"controllerKey": key, "unitNumber": address.unit}
    found = around.controllers.get((disk.target.bus, address.controller))
    if found is None:
        raise NoDevice(
            f"the domain has no {disk.target.bus.value} controller {address.controller} for {described(disk)}",
            hint="attach the controller first",
        )
    return {"controllerKey": found, "unitNumber": address.unit}


def _disk(disk: Disk, around: Surroundings) -> Spec:
    if disk.device is DiskDevice.FLOPPY:
        return Spec("VirtualFloppy", backing=_floppy_backing(disk), connectable=_plugged(), **_place(disk, around))
    if disk.device in (DiskDevice.CDROM, DiskDevice.LUN):
        there = disk.source is not None
        return Spec("VirtualCdrom", backing=_cdrom_backing(disk), connectable=_plugged(there), **_place(disk, around))
    backing = Spec(
        "VirtualDiskFlatVer2BackingInfo",
        fileName=None if disk.source is None else disk.source.file,
        diskMode="persistent" if disk.transient is None else "independent_nonpersistent",
        writeThrough=disk.driver is not None and disk.driver.cache is DiskCache.WRITE_THROUGH,
    )
    # How large it is, the file says.
    made = Spec("VirtualDisk", backing=backing, capacityInKB=0, **_place(disk, around))
    limit = disk.iotune.total_iops_sec if disk.iotune is not None else None
    shares = Spec("SharesInfo", shares=1000, level="normal")
    made.values["storageIOAllocation"] = Spec("StorageIOAllocationInfo", limit=limit or UNLIMITED, shares=shares)
    return made


def _plugged(now: bool = True) -> Spec:
    return Spec("VirtualDeviceConnectInfo", startConnected=now, allowGuestControl=True, connected=now)


def _cdrom_backing(disk: Disk) -> Spec:
    if disk.type is StorageType.BLOCK:
        name = "VirtualCdromPassthroughBackingInfo" if disk.device is DiskDevice.LUN else "VirtualCdromAtapiBackingInfo"
        return Spec(name, **_host_device(disk))
    if disk.source is None or not disk.source.file:
        # An empty drive is one for what a client's machine lends.
        return Spec("VirtualCdromRemotePassthroughBackingInfo", deviceName="", useAutoDetect=False, exclusive=False)
    return Spec("VirtualCdromIsoBackingInfo", fileName=disk.source.file)


def _floppy_backing(disk: Disk) -> Spec:
    if disk.type is StorageType.BLOCK:
        return Spec("VirtualFloppyDeviceBackingInfo", **_host_device(disk))
    if disk.source is None or not disk.source.file:
        return Spec("VirtualFloppyRemoteDeviceBackingInfo", deviceName="", useAutoDetect=False)
    return Spec("VirtualFloppyImageBackingInfo", fileName=disk.source.file)


def _host_device(disk: Disk) -> dict[str, Any]:
    source = disk.source
    auto = source is not None and source.startup_policy is StartupPolicy.OPTIONAL and not source.dev
    return {"deviceName": "" if source is None else (source.dev or ""), "useAutoDetect": auto}


_ADDRESS_TYPES = {Address.GENERATED: "generated", Address.VPX: "assigned"}


def _card(card: Interface, around: Surroundings) -> Spec:
    model = card.model.type.lower() if card.model is not None else "e1000"
    connected = card.link is not LinkState.DOWN
    made = Spec(CARD_OF[model], backing=_card_backing(card, around), connectable=_plugged(connected))
    made.values |= {"controllerKey": PCI_KEY, "wakeOnLanEnabled": True}
    if card.mac is not None:
        # An address that a host or a vCenter would choose itself must be called manual to be kept.
        made.values |= {"addressType": "manual", "macAddress": card.mac.address.lower()}
        if card.mac.type is not None and card.mac.type.value == "generated":
            made.values["addressType"] = _ADDRESS_TYPES.get(address_kind(card.mac.address), "manual")
    return made


def _card_backing(card: Interface, around: Surroundings) -> Spec:
    source = card.source
    if card.type is InterfaceType.VDS and source is not None:
        port = Spec(
            "DistributedVirtualSwitchPortConnection",
            switchUuid=str(source.switch_id), portgroupKey=source.port_group_id, portKey=source.port_id_number or None,
        )  # fmt: skip
        return Spec("VirtualEthernetCardDistributedVirtualPortBackingInfo", port=port)
    name = source.bridge if source is not None and card.type is InterfaceType.BRIDGE else None
    if card.type is InterfaceType.NETWORK and source is not None:
        name = source.network
    network = around.networks.get(name or "")
    if network is None:
        known = ", ".join(sorted(around.networks))
        raise ConfigUnsupported(
            f"the host has no network {name!r}", hint=f"it has {known}",
            evidence={"path": "/domain/devices/interface/source"},
        )  # fmt: skip
    if network.key is None:
        return Spec(
            "VirtualEthernetCardNetworkBackingInfo", deviceName=network.name, useAutoDetect=False, network=network.ref
        )
    port = Spec("DistributedVirtualSwitchPortConnection", switchUuid=network.switch, portgroupKey=network.key)
    return Spec("VirtualEthernetCardDistributedVirtualPortBackingInfo", port=port)


def _video(video: Video, around: Surroundings) -> Spec:
    size = video.model.vram if video.model is not None else None
    return Spec("VirtualMachineVideoCard", controllerKey=PCI_KEY, unitNumber=0, videoRamSizeInKB=size)


def _path(device: CharDevice) -> str:
    return (device.sources[0].path or "") if device.sources else ""


_SCHEMES = {
    CharProtocol.RAW: "tcp",
    CharProtocol.TELNET: "telnet",
    CharProtocol.TELNETS: "telnets",
    CharProtocol.TLS: "ssl",
}


def _serial(serial: Serial, around: Surroundings) -> Spec:
    source = serial.sources[0] if serial.sources else None
    if serial.type is CharType.DEV:
        backing = Spec("VirtualSerialPortDeviceBackingInfo", deviceName=_path(serial), useAutoDetect=False)
    elif serial.type is CharType.FILE:
        backing = Spec("VirtualSerialPortFileBackingInfo", fileName=_path(serial))
    elif serial.type is CharType.PIPE:
        backing = Spec("VirtualSerialPortPipeBackingInfo", pipeName=_path(serial), endpoint="client", noRxLoss=False)
    elif serial.type is CharType.TCP and source is not None:
        scheme = _SCHEMES[serial.protocol or CharProtocol.RAW]
        bind = source.mode is CharMode.BIND
        uri = f"{scheme}://{source.host or ''}:{source.service}"
        backing = Spec("VirtualSerialPortURIBackingInfo", serviceURI=uri, direction="server" if bind else "client")
    else:
        raise _no_such_port(serial)
    return Spec("VirtualSerialPort", backing=backing, controllerKey=SIO_KEY, yieldOnPoll=True)


def _parallel(parallel: Parallel, around: Surroundings) -> Spec:
    if parallel.type is CharType.DEV:
        backing = Spec("VirtualParallelPortDeviceBackingInfo", deviceName=_path(parallel), useAutoDetect=False)
    elif parallel.type is CharType.FILE:
        backing = Spec("VirtualParallelPortFileBackingInfo", fileName=_path(parallel))
    else:
        raise _no_such_port(parallel)
    return Spec("VirtualParallelPort", backing=backing, controllerKey=SIO_KEY)


def _no_such_port(device: CharDevice) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"Unsupported character device type '{device.type}'",
        evidence={"path": f"/domain/devices/{device.element_tag}/@type"},
    )


_WRITERS: dict[type[Device], Callable[[Any, Surroundings], Spec]] = {
    Controller: _controller,
    Disk: _disk,
    Interface: _card,
    Video: _video,
    Serial: _serial,
    Parallel: _parallel,
}
