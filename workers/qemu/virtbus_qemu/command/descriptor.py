"""Opened files that QEMU is handed instead of paths, as sets of descriptors."""

from __future__ import annotations

from virtbus_qemu.command.parts import Context


def pass_file(context: Context, number: int, name: str) -> tuple[tuple[str, ...], str]:
    """The option that hands over a descriptor, and the path by which QEMU then opens it.

    :param number: the descriptor's.
    :param name: what it is, for those who look at the running QEMU.
    """
    own = next(context.descriptor_sets)
    return ("-add-fd", f"set={own},fd={number},opaque={name}"), f"/dev/fdset/{own}"
