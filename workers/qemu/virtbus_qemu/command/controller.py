"""Controllers: what makes the buses that other devices sit on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from virtbus.domain.controller import Controller, ControllerDriver, ControllerType, PciModel, ScsiModel, UsbModel
from virtbus.domain.disk import DiskIothread
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts, given
from virtbus_qemu.platform import Board

_KIB = 1024

ORDER = (
    ControllerType.PCI,
    ControllerType.USB,
    ControllerType.SCSI,
    ControllerType.IDE,
    ControllerType.SATA,
    ControllerType.VIRTIO_SERIAL,
)
"""The order in which libvirt makes the buses; smartcard readers follow, for they sit on USB hubs."""


def in_order(context: Context) -> Iterator[Controller]:
    """The controllers in that order, those of a type by number."""
    for kind in (*ORDER, ControllerType.FDC):
        yield from (each for each in context.domain.devices.controllers if each.type is kind)


def readers(context: Context) -> Iterator[Controller]:
    """The smartcard readers."""
    return (each for each in context.domain.devices.controllers if each.type is ControllerType.CCID)


def describe(controller: Controller, context: Context) -> Parts:
    """A controller; those that the machine has built in need nothing.

    :raise ConfigUnsupported: QEMU has no such controller.
    """
    # The number is in the alias, by which devices name the controller's bus.
    _ = controller.index
    make = _MAKERS.get(controller.type)
    if make is None:
        raise _unsupported(controller, context)
    device = make(controller, context)
    if device is None:
        place.built_in(controller, context)
        return Parts(options=_hole(controller, context))
    return Parts(device={**device, **place.of(controller, context)})


#: The chipsets' ends of the PCI buses, as -global names them.
_HOSTS = {PciModel.PCI_ROOT: "i440FX-pcihost", PciModel.PCIE_ROOT: "q35-pcihost"}


def _hole(controller: Controller, context: Context) -> tuple[str, ...]:
    """How large the 64 bit window is in which guests see PCI memory."""
    size = controller.pcihole64
    host = _HOSTS.get(PciModel(controller.model)) if controller.model in list(PciModel) else None
    if size is None or host is None or context.platform.board not in (Board.I440FX, Board.Q35):
        return ()
    return "-global", f"{host}.pci-hole64-size={size}K"


def _pci(controller: Controller, context: Context) -> dict[str, Any] | None:
    make = _PCI.get(PciModel(controller.model)) if controller.model in list(PciModel) else None
    if make is None:
        raise _unsupported(controller, context)
    properties = make(controller)
    if properties is None:
        return None
    name = controller.model_name.name.value if controller.model_name else None
    target = controller.target
    tail: dict[str, Any] = {}
    if target is not None:
        tail = given(hotplug=target.hotplug if make is _port else None, numa_node=target.node)
    return {"driver": name, **properties, "id": controller.alias, **tail}


def _root(controller: Controller) -> dict[str, Any] | None:
    """Root buses are built in, but the further host bridges of POWER; and the first where it is on a NUMA node."""
    index = controller.target.index if controller.target else None
    return {"index": index} if index else None


def _port(controller: Controller) -> dict[str, Any]:
    target = controller.target
    if target is None:
        return {}
    reserve = target.mem_reserve * _KIB if target.mem_reserve else None
    return given({"port": target.port, "chassis": target.chassis, "mem-reserve": reserve})


def _bridge(controller: Controller) -> dict[str, Any]:
    target = controller.target
    if target is None:
        return {"chassis_nr": controller.index}
    reserve = target.mem_reserve * _KIB if target.mem_reserve else None
    return given({"chassis_nr": target.chassis_number, "mem-reserve": reserve})


def _expander(controller: Controller) -> dict[str, Any]:
    return given(bus_nr=controller.target.bus_number if controller.target else None)


def _plain(controller: Controller) -> dict[str, Any]:
    return {}


_PCI: Mapping[PciModel, Callable[[Controller], dict[str, Any] | None]] = {
    PciModel.PCI_ROOT: _root,
    PciModel.PCIE_ROOT: _root,
    PciModel.PCIE_ROOT_PORT: _port,
    PciModel.PCIE_SWITCH_DOWNSTREAM_PORT: _port,
    PciModel.PCI_BRIDGE: _bridge,
    PciModel.PCI_EXPANDER_BUS: _expander,
    PciModel.PCIE_EXPANDER_BUS: _expander,
    PciModel.DMI_TO_PCI_BRIDGE: _plain,
    PciModel.PCIE_TO_PCI_BRIDGE: _plain,
    PciModel.PCIE_SWITCH_UPSTREAM_PORT: _plain,
}
"""What ports and bridges are told besides their names and places."""


#: QEMU's USB controllers.
_USB = {
    UsbModel.PIIX3_UHCI: "piix3-usb-uhci",
    UsbModel.PIIX4_UHCI: "piix4-usb-uhci",
    UsbModel.EHCI: "usb-ehci",
    UsbModel.ICH9_EHCI1: "ich9-usb-ehci1",
    UsbModel.ICH9_UHCI1: "ich9-usb-uhci1",
    UsbModel.ICH9_UHCI2: "ich9-usb-uhci2",
    UsbModel.ICH9_UHCI3: "ich9-usb-uhci3",
    UsbModel.VT82C686B_UHCI: "vt82c686b-usb-uhci",
    UsbModel.NEC_XHCI: "nec-usb-xhci",
    UsbModel.QEMU_XHCI: "qemu-xhci",
    UsbModel.PCI_OHCI: "pci-ohci",
}

_MANY_PORTS = (UsbModel.NEC_XHCI, UsbModel.QEMU_XHCI)


def _usb(controller: Controller, context: Context) -> dict[str, Any] | None:
    if controller.model == UsbModel.NONE:
        return None
    if controller.model is None:
        raise ConfigUnsupported("no model provided for USB controller", domain=context.domain.name)
    model = UsbModel(controller.model) if controller.model in list(UsbModel) else None
    driver = _USB.get(model) if model else None
    if driver is None or (controller.ports is not None and model not in _MANY_PORTS):
        raise _unsupported(controller, context)
    properties = {"driver": driver, **given(p2=controller.ports, p3=controller.ports)}
    if controller.master is None:
        return {**properties, "id": controller.alias}
    # A companion has no name of its own: it serves the main controller's bus.
    mains = (each for each in _usb_controllers(context) if each.index == controller.index and each.master is None)
    main = next(mains, None)
    if main is None:
        raise XmlInternal("masterbus not found", domain=context.domain.name)
    return {**properties, "masterbus": f"{main.alias}.0", "firstport": controller.master.start_port}


def _usb_controllers(context: Context) -> Iterator[Controller]:
    return (each for each in context.domain.devices.controllers if each.type is ControllerType.USB)


#: QEMU's SCSI controllers, but virtio's.
_SCSI = {
    ScsiModel.LSILOGIC: "lsi",
    ScsiModel.IBMVSCSI: "spapr-vscsi",
    ScsiModel.LSISAS1068: "mptsas1068",
    ScsiModel.LSISAS1078: "megasas",
    ScsiModel.VMPVSCSI: "pvscsi",
    ScsiModel.DC390: "dc390",
    ScsiModel.AM53C974: "am53c974",
}


def _scsi(controller: Controller, context: Context) -> dict[str, Any] | None:
    model = controller.model or ScsiModel.LSILOGIC
    if model == ScsiModel.NCR53C90 and context.platform.board is Board.SUN4M and controller.index == 0:
        return None
    if model.startswith("virtio"):
        return {
            "driver": place.virtio_name("virtio-scsi", controller, context),
            **_virtio_scsi(controller.driver or ControllerDriver(), controller.alias),
        }
    driver = _SCSI.get(ScsiModel(model)) if model in list(ScsiModel) else None
    if driver is None:
        raise ConfigUnsupported(f"Unsupported controller model: {model}", domain=context.domain.name)
    return {"driver": driver, "id": controller.alias}


def _virtio_scsi(driver: ControllerDriver, alias: str | None) -> dict[str, Any]:
    threads = driver.iothreads.iothreads if driver.iothreads else None
    return {
        **place.virtio(driver),
        **given(
            {
                "iothread": f"iothread{driver.iothread}" if driver.iothread else None,
                "iothread-vq-mapping": [_mapping(each) for each in threads] if threads else None,
            }
        ),
        "id": alias,
        **given(
            num_queues=driver.queues,
            cmd_per_lun=driver.cmd_per_lun,
            max_sectors=driver.max_sectors,
            ioeventfd=driver.ioeventfd,
        ),
    }


def _mapping(iothread: DiskIothread) -> dict[str, Any]:
    queues = [queue.id for queue in iothread.queues]
    return given(iothread=f"iothread{iothread.id}", vqs=queues or None)


def _virtio_serial(controller: Controller, context: Context) -> dict[str, Any]:
    return {
        "driver": place.virtio_name("virtio-serial", controller, context),
        **place.virtio(controller.driver),
        "id": controller.alias,
        **given(max_ports=controller.ports, vectors=controller.vectors),
    }


def _sata(controller: Controller, context: Context) -> dict[str, Any] | None:
    if controller.index == 0 and context.platform.board is Board.Q35:
        return None
    return {"driver": "ahci", "id": controller.alias}


def _built_in(controller: Controller, context: Context) -> None:
    """Of a controller that is on the board, or nowhere (which the checks refuse)."""


def _reader(controller: Controller, context: Context) -> dict[str, Any]:
    return {"driver": "usb-ccid", "id": controller.alias}


def _unsupported(controller: Controller, context: Context) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"{controller.type} controller {controller.index} of model {controller.model} is not supported",
        domain=context.domain.name,
        evidence={"path": "/domain/devices/controller/@model"},
    )


_MAKERS: dict[ControllerType, Callable[[Controller, Context], dict[str, Any] | None]] = {
    ControllerType.PCI: _pci,
    ControllerType.USB: _usb,
    ControllerType.SCSI: _scsi,
    ControllerType.VIRTIO_SERIAL: _virtio_serial,
    ControllerType.SATA: _sata,
    ControllerType.IDE: _built_in,
    ControllerType.FDC: _built_in,
    ControllerType.CCID: _reader,
}
