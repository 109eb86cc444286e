"""What bridges and ports show of themselves: QEMU's device behind them, chassis, port, bus and target numbers."""

from __future__ import annotations

from virtbus.domain.address import PciAddress
from virtbus.domain.controller import Controller, ControllerModel, ControllerTarget, ControllerType, PciModel
from virtbus.domain.controller import PciModelName as Name
from virtbus.domain.domain import Domain
from virtbus.errors import XmlError, XmlInternal
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import Board, Platform

_NAMES = {
    PciModel.PCIE_TO_PCI_BRIDGE: Name.PCIE_PCI_BRIDGE,
    PciModel.DMI_TO_PCI_BRIDGE: Name.I82801B11_BRIDGE,
    PciModel.PCI_BRIDGE: Name.PCI_BRIDGE,
    PciModel.PCIE_SWITCH_UPSTREAM_PORT: Name.X3130_UPSTREAM,
    PciModel.PCIE_SWITCH_DOWNSTREAM_PORT: Name.XIO3130_DOWNSTREAM,
    PciModel.PCI_EXPANDER_BUS: Name.PXB,
    PciModel.PCIE_EXPANDER_BUS: Name.PXB_PCIE,
}

_EXPANDERS = (PciModel.PCI_EXPANDER_BUS, PciModel.PCIE_EXPANDER_BUS)

BUS_NUMBERS = 256
LAST_TARGET = 30
"""The last of a POWER machine's host bridges."""


def complete(domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    """Fill in what the PCI controllers leave open.

    :raise XmlError: a bridge sits on a bus that comes after its own.
    :raise XmlInternal: the numbers are used up.
    """
    for controller in domain.devices.controllers:
        if controller.type is not ControllerType.PCI or controller.model not in list(PciModel):
            continue
        name = _name(PciModel(controller.model), platform, capabilities)
        if name is not None and controller.model_name is None:
            controller.model_name = ControllerModel(name=name)
        _complete(controller, domain, platform)
        index, at = controller.index or 0, controller.address
        if isinstance(at, PciAddress) and index <= at.bus:
            raise XmlError(
                f"PCI controller at index {index} (0x{index:02x}) has bus='0x{at.bus:02x}',"
                " but index must be larger than bus"
            )


def _name(model: PciModel, platform: Platform, capabilities: Capabilities) -> Name | None:
    if model is PciModel.PCIE_ROOT_PORT:
        return Name.PCIE_ROOT_PORT if capabilities.has("pcie-root-port") else Name.IOH3420
    if model is PciModel.PCI_ROOT and platform.board is Board.PSERIES:
        return Name.SPAPR_PCI_HOST_BRIDGE
    return _NAMES.get(model)


def _complete(controller: Controller, domain: Domain, platform: Platform) -> None:
    model, at = controller.model, controller.address
    target = controller.target or ControllerTarget()
    slot, function = (at.slot, at.function) if isinstance(at, PciAddress) else (0, 0)
    if model == PciModel.PCI_BRIDGE:
        target.chassis_number = controller.index if target.chassis_number is None else target.chassis_number
    elif model == PciModel.PCIE_ROOT_PORT:
        target.chassis = controller.index if target.chassis is None else target.chassis
        target.port = slot << 3 | function if target.port is None else target.port
    elif model == PciModel.PCIE_SWITCH_DOWNSTREAM_PORT:
        target.chassis = controller.index if target.chassis is None else target.chassis
        target.port = slot if target.port is None else target.port
    elif model in _EXPANDERS:
        if target.bus_number is None:
            target.bus_number = _free_bus_number(controller, domain)
    elif model == PciModel.PCI_ROOT and platform.board is Board.PSERIES:
        if target.index is None:
            target.index = 0 if controller.index == 0 else _free_target(domain)
    else:
        return
    controller.target = target


def _free_bus_number(controller: Controller, domain: Domain) -> int:
    """Two below the lowest that is given, so that an expander has room for a bridge."""
    targets = (each.target for each in domain.devices.controllers if each.type is ControllerType.PCI)
    lowest = min(
        (target.bus_number for target in targets if target is not None and target.bus_number is not None),
        default=BUS_NUMBERS,
    )
    if lowest <= 2:
        raise XmlInternal(
            f"No free busNr lower than current lowest busNr {lowest} is available to auto-assign to bus"
            f" {controller.index}. Must be manually assigned"
        )
    return lowest - 2


def _free_target(domain: Domain) -> int:
    taken = {each.target.index for each in domain.devices.controllers if each.target is not None}
    free = next((number for number in range(1, LAST_TARGET + 1) if number not in taken), None)
    if free is None:
        raise XmlInternal("No usable target index found for PCI host bridge")
    return free
