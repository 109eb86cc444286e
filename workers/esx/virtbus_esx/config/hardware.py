"""Virtual devices of the API as devices of a domain: a reader for each type."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import UUID

from virtbus.domain import (
    CharSource,
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
    StorageSource,
    Video,
    VideoType,
)
from virtbus.domain.chardev import CharMode, CharProtocol, ParallelTarget, SerialTarget
from virtbus.domain.controller import ScsiModel
from virtbus.domain.disk import DiskCache, DiskDriver, DiskTarget, IoTune, Transient
from virtbus.domain.interface import InterfaceModel, InterfaceSource, LinkState, Mac, MacType
from virtbus.domain.storage import StartupPolicy, StorageType
from virtbus.domain.video import VideoModel
from virtbus_esx.nodes import Node, find, kind, number, text, truth
from virtbus_esx.vmx.buses import BUSES
from virtbus_esx.vmx.cards import PROTOCOLS

SCSI_TYPES = {
    "VirtualBusLogicController": ScsiModel.BUSLOGIC,
    "VirtualLsiLogicController": ScsiModel.LSILOGIC,
    "VirtualLsiLogicSASController": ScsiModel.LSISAS1068,
    "ParaVirtualSCSIController": ScsiModel.VMPVSCSI,
}
CARD_TYPES = {
    "VirtualE1000": "e1000",
    "VirtualE1000e": "e1000e",
    "VirtualPCNet32": "vlance",
    "VirtualVmxnet": "vmxnet",
    "VirtualVmxnet2": "vmxnet2",
    "VirtualVmxnet3": "vmxnet3",
}
BUS_TYPES: dict[str, DiskBus] = {
    **dict.fromkeys(SCSI_TYPES, DiskBus.SCSI),
    "VirtualIDEController": DiskBus.IDE,
    "VirtualAHCIController": DiskBus.SATA,
    "VirtualSIOController": DiskBus.FDC,
}
"""The bus that a controller makes."""

UNLIMITED = -1


class Hardware:
    """A machine's devices as the API has them."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.keys: dict[int, int] = {}
        """The key of each device of the domain, by the domain's device's identity."""
        self._by_key = {number(node, "key") or 0: node for node in nodes}

    def node(self, key: int) -> Node | None:
        """The device of that key."""
        return self._by_key.get(key)

    def bus(self, node: Node) -> tuple[DiskBus, int] | None:
        """The bus that a device is on, and its controller's number."""
        controller = self._by_key.get(number(node, "controllerKey") or 0)
        if controller is None or kind(controller) not in BUS_TYPES:
            return None
        return BUS_TYPES[kind(controller)], number(controller, "busNumber") or 0

    def controller(self, bus: DiskBus, index: int) -> int | None:
        """The key of a bus's controller of that number."""
        for key, node in self._by_key.items():
            if BUS_TYPES.get(kind(node)) is bus and (number(node, "busNumber") or 0) == index:
                return key
        return None


def read_device(node: Node, hardware: Hardware) -> Device | None:
    """The device of a domain; None for what libvirt shows nothing of: bridges, keyboards, the PCI bus."""
    name = kind(node)
    reader = _READERS.get(name)
    if reader is None:
        return None
    return reader(node, hardware)


def _scsi(node: Node, hardware: Hardware) -> Device:
    return Controller(type=ControllerType.SCSI, index=number(node, "busNumber") or 0, model=SCSI_TYPES[kind(node)])


def _sata(node: Node, hardware: Hardware) -> Device:
    return Controller(type=ControllerType.SATA, index=number(node, "busNumber") or 0)


def _ide(node: Node, hardware: Hardware) -> Device | None:
    """The two IDE controllers are the two buses of the one that libvirt knows; it is there if a drive is."""
    mine = [each for each in hardware.nodes if hardware.bus(each) is not None and kind(each) in _DRIVES]
    users = [place for each in mine if (place := hardware.bus(each)) and place[0] is DiskBus.IDE]
    first = min((index for _, index in users), default=None)
    if first is None or first != (number(node, "busNumber") or 0):
        return None
    return Controller(type=ControllerType.IDE, index=0)


