"""What serial ports, consoles and channels may not be on the guest's side (libvirt: qemuValidateDomainChrDef)."""

from __future__ import annotations

from virtbus.domain.address import AddressType
from virtbus.domain.chardev import (
    Channel,
    ChannelTargetType,
    CharDevice,
    Console,
    ConsoleTargetType,
    Parallel,
    Serial,
    SerialTargetModel,
    SerialTargetType,
)
from virtbus.domain.checks.problem import Problems, is_serial_console, unsupported
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.platform import Board


def check_device(scene: Scene, path: str, device: CharDevice) -> Problems:
    """The guest's side, by the kind of device."""
    if isinstance(device, Console) and is_serial_console(scene.domain, device):
        return
    match device:
        case Serial():
            yield from _check_serial(scene, path, device)
        case Parallel() if not scene.platform.is_x86:
            yield unsupported("parallel ports are not supported", path)
        case Console(target=target) if target is not None:
            yield from _check_console(scene, path, target.type)
        case Channel(target=target) if target is not None and target.type is ChannelTargetType.XEN:
            yield unsupported("channel target type 'xen' is not supported by QEMU", f"{path}/target/@type")


_BUS_OF: dict[SerialTargetType, AddressType] = {
    SerialTargetType.ISA_SERIAL: AddressType.ISA,
    SerialTargetType.ISA_DEBUG: AddressType.ISA,
    SerialTargetType.USB_SERIAL: AddressType.USB,
    SerialTargetType.PCI_SERIAL: AddressType.PCI,
    SerialTargetType.SPAPR_VIO_SERIAL: AddressType.SPAPR_VIO,
}

_BOARDS_OF: dict[SerialTargetModel, frozenset[Board]] = {
    SerialTargetModel.SPAPR_VTY: frozenset({Board.PSERIES}),
    SerialTargetModel.PL011: frozenset({Board.ARM_VIRT}),
    SerialTargetModel.UART_16550A: frozenset({Board.RISCV_VIRT, Board.LOONGARCH_VIRT}),
    SerialTargetModel.SCLPCONSOLE: frozenset({Board.S390_CCW}),
    SerialTargetModel.SCLPLMCONSOLE: frozenset({Board.S390_CCW}),
}

_MODEL_FLAGS: dict[SerialTargetModel, str] = {
    SerialTargetModel.ISA_SERIAL: "isa-serial",
    SerialTargetModel.USB_SERIAL: "usb-serial",
    SerialTargetModel.PCI_SERIAL: "pci-serial",
    SerialTargetModel.SPAPR_VTY: "spapr-vty",
    SerialTargetModel.PL011: "pl011",
    SerialTargetModel.SCLPCONSOLE: "s390-sclp",
    SerialTargetModel.SCLPLMCONSOLE: "sclplmconsole",
}


def _check_serial(scene: Scene, path: str, serial: Serial) -> Problems:
    target = serial.target
    if target is None or target.type is None:
        return
    bus = _BUS_OF.get(target.type)
    if serial.address is not None and bus is not None and serial.address.type is not bus:
        yield unsupported(f"Target type '{target.type}' requires address type '{bus}'", f"{path}/address/@type")
    if target.model is None:
        return
    boards = _BOARDS_OF.get(target.model)
    if boards is not None and scene.platform.board not in boards:
        yield unsupported(
            f"Serial device with target type '{target.type}' and target model '{target.model}' is not compatible with "
            "guest architecture or machine type",
            f"{path}/target",
        )
    flag = _MODEL_FLAGS.get(target.model)
    if flag is not None and not scene.has(flag):
        yield unsupported(f"'{target.model}' is not supported in this QEMU binary", f"{path}/target/model/@name")


_CONSOLE_FLAGS = {ConsoleTargetType.SCLP: "s390-sclp", ConsoleTargetType.SCLPLM: "sclplmconsole"}
_NO_CONSOLES = (ConsoleTargetType.XEN, ConsoleTargetType.UML, ConsoleTargetType.LXC, ConsoleTargetType.OPENVZ)


def _check_console(scene: Scene, path: str, kind: ConsoleTargetType | None) -> Problems:
    flag = _CONSOLE_FLAGS.get(kind) if kind is not None else None
    if flag is not None and not scene.has(flag):
        name = "sclpconsole" if kind is ConsoleTargetType.SCLP else "sclplmconsole"
        yield unsupported(f"{name} is not supported in this QEMU binary", f"{path}/target/@type")
    elif kind in _NO_CONSOLES:
        yield unsupported(f"unsupported console target type {kind}", f"{path}/target/@type")
