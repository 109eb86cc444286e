"""Devices by which the guest tells that it has crashed."""

from __future__ import annotations

from virtbus.domain.address import IsaAddress
from virtbus.domain.watchdog import Panic, PanicModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts, given


def describe(device: Panic, context: Context) -> Parts:
    """A panic device. Those of POWER and s390x are part of the machine, that of Hyper-V is one of the processor's
    abilities.

    :raise ConfigUnsupported: QEMU has no such device.
    """
    if device.model is PanicModel.ISA:
        if not context.has("pvpanic"):
            raise _unsupported(context, "the QEMU binary does not support the ISA panic device", device)
        port = device.address.iobase if isinstance(device.address, IsaAddress) else None
        return Parts(device={"driver": "pvpanic", **given(ioport=port)})
    if device.model is PanicModel.PVPANIC:
        if not context.has("pvpanic-pci"):
            raise _unsupported(context, "the QEMU binary does not support the PCI pvpanic device", device)
        return Parts(device={"driver": "pvpanic-pci", **place.of(device, context)})
    return Parts()


def _unsupported(context: Context, message: str, device: Panic) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=context.domain.name, evidence={"path": "/domain/devices/panic/@model"})
