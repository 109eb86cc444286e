"""The controllers that libvirt adds to a definition: those the machine has by default, and the models of those that
name none.

What drives, virtio-serial ports and smartcards sit on is added for every hypervisor (`virtbus.domain.buses`), PCI
bridges and ports with the addresses (`pci.assign`).
"""

from __future__ import annotations

from collections.abc import Sequence

from virtbus.domain.controller import Controller, ControllerType, Master, PciModel, ScsiModel, UsbModel
from virtbus.domain.domain import Domain
from virtbus.domain.lookup import insert
from virtbus.errors import ConfigUnsupported, XmlError
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import Board, Platform, platform_of

#: The companions of an ICH9 EHCI controller: model and the first port each serves.
COMPANIONS = {UsbModel.ICH9_UHCI1: 0, UsbModel.ICH9_UHCI2: 2, UsbModel.ICH9_UHCI3: 4}

ROOTS = (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)

_Choice = Sequence[tuple[UsbModel, str]]
"""USB controllers, each with the flag of a QEMU that has it; the first that there is, is chosen."""

_PIIX3 = (UsbModel.PIIX3_UHCI, "piix3-usb-uhci")
_OHCI = (UsbModel.PCI_OHCI, "pci-ohci")
_USB3: _Choice = ((UsbModel.QEMU_XHCI, "qemu-xhci"), (UsbModel.NEC_XHCI, "nec-usb-xhci"))

#: Boards whose guests have USB by default, and the controllers it may be where those differ from the usual ones.
_WITH_USB: dict[Board, _Choice | None] = {
    Board.Q35: (*_USB3, (UsbModel.ICH9_EHCI1, "ich9-usb-ehci1")),
    Board.VERSATILE: (_OHCI,),
    Board.REALVIEW: (_OHCI,),
    **dict.fromkeys((Board.I440FX, Board.PSERIES, Board.POWERNV, Board.MAC, Board.PPCE500), None),
}

#: Boards that have no USB, whatever their architecture.
_WITHOUT_USB = (Board.ISAPC, Board.MICROVM, Board.SUN4M)

#: Boards with a root bus for PCI.
_WITH_PCI = {
    **dict.fromkeys((Board.Q35, Board.ARM_VIRT, Board.RISCV_VIRT, Board.LOONGARCH_VIRT), PciModel.PCIE_ROOT),
    **dict.fromkeys(
        (
            *(Board.I440FX, Board.PSERIES, Board.POWERNV, Board.MAC, Board.PPCE500),
            *(Board.VERSATILE, Board.MALTA, Board.SUN4U),
        ),
        PciModel.PCI_ROOT,
    ),
}


def add_defaults(domain: Domain, capabilities: Capabilities, *, renew: bool) -> None:
    """Add the controllers that every machine of the kind has; it comes before controllers are numbered.

    :param renew: whether the guest may get what new guests have.
    :raise XmlError: the first PCI controller is not the machine's root.
    """
    platform = platform_of(domain)
    roots = [each for each in _of_type(domain, ControllerType.PCI) if each.model in ROOTS and each.index is None]
    if roots and not any(each.index == 0 for each in _of_type(domain, ControllerType.PCI)):
        roots[0].index = 0
    if not _of_type(domain, ControllerType.USB):
        _add_usb(domain, platform, capabilities, renew)
    if platform.board is Board.Q35:
        _need(domain, ControllerType.SATA)
    root = _root(platform, capabilities)
    if root is not None:
        _check_root(_need(domain, ControllerType.PCI, root), root)


def _root(platform: Platform, capabilities: Capabilities) -> PciModel | None:
    if platform.is_s390:
        return PciModel.PCI_ROOT if capabilities.has("zpci") else None
    return _WITH_PCI.get(platform.board)


def _check_root(controller: Controller, root: PciModel) -> None:
    if controller.model != root:
        raise XmlError(
            f"The PCI controller with index='0' must be model='{root}' for this machine type,"
            f" but model='{controller.model}' was found instead"
        )


def _add_usb(domain: Domain, platform: Platform, capabilities: Capabilities, renew: bool) -> None:
    with_usb = platform.board in _WITH_USB or (platform.is_x86 and platform.board not in _WITHOUT_USB)
    if not with_usb:
        return
    own = _WITH_USB.get(platform.board)
    model = _first(own, capabilities) if own is not None else usb_model(platform, capabilities, renew=renew)
    if model is None and own is not None:
        return
    insert(domain, Controller(type=ControllerType.USB, index=0, model=model))
    for companion, port in COMPANIONS.items() if model is UsbModel.ICH9_EHCI1 else ():
        insert(domain, Controller(type=ControllerType.USB, index=0, model=companion, master=Master(start_port=port)))


