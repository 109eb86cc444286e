"""Memory devices: modules that are plugged in, persistent memory, and memory that grows and shrinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus_qemu.command import memory, numa, place
from virtbus_qemu.command.parts import Context, Parts, given

_KIB = 1024


def describe(device: MemoryDevice, context: Context) -> Parts:
    """A memory device. That of an enclave is a word of -machine."""
    hosts = memory.module(context, device)
    own = _OWN.get(device.model)
    if own is None:
        return Parts(hosts)
    node = device.target.node if numa.cells(context.domain) else None
    guest = {
        "driver": _name(device, context),
        **given(node=node if device.model is not MemoryModel.VIRTIO_PMEM else None),
        **own(device),
        "memdev": hosts[-1].id,
        **_placed(device, context),
        "id": device.alias,
        **place.of(device, context),
    }
    return Parts(hosts, guest)


def _name(device: MemoryDevice, context: Context) -> str:
    if device.model is MemoryModel.DIMM:
        return "pc-dimm"
    if device.model is MemoryModel.NVDIMM:
        return "nvdimm"
    return place.virtio_name(device.model.value, device, context)


def _persistent(device: MemoryDevice) -> dict[str, Any]:
    label = device.target.label
    return given(
        {
            "label-size": label.size * _KIB if label else None,
            "uuid": str(device.uuid) if device.uuid else None,
            "unarmed": device.target.readonly or None,
        }
    )


def _growing(device: MemoryDevice) -> dict[str, Any]:
    target = device.target
    # What it has at the moment is QEMU's to say.
    _ = target.current
    return {"block-size": (target.block or 0) * _KIB, "requested-size": (target.requested or 0) * _KIB}


_OWN: dict[MemoryModel, Callable[[MemoryDevice], dict[str, Any]]] = {
    MemoryModel.DIMM: lambda device: {},
    MemoryModel.NVDIMM: _persistent,
    MemoryModel.VIRTIO_MEM: _growing,
    MemoryModel.VIRTIO_PMEM: lambda device: {},
}
"""What only one model is told."""


def _placed(device: MemoryDevice, context: Context) -> dict[str, Any]:
    """What a virtio device is told behind its memory: whether it is set aside at once, and where it begins."""
    if device.model not in (MemoryModel.VIRTIO_MEM, MemoryModel.VIRTIO_PMEM):
        return {}
    grows, target = device.model is MemoryModel.VIRTIO_MEM, device.target
    return given(
        {
            "prealloc": True if grows and memory.is_set_aside(context, device) else None,
            "memaddr": target.address.base if target.address else None,
            "dynamic-memslots": target.dynamic_memslots if grows else None,
        }
    )
