"""The NVRAM of POWER guests."""

from __future__ import annotations

from virtbus.domain.address import SpaprVioAddress
from virtbus.domain.nvram import Nvram
from virtbus.errors import XmlError
from virtbus_qemu.command.parts import Context, Parts


def describe(device: Nvram, context: Context) -> Parts:
    """The NVRAM, which the machine makes itself; only its register can be chosen.

    :raise XmlError: it has none.
    """
    address = device.address
    if not isinstance(address, SpaprVioAddress) or address.reg is None:
        raise XmlError("nvram address type must be spaprvio", evidence={"path": "/domain/devices/nvram/address"})
    return Parts(options=("-global", f"spapr-nvram.reg={address.reg:#x}"))
