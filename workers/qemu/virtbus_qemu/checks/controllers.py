"""What controllers may not be (libvirt: qemuValidateDomainDeviceDefController). PCI's are in `pci.options`."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.controller import Controller, ControllerType, ScsiModel, UsbModel
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.pci import options
from virtbus_qemu.platform import Board

MOST_PORTS = 15
"""Of a USB 3 controller."""

_MANY_PORTS = (UsbModel.NEC_XHCI, UsbModel.QEMU_XHCI)


def check_controller(scene: Scene, path: str, controller: Controller) -> Problems:
    """One controller, by its type."""
    if controller.type is ControllerType.USB:
        yield from _check_usb(path, controller)
    elif controller.type is ControllerType.SCSI:
        yield from _check_scsi(path, controller)
    elif controller.type is ControllerType.IDE:
        yield from _check_ide(scene, path, controller)
    elif controller.type is ControllerType.PCI:
        yield from options.check(controller, path, scene.platform, scene.capabilities)
    elif controller.type is ControllerType.SATA:
        built_in = scene.platform.board is Board.Q35 and not controller.index
        if not built_in and not scene.has("ich9-ahci"):
            yield unsupported("SATA is not supported with this QEMU binary", f"{path}/@type")


def _check_usb(path: str, controller: Controller) -> Problems:
    ports = controller.ports
    if ports is None:
        return
    if controller.model not in _MANY_PORTS:
        yield unsupported(
            f"usb controller type '{controller.model}' doesn't support 'ports' with this QEMU binary", f"{path}/@ports"
        )
    elif ports > MOST_PORTS:
        yield unsupported(f"'{controller.model}' controller only supports up to '{MOST_PORTS}' ports", f"{path}/@ports")


_USB_FLAGS: dict[str, str] = {
    UsbModel.PIIX3_UHCI: "piix3-usb-uhci",
    UsbModel.PIIX4_UHCI: "piix4-usb-uhci",
    UsbModel.EHCI: "usb-ehci",
    UsbModel.ICH9_EHCI1: "ich9-usb-ehci1",
    UsbModel.ICH9_UHCI1: "ich9-usb-ehci1",
    UsbModel.ICH9_UHCI2: "ich9-usb-ehci1",
    UsbModel.ICH9_UHCI3: "ich9-usb-ehci1",
    UsbModel.VT82C686B_UHCI: "vt82c686b-usb-uhci",
    UsbModel.PCI_OHCI: "pci-ohci",
    UsbModel.NEC_XHCI: "nec-usb-xhci",
    UsbModel.QEMU_XHCI: "qemu-xhci",
}


def check_usb_model(scene: Scene, path: str, controller: Controller) -> Problems:
    """A USB controller has a model, which QEMU has too. To be asked when a command line is made."""
    if controller.type is not ControllerType.USB or controller.model == UsbModel.NONE:
        return
    if controller.model is None:
        yield unsupported("no model provided for USB controller", f"{path}/@model")
        return
    flag = _USB_FLAGS.get(controller.model)
    if flag is None or not scene.has(flag):
        yield unsupported(
            f"USB controller model '{controller.model}' not supported in this QEMU binary", f"{path}/@model"
        )


_VIRTIO_SCSI = (ScsiModel.VIRTIO_SCSI, ScsiModel.VIRTIO_TRANSITIONAL, ScsiModel.VIRTIO_NON_TRANSITIONAL)

_ONLY_VIRTIO = ("queues", "cmd_per_lun", "max_sectors", "ioeventfd", "iothread")


def _check_scsi(path: str, controller: Controller) -> Problems:
    if controller.model in _VIRTIO_SCSI or controller.driver is None:
        return
    for name in _ONLY_VIRTIO:
        if getattr(controller.driver, name) is not None:
            words = (
                "'iothread' is only supported for virtio-scsi controllers"
                if name == "iothread"
                else f"'{name}' is only supported by virtio-scsi controller"
            )
            yield unsupported(words, f"{path}/driver/@{name}")


#: Boards that have one IDE controller soldered on.
_WITH_IDE = (Board.I440FX, Board.MALTA, Board.SUN4U, Board.MAC)


def _check_ide(scene: Scene, path: str, controller: Controller) -> Problems:
    built_in = scene.platform.board in _WITH_IDE
    if built_in and not controller.index:
        return
    yield unsupported(
        "Only a single IDE controller is supported for this machine type"
        if built_in
        else "IDE controllers are unsupported for this QEMU binary or machine type",
        f"{path}/@type",
    )
