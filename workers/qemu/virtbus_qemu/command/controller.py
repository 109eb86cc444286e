"""Controllers: what makes the buses that other devices sit on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.controller import Controller, ControllerDriver, ControllerType, PciModel, ScsiModel, UsbModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts, given

#: QEMU's USB controllers.
_USB = {
    UsbModel.PIIX3_UHCI: "piix3-usb-uhci",
    UsbModel.PIIX4_UHCI: "piix4-usb-uhci",
    UsbModel.EHCI: "usb-ehci",
    UsbModel.ICH9_EHCI1: "ich9-usb-ehci1",
    UsbModel.ICH9_UHCI1: "ich9-usb-uhci1",
    UsbModel.ICH9_UHCI2: "ich9-usb-uhci2",
    UsbModel.ICH9_UHCI3: "ich9-usb-uhci3",
    UsbModel.NEC_XHCI: "nec-usb-xhci",
    UsbModel.QEMU_XHCI: "qemu-xhci",
    UsbModel.PCI_OHCI: "pci-ohci",
}

_PORT_PROPERTY = {UsbModel.NEC_XHCI: ("p2", "p3"), UsbModel.QEMU_XHCI: ("p2", "p3")}


def describe(controller: Controller, context: Context) -> Parts:
    """A controller; those that the chipset has built in need nothing.

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
    if device is None or controller.master is not None:
        return Parts(device=device)
    return Parts(device={**device, "id": controller.alias})


def _pci(controller: Controller, context: Context) -> dict[str, Any] | None:
    target, name = controller.target, controller.model_name.name.value if controller.model_name else None
    if controller.model in (PciModel.PCI_ROOT, PciModel.PCIE_ROOT):
        return None
    where = place.pci(controller, context)
    if controller.model == PciModel.PCIE_ROOT_PORT:
        return {
            "driver": name or "pcie-root-port",
            **(given(port=target.port, chassis=target.chassis, hotplug=target.hotplug) if target else {}),
            **where,
        }
    if controller.model == PciModel.PCI_BRIDGE:
        return {"driver": "pci-bridge", "chassis_nr": target.chassis_number if target else controller.index, **where}
    if controller.model in (PciModel.PCIE_TO_PCI_BRIDGE, PciModel.DMI_TO_PCI_BRIDGE):
        return {"driver": name, **where}
    raise _unsupported(controller, context)


def _usb(controller: Controller, context: Context) -> dict[str, Any] | None:
    if controller.model == UsbModel.NONE:
        return None
    model = UsbModel(controller.model) if controller.model in list(UsbModel) else None
    driver = _USB.get(model) if model else None
    if model is None or driver is None:
        raise _unsupported(controller, context)
    ports = dict.fromkeys(_PORT_PROPERTY.get(model, ()), controller.ports) if controller.ports else {}
    if controller.ports and not ports:
        raise _unsupported(controller, context)
    where = place.pci(controller, context)
    if controller.master is None:
        return {"driver": driver, **ports, **where}
    # A companion has no name of its own: it serves the main controller's bus.
    return {
        "driver": driver,
        "masterbus": f"{controller.alias}.0",
        "firstport": controller.master.start_port,
        **where,
    }


def _scsi(controller: Controller, context: Context) -> dict[str, Any]:
    driver = controller.driver or ControllerDriver()
    model = controller.model or ScsiModel.LSILOGIC
    where = place.pci(controller, context)
    if model == ScsiModel.LSILOGIC:
        return {"driver": "lsi", **where}
    if not model.startswith("virtio"):
        raise _unsupported(controller, context)
    return {
        "driver": place.virtio_name("virtio-scsi", model.removesuffix("-scsi")),
        **place.virtio(driver),
        **given(
            num_queues=driver.queues,
            cmd_per_lun=driver.cmd_per_lun,
            max_sectors=driver.max_sectors,
            ioeventfd=driver.ioeventfd,
            iothread=f"iothread{driver.iothread}" if driver.iothread else None,
        ),
        **where,
    }


def _virtio_serial(controller: Controller, context: Context) -> dict[str, Any]:
    return {
        "driver": place.virtio_name("virtio-serial", controller.model),
        **place.virtio(controller.driver),
        **given(max_ports=controller.ports, vectors=controller.vectors),
        **place.pci(controller, context),
    }


def _sata(controller: Controller, context: Context) -> dict[str, Any] | None:
    if controller.index == 0 and context.platform.express:
        return None
    return {"driver": "ahci", **place.pci(controller, context)}


def _ide(controller: Controller, context: Context) -> dict[str, Any] | None:
    if controller.index != 0 or context.platform.express:
        raise _unsupported(controller, context)
    return None


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
    ControllerType.IDE: _ide,
}
