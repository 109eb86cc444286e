"""What controllers may not be."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from virtbus.domain.checks.problem import Problems, detail, malformed, of_kind, places, twice, unsupported
from virtbus.domain.controller import MODELS, Controller, ControllerType, PciModel
from virtbus.domain.domain import Domain


def check_controllers(domain: Domain) -> Problems:
    controllers = [(path, device) for path, device in places(domain) if isinstance(device, Controller)]
    # The companions of a USB2 controller share its index.
    numbered: Iterator[tuple[Hashable, str]] = (
        ((each.type, each.index), path) for path, each in controllers if each.master is None and each.index is not None
    )
    for (kind, index), first, again in twice(numbered):
        yield malformed(f"Multiple '{kind}' controllers with index '{index}'", f"{again}/@index", f"{first} has it too")
    for path, controller in controllers:
        models = MODELS.get(controller.type)
        if controller.model is None or models is None:
            continue
        if controller.model not in [str(model) for model in models]:
            yield detail(f"Unknown model type '{controller.model}'", f"{path}/@model", f"there are {', '.join(models)}")


_ROOTS = (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)
LAST_TARGET_INDEX = 30
"""The last of a POWER guest's PCI host bridges."""


def check_pci_controllers(domain: Domain) -> Problems:
    """Roots sit nowhere; a POWER guest's first host bridge, and only that, has target index 0."""
    for path, controller in of_kind(domain, Controller):
        if controller.type is not ControllerType.PCI:
            continue
        if controller.model in _ROOTS and controller.address is not None:
            yield unsupported("pci-root and pcie-root controllers should not have an address", f"{path}/address")
        index = controller.target.index if controller.target is not None else None
        if index is None:
            continue
        if index > LAST_TARGET_INDEX:
            yield unsupported(
                f"PCI controller target index '{index}' out of range - must be 0-{LAST_TARGET_INDEX}",
                f"{path}/target/@index",
            )
        elif (index == 0) is not (controller.index == 0):
            yield unsupported(
                "Only the PCI controller with index 0 can have target index 0, and vice versa", f"{path}/target/@index"
            )
