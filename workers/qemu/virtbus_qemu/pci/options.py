"""Which options a PCI controller may have, by its model (libvirt: qemuValidateDomainDeviceDefControllerPCI)."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.checks.problem import Problems, internal, malformed, unsupported
from virtbus.domain.controller import Controller, ControllerTarget, PciModel
from virtbus.domain.controller import PciModelName as Name
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import Board, Platform

_PORTS = (PciModel.PCIE_ROOT_PORT, PciModel.PCIE_SWITCH_DOWNSTREAM_PORT)
_EXPANDERS = (PciModel.PCI_EXPANDER_BUS, PciModel.PCIE_EXPANDER_BUS)

#: The devices that may stand behind each model.
_NAMES: dict[PciModel, tuple[Name, ...]] = {
    PciModel.PCI_ROOT: (Name.SPAPR_PCI_HOST_BRIDGE,),
    PciModel.PCIE_ROOT: (),
    PciModel.PCI_BRIDGE: (Name.PCI_BRIDGE,),
    PciModel.DMI_TO_PCI_BRIDGE: (Name.I82801B11_BRIDGE,),
    PciModel.PCIE_TO_PCI_BRIDGE: (Name.PCIE_PCI_BRIDGE,),
    PciModel.PCIE_ROOT_PORT: (Name.IOH3420, Name.PCIE_ROOT_PORT),
    PciModel.PCIE_SWITCH_UPSTREAM_PORT: (Name.X3130_UPSTREAM,),
    PciModel.PCIE_SWITCH_DOWNSTREAM_PORT: (Name.XIO3130_DOWNSTREAM,),
    PciModel.PCI_EXPANDER_BUS: (Name.PXB,),
    PciModel.PCIE_EXPANDER_BUS: (Name.PXB_PCIE,),
}

#: The flags of a QEMU that has the device.
_FLAGS: dict[Name, str] = {name: name.value for name in Name} | {Name.I82801B11_BRIDGE: "dmi-to-pci-bridge"}

#: libvirt's names of options, the field of the target that has them, and the models that may have them.
_OPTIONS: tuple[tuple[str, str, tuple[PciModel, ...]], ...] = (
    ("targetIndex", "index", (PciModel.PCI_ROOT,)),
    ("chassisNr", "chassis_number", (PciModel.PCI_BRIDGE,)),
    ("chassis", "chassis", _PORTS),
    ("port", "port", _PORTS),
    ("busNr", "bus_number", _EXPANDERS),
    ("numaNode", "node", (*_EXPANDERS, PciModel.PCI_ROOT)),
    ("hotplug", "hotplug", (*_PORTS, PciModel.PCI_ROOT)),
)

#: The least and the greatest number of an option.
_RANGES = {
    "chassis_number": ("chassisNr", 1, 255),
    "chassis": ("chassis", 0, 255),
    "port": ("port", 0, 255),
    "bus_number": ("busNr", 1, 254),
}


def check(controller: Controller, path: str, platform: Platform, capabilities: Capabilities) -> Problems:
    """What a PCI controller with its defaults filled in may not say."""
    if controller.model is None:
        yield internal("Missing PCI controller model", f"{path}/@model")
        return
    if controller.model not in list(PciModel):
        return
    model = PciModel(controller.model)
    yield from _check_ranges(controller.target or ControllerTarget(), path)
    yield from _check_name(controller, model, path, platform)
    root = model in (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)
    if not root and controller.index == 0:
        yield unsupported(f"Index for '{model}' controllers must be > 0", f"{path}/@index")
    if root and controller.index and platform.board is not Board.PSERIES:
        yield unsupported(f"Index for '{model}' controllers must be 0", f"{path}/@index")
    for option in _misplaced(controller, model, platform):
        yield unsupported(_words(f"Option '{option}' is not valid", controller), f"{path}/target")
    name = controller.model_name.name if controller.model_name else None
    if name is not None and not capabilities.has(_FLAGS[name]):
        yield unsupported(f"The '{name}' device is not supported by this QEMU binary", f"{path}/model/@name")


def _check_ranges(target: ControllerTarget, path: str) -> Problems:
    for field, (name, least, most) in _RANGES.items():
        number = getattr(target, field)
        if number is not None and not least <= number <= most:
            yield malformed(
                f"PCI controller {name} '{number}' out of range - must be {least}-{most}", f"{path}/target/@{name}"
            )


def _check_name(controller: Controller, model: PciModel, path: str, platform: Platform) -> Problems:
    name = controller.model_name.name if controller.model_name else None
    bare = model is PciModel.PCIE_ROOT or (model is PciModel.PCI_ROOT and platform.board is not Board.PSERIES)
    if name is None:
        if not bare:
            yield internal(_words("Required option 'modelName' is not set", controller), f"{path}/model")
    elif bare:
        yield unsupported(_words("Option 'modelName' is not valid", controller), f"{path}/model/@name")
    elif name not in _NAMES[model]:
        yield unsupported(_words("Option 'modelName' has invalid value", controller), f"{path}/model/@name")


def _misplaced(controller: Controller, model: PciModel, platform: Platform) -> Iterator[str]:
    target = controller.target or ControllerTarget()
    for option, field, models in _OPTIONS:
        fits = model in models
        if model is PciModel.PCI_ROOT:
            # A PC's root bus can be told not to hot-plug, all else is for POWER's host bridges.
            fits = fits and (option == "hotplug") is not (platform.board is Board.PSERIES)
        if getattr(target, field) is not None and not fits:
            yield option
    if controller.pcihole64 is not None and model not in (PciModel.PCI_ROOT, PciModel.PCIE_ROOT):
        yield "pcihole64"


def _words(what: str, controller: Controller) -> str:
    name = controller.model_name.name if controller.model_name else "none"
    return (
        f"{what} for PCI controller with index '{controller.index}', model '{controller.model}' and modelName '{name}'"
    )