_DRIVES = ("VirtualDisk", "VirtualCdrom", "VirtualFloppy")


def _placed(disk: Disk, node: Node, hardware: Hardware) -> Disk:
    bus, index = hardware.bus(node) or (DiskBus.SCSI, 0)
    place = BUSES[bus]
    inner = bus is DiskBus.IDE
    address = DriveAddress(
        controller=0 if inner else index, bus=index if inner else 0, target=0, unit=number(node, "unitNumber") or 0
    )
    disk.address = address
    disk.target = DiskTarget(dev=place.name(address.controller, address.bus, address.unit), bus=bus)
    return disk


def _disk(node: Node, hardware: Hardware) -> Device:
    backing = find(node, "backing")
    disk = Disk(type=StorageType.FILE, device=DiskDevice.DISK, target=DiskTarget(dev=""))
    if backing is not None:
        name = text(backing, "fileName") or text(backing, "deviceName")
        disk.source = StorageSource(file=name) if name else None
        if truth(backing, "writeThrough"):
            disk.driver = DiskDriver(cache=DiskCache.WRITE_THROUGH)
        if text(backing, "diskMode") in ("independent_nonpersistent", "nonpersistent"):
            disk.transient = Transient()
    limit = number(node, "storageIOAllocation/limit")
    if limit is not None and limit > 0:
        disk.iotune = IoTune(total_iops_sec=limit)
    return _placed(disk, node, hardware)


def _cdrom(node: Node, hardware: Hardware) -> Device:
    backing = find(node, "backing")
    name = "" if backing is None else kind(backing)
    disk = Disk(type=StorageType.FILE, device=DiskDevice.CDROM, target=DiskTarget(dev=""), readonly=True)
    if backing is not None and name == "VirtualCdromIsoBackingInfo":
        file = text(backing, "fileName")
        disk.source = StorageSource(file=file) if file else None
    elif backing is not None and name in ("VirtualCdromAtapiBackingInfo", "VirtualCdromPassthroughBackingInfo"):
        disk.type = StorageType.BLOCK
        if name == "VirtualCdromPassthroughBackingInfo":
            disk.device = DiskDevice.LUN
        _read_host_device(disk, backing)
    return _placed(disk, node, hardware)


def _floppy(node: Node, hardware: Hardware) -> Device:
    backing = find(node, "backing")
    name = "" if backing is None else kind(backing)
    disk = Disk(type=StorageType.FILE, device=DiskDevice.FLOPPY, target=DiskTarget(dev=""))
    if backing is not None and name == "VirtualFloppyImageBackingInfo":
        file = text(backing, "fileName")
        disk.source = StorageSource(file=file) if file else None
    elif backing is not None and name == "VirtualFloppyDeviceBackingInfo":
        disk.type = StorageType.BLOCK
        _read_host_device(disk, backing)
    return _placed(disk, node, hardware)


def _read_host_device(disk: Disk, backing: Node) -> None:
    if truth(backing, "useAutoDetect"):
        disk.source = StorageSource(startup_policy=StartupPolicy.OPTIONAL)
    elif device := text(backing, "deviceName"):
        disk.source = StorageSource(dev=device)


_MAC_TYPES = {"manual": MacType.STATIC, "generated": MacType.GENERATED, "assigned": MacType.GENERATED}


def _card(node: Node, hardware: Hardware) -> Device:
    backing = find(node, "backing")
    card = Interface(type=InterfaceType.NULL)
    if backing is not None and kind(backing) == "VirtualEthernetCardNetworkBackingInfo":
        card = Interface(type=InterfaceType.BRIDGE, source=InterfaceSource(bridge=text(backing, "deviceName") or ""))
    elif backing is not None and kind(backing) == "VirtualEthernetCardDistributedVirtualPortBackingInfo":
        card = Interface(type=InterfaceType.VDS, source=_switch_port(backing))
    address = text(node, "macAddress")
    if address:
        card.mac = Mac(address=address.lower(), type=_MAC_TYPES.get((text(node, "addressType") or "").lower()))
    card.model = InterfaceModel(type=CARD_TYPES[kind(node)])
    if text(node, "connectable/startConnected") == "false":
        card.link = LinkState.DOWN
    return card