def _need(domain: Domain, kind: ControllerType, model: str | None = None) -> Controller:
    """The first controller of a type, added where there is none."""
    for each in _of_type(domain, kind):
        # One that has no number yet becomes the first; a PCI bridge never does.
        if each.index == 0 or (each.index is None and kind is not ControllerType.PCI):
            return each
    controller = Controller(type=kind, index=0, model=model)
    insert(domain, controller)
    return controller


def _of_type(domain: Domain, kind: ControllerType) -> list[Controller]:
    return [each for each in domain.devices.controllers if each.type is kind]


def fill_models(domain: Domain, capabilities: Capabilities, *, renew: bool) -> None:
    """Fill in the models of controllers that name none, and refuse those that the machine cannot have.

    :raise XmlError: a root bus has another number than 0.
    :raise ConfigUnsupported: the machine has no such controller.
    """
    platform = platform_of(domain)
    for controller in domain.devices.controllers:
        if platform.is_s390 and controller.model is None and controller.address is not None:
            # Where it sits somewhere it is a controller, though QEMU may have none.
            continue
        if controller.type is ControllerType.USB and controller.model is None:
            controller.model = usb_model(platform, capabilities, renew=renew)
        elif controller.type is ControllerType.USB and controller.model in (UsbModel.QUSB1, UsbModel.QUSB2):
            raise ConfigUnsupported(f"USB controller model type 'qusb1' or 'qusb2' is not supported in {domain.type}")
        elif controller.type is ControllerType.SCSI and controller.model in (None, ScsiModel.AUTO):
            controller.model = _scsi_model(controller, platform, capabilities)
        elif controller.type is ControllerType.PCI:
            _check_pci(controller, domain, platform)


def usb_model(platform: Platform, capabilities: Capabilities, *, renew: bool) -> UsbModel | None:
    """The model of a USB controller that names none; None where QEMU has none that would do."""
    if platform.is_s390:
        return UsbModel.NONE
    if platform.is_x86:
        return _first((_PIIX3,), capabilities)
    if platform.arch.startswith("ppc64"):
        # What stored guests have must stay.
        return _first((*_USB3, _OHCI) if renew else (_OHCI,), capabilities)
    if platform.arch == "aarch64" or platform.is_virt:
        return _first(_USB3, capabilities)
    return _first((_PIIX3, _OHCI), capabilities)


def _first(choice: _Choice, capabilities: Capabilities) -> UsbModel | None:
    return next((model for model, flag in choice if capabilities.has(flag)), None)


_SCSI_CHOICE = (
    (ScsiModel.LSILOGIC, "lsi"),
    (ScsiModel.VIRTIO_SCSI, "virtio-scsi-pci"),
    (ScsiModel.NCR53C90, "ncr53c90"),
    (ScsiModel.DC390, "dc390"),
    (ScsiModel.AM53C974, "am53c974"),
)


def _scsi_model(controller: Controller, platform: Platform, capabilities: Capabilities) -> str:
    """The machine's own, else the first that QEMU has.

    :raise ConfigUnsupported: QEMU has none.
    """
    if platform.board is Board.PSERIES:
        return ScsiModel.IBMVSCSI
    if platform.is_s390:
        return ScsiModel.VIRTIO_SCSI
    if platform.board is Board.SUN4M and controller.index == 0:
        return ScsiModel.NCR53C90
    found = next((model for model, flag in _SCSI_CHOICE if capabilities.has(flag)), None)
    if found is None:
        raise ConfigUnsupported(f"Unable to determine model for SCSI controller idx={controller.index}")
    return found


_EXPRESS_EXPANDERS = (Board.Q35, Board.ARM_VIRT)


def _check_pci(controller: Controller, domain: Domain, platform: Platform) -> None:
    model = controller.model
    if model in ROOTS and controller.index != 0 and platform.board is not Board.PSERIES:
        raise XmlError("pci-root and pcie-root controllers should have index 0")
    if model == PciModel.PCI_EXPANDER_BUS and platform.board is not Board.I440FX:
        raise ConfigUnsupported("pci-expander-bus controllers are only supported on 440fx-based machinetypes")
    if model == PciModel.PCIE_EXPANDER_BUS and platform.board not in _EXPRESS_EXPANDERS:
        raise ConfigUnsupported("pcie-expander-bus controllers are not supported with this machine type")
    node = controller.target.node if controller.target is not None else None
    cells = len(domain.cpu.numa.cells) if domain.cpu is not None and domain.cpu.numa is not None else 0
    if node is not None and node >= cells:
        raise XmlError(
            f"{model} with index {controller.index} is configured for a NUMA node ({node}) not present in the"
            f" domain's <cpu><numa> array ({cells})"
        )
