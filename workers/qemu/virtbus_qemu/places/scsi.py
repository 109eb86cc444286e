"""SCSI buses: which controller makes one."""

from __future__ import annotations

from virtbus.domain.controller import ControllerType, ScsiModel
from virtbus.domain.domain import Domain


def scsi_model(domain: Domain, index: int) -> str:
    """The model of a SCSI controller."""
    for controller in domain.devices.controllers:
        if controller.type is ControllerType.SCSI and controller.index == index:
            return controller.model or ScsiModel.LSILOGIC
    return ScsiModel.LSILOGIC