def _switch_port(backing: Node) -> InterfaceSource:
    switch = text(backing, "port/switchUuid")
    return InterfaceSource(
        switch_id=_uuid(switch),
        port_id_number=text(backing, "port/portKey"),
        port_group_id=text(backing, "port/portgroupKey"),
        connection_id=text(backing, "port/connectionCookie"),
    )


def _uuid(value: str | None) -> UUID | None:
    try:
        return None if value is None else UUID(value.replace(" ", ""))
    except ValueError:
        return None


def _video(node: Node, hardware: Hardware) -> Device:
    size = number(node, "videoRamSizeInKB")
    return Video(model=VideoModel(type=VideoType.VMVGA, vram=size, primary=True))


def _port_number(node: Node, hardware: Hardware) -> int:
    """Ports are numbered in the order of their keys."""
    mine = sorted(number(each, "key") or 0 for each in hardware.nodes if kind(each) == kind(node))
    return mine.index(number(node, "key") or 0)


def _serial(node: Node, hardware: Hardware) -> Device:
    port = Serial(type=CharType.NULL, target=SerialTarget(port=_port_number(node, hardware)))
    backing = find(node, "backing")
    name = "" if backing is None else kind(backing)
    if backing is None:
        return port
    if name == "VirtualSerialPortURIBackingInfo":
        _read_uri(port, backing)
    elif name in _PORT_FILES:
        port.type, path = _PORT_FILES[name]
        port.sources = [CharSource(path=text(backing, path))]
    return port


_PORT_FILES = {
    "VirtualSerialPortDeviceBackingInfo": (CharType.DEV, "deviceName"),
    "VirtualSerialPortFileBackingInfo": (CharType.FILE, "fileName"),
    "VirtualSerialPortPipeBackingInfo": (CharType.PIPE, "pipeName"),
    "VirtualParallelPortDeviceBackingInfo": (CharType.DEV, "deviceName"),
    "VirtualParallelPortFileBackingInfo": (CharType.FILE, "fileName"),
}


def _read_uri(port: Serial, backing: Node) -> None:
    """A connection; one that goes by a concentrator is shown as none, as libvirt does."""
    address = urlsplit(text(backing, "serviceURI") or "")
    if text(backing, "proxyURI") or address.scheme.lower() not in PROTOCOLS or not address.port:
        return
    bind = text(backing, "direction") == "server"
    port.type = CharType.TCP
    port.protocol = PROTOCOLS[address.scheme.lower()] or CharProtocol.RAW
    mode = CharMode.BIND if bind else CharMode.CONNECT
    port.sources = [CharSource(mode=mode, host=address.hostname, service=str(address.port))]


def _parallel(node: Node, hardware: Hardware) -> Device:
    port = Parallel(type=CharType.NULL, target=ParallelTarget(port=_port_number(node, hardware)))
    backing = find(node, "backing")
    if backing is not None and kind(backing) in _PORT_FILES:
        port.type, path = _PORT_FILES[kind(backing)]
        port.sources = [CharSource(path=text(backing, path))]
    return port


_READERS: dict[str, Callable[[Node, Hardware], Device | None]] = {
    **dict.fromkeys(SCSI_TYPES, _scsi),
    **dict.fromkeys(CARD_TYPES, _card),
    "VirtualAHCIController": _sata,
    "VirtualIDEController": _ide,
    "VirtualDisk": _disk,
    "VirtualCdrom": _cdrom,
    "VirtualFloppy": _floppy,
    "VirtualMachineVideoCard": _video,
    "VirtualSerialPort": _serial,
    "VirtualParallelPort": _parallel,
}
